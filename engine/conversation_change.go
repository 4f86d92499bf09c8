package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// updateConversation changes title and description, of a closed one too.
func (e *Engine) updateConversation(ctx context.Context, p *parley.Principal, cmd parley.UpdateConversation) (parley.Result, error) {
	for _, f := range []struct {
		name  string
		text  *string
		limit int
	}{{"title", cmd.Title, maxTitle}, {"description", cmd.Description, maxDescription}} {
		if f.text == nil {
			continue
		}
		if err := checkText(f.name, *f.text, f.limit); err != nil {
			return parley.Result{}, err
		}
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, m, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if err := may(toRename, c, m, false); err != nil {
			return err
		}
		result = parley.Result{Conversation: c}
		title, description := set(&c.Title, cmd.Title), set(&c.Description, cmd.Description)
		if !title && !description {
			return nil
		}
		body := conversationBody(c)
		result.Event = w.event(c, parley.ConversationUpdated, &body)
		return firstError(w.append(result.Event), w.save(c))
	})
	return result, err
}

// set writes a value, where there is one, and reports whether it is another than
// before.
func set[T comparable](field *T, value *T) bool {
	if value == nil || *field == *value {
		return false
	}
	*field = *value
	return true
}

// deleteConversation deletes a conversation for everyone. What agents are saying in
// it ends first, as cancelled, so that listeners hear the end of it.
func (e *Engine) deleteConversation(ctx context.Context, p *parley.Principal, id parley.ConversationID) (parley.Result, error) {
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	if err := e.cancelRuns(ctx, p, id); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, err := w.deletable(id)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: c}
		if c.Status == parley.StatusDeleted {
			result.Repeated = true
			return nil
		}
		c.Status = parley.StatusDeleted
		body := conversationBody(c)
		body.Reason = "deleted"
		result.Event = w.event(c, parley.ConversationDeleted, &body)
		w.released = true
		return firstError(w.append(result.Event), w.save(c), w.ReleaseAttachments(c.Org, c.ID))
	})
	return result, err
}

// deletable reads a conversation that the caller may delete, and holds it. One that
// was deleted is found only by those who might have done so.
func (w *write) deletable(id parley.ConversationID) (*parley.Conversation, error) {
	c, err := w.Conversation(w.caller.Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, errNoConversation(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read conversation %s: %w", id, err)
	}
	m, err := w.Member(w.caller.Org, id, w.caller.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, errNoConversation(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read stay in %s: %w", id, err)
	}
	err = may(toDeleteConversation, c, m, false)
	if err != nil && c.Status == parley.StatusDeleted {
		err = errNoConversation(nil)
	}
	return c, err
}
