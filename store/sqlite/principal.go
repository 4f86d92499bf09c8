package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const (
	// The condition saves the write where nothing changed, which is the rule.
	upsertPrincipal = `INSERT INTO principals (org, id, kind, name, email) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (org, id) DO UPDATE SET kind = excluded.kind, name = excluded.name, email = excluded.email
		WHERE kind <> excluded.kind OR name <> excluded.name OR email <> excluded.email`
	selectPrincipal = `SELECT org, id, kind, name, email FROM principals WHERE org = ? AND id = ?`
)

func principalDest(p *parley.Principal) []any {
	return []any{&p.Org, &p.ID, &p.Kind, &p.Name, &p.Email}
}

// UpsertPrincipal implements parley.Tx: kind, name and email are kept, what
// belongs to a credential is not.
func (t *tx) UpsertPrincipal(p *parley.Principal) error {
	if _, err := t.exec(upsertPrincipal, string(p.Org), string(p.ID), string(p.Kind), p.Name, p.Email); err != nil {
		return fmt.Errorf("remember principal: %w", err)
	}
	return nil
}

// Principal implements parley.Tx.
func (t *tx) Principal(org parley.OrgID, id parley.PrincipalID) (*parley.Principal, error) {
	p := new(parley.Principal)
	if err := t.one(selectPrincipal, []any{string(org), string(id)}, principalDest(p)...); err != nil {
		return nil, fmt.Errorf("principal: %w", err)
	}
	return p, nil
}

// Principal implements parley.Reader.
func (s *Store) Principal(ctx context.Context, org parley.OrgID, id parley.PrincipalID) (*parley.Principal, error) {
	p := new(parley.Principal)
	err := one(ctx, s.reads, selectPrincipal, []any{string(org), string(id)}, principalDest(p)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("principal: %w", err)
	}
	return p, nil
}
