package engine

import (
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

type principalKey struct {
	org parley.OrgID
	id  parley.PrincipalID
}

func keyOf(p *parley.Principal) principalKey { return principalKey{p.Org, p.ID} }

// knows reports whether the store has heard of p as it is, as far as this node
// remembers. What it has forgotten costs one row more.
func (e *Engine) knows(p *parley.Principal) bool {
	known, ok := e.seen.get(keyOf(p), nil)
	return ok && known.Kind == p.Kind && known.Name == p.Name && known.Email == p.Email
}

func (e *Engine) remember(p *parley.Principal) { e.seen.put(keyOf(p), *p) }

// principal tells kind and name of whoever is named: an agent of this process,
// which the store hears of by this, one who was seen, or else a user nobody has
// seen yet.
func (w *write) principal(id parley.PrincipalID) (parley.Principal, error) {
	org := w.caller.Org
	if a, ok := w.engine.agents[id]; ok {
		a.Org = org
		if !w.engine.knows(&a) {
			if err := w.UpsertPrincipal(&a); err != nil {
				return a, fmt.Errorf("remember agent %s: %w", id, err)
			}
		}
		return a, nil
	}
	if id == w.caller.ID {
		return *w.caller, nil
	}
	p, err := w.Principal(org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return parley.Principal{Org: org, ID: id, Kind: parley.KindUser}, nil
	}
	if err != nil {
		return parley.Principal{}, fmt.Errorf("read principal: %w", err)
	}
	return *p, nil
}
