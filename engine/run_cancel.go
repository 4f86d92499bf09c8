package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// deletedDetail is the detail of runs that end with their conversation.
const deletedDetail = "the conversation was deleted"

// cancelRuns ends the runs of a conversation that the caller may delete, wherever
// they are written. One that begins meanwhile ends with its producer, untold.
func (e *Engine) cancelRuns(ctx context.Context, p *parley.Principal, id parley.ConversationID) error {
	all, err := e.cfg.Store.OpenRuns(ctx, p.Org)
	if err != nil {
		return fmt.Errorf("list open runs: %w", err)
	}
	allowed := false
	for i := range all {
		run := &all[i]
		if run.Conversation != id {
			continue
		}
		if !allowed {
			err := e.update(ctx, p, func(w *write) error {
				_, err := w.deletable(id)
				return err
			})
			if err != nil {
				return err
			}
			allowed = true
		}
		if err := e.cancelRun(ctx, run); err != nil && !errors.Is(err, parley.ErrFenced) {
			return err
		}
	}
	return nil
}

// cancelRun ends one run, with what was said until now. One that another node
// writes is taken from it.
func (e *Engine) cancelRun(ctx context.Context, run *parley.Run) error {
	if w := e.writer(run.ID); w != nil {
		return w.End(ctx, parley.RunCancelled, deletedDetail)
	}
	if err := e.takeOver(ctx, run); err != nil {
		return err
	}
	text, err := e.runText(ctx, run.ID)
	if err != nil {
		return err
	}
	return e.finishRun(ctx, run, text, parley.RunCancelled, deletedDetail)
}
