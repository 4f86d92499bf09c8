package engine

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

func (e *Engine) deleteMessage(ctx context.Context, p *parley.Principal, cmd parley.DeleteMessage) (parley.Result, error) {
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		m, err := w.message(cmd.Message)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: m.in, Message: m.Message}
		if !cmd.ForEveryone {
			result.Event, err = w.hideMessage(m)
			return err
		}
		if err := may(toDeleteMessage, m.in, m.stay, m.Sender == p.ID); err != nil || m.Deleted {
			return err
		}
		result.Event, err = w.deleteMessage(m)
		return err
	})
	return result, err
}

// deleteMessage leaves of a message its place, and who said it when.
func (w *write) deleteMessage(m *heard) (*parley.Event, error) {
	m.Content, m.ContentMeta, m.Source, m.Deleted = "", "", nil, true
	ev, err := w.changeMessage(m, parley.MessageDeleted)
	if err != nil {
		return nil, err
	}
	if err := w.DeleteEdits(m.in.Org, m.Conversation, m.ID); err != nil {
		return nil, fmt.Errorf("delete edits of %s: %w", m.ID, err)
	}
	if err := w.DeleteReactions(m.in.Org, m.Conversation, m.ID); err != nil {
		return nil, fmt.Errorf("delete reactions under %s: %w", m.ID, err)
	}
	return ev, nil
}

// hideMessage deletes a message for the caller alone; nil where it was already.
func (w *write) hideMessage(m *heard) (*parley.Event, error) {
	changed, err := w.HideMessage(m.in.Org, m.Conversation, w.caller.ID, m.Seq)
	if err != nil {
		return nil, fmt.Errorf("hide message %s: %w", m.ID, err)
	}
	if !changed {
		return nil, nil
	}
	ev := w.personal(parley.MemberHidden, &parley.MemberStateBody{Conversation: m.Conversation, Message: m.ID, Seq: m.Seq})
	return ev, w.append(ev)
}
