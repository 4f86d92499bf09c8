package engine

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

// blockPrincipal keeps what somebody says from the caller. It is the caller's own
// matter: whom it blocks is not told and goes on as before.
func (e *Engine) blockPrincipal(ctx context.Context, p *parley.Principal, cmd parley.BlockPrincipal) (parley.Result, error) {
	if _, err := checkPrincipals("user_id", []parley.PrincipalID{cmd.Principal}, 1); err != nil {
		return parley.Result{}, err
	}
	if cmd.Principal == p.ID {
		return parley.Result{}, invalid("user_id", "nobody can block itself")
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		b := &parley.Block{Org: p.Org, Owner: p.ID, Blocked: cmd.Principal, At: w.now}
		changed, err := w.SetBlock(b, cmd.On)
		if err != nil {
			return fmt.Errorf("store block: %w", err)
		}
		result = parley.Result{}
		if !changed {
			return nil
		}
		t := parley.PrincipalUnblocked
		if cmd.On {
			t = parley.PrincipalBlocked
		}
		result.Event = w.personal(t, &parley.BlockBody{Blocked: cmd.Principal})
		return w.append(result.Event)
	})
	return result, err
}
