package engine

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

// editMessage changes what the caller said. What it said before is kept; the same
// again changes nothing.
func (e *Engine) editMessage(ctx context.Context, p *parley.Principal, cmd parley.EditMessage) (parley.Result, error) {
	if err := e.checkContent(cmd.Content, cmd.ContentMeta); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.message(p, e.cfg.Now(), 1); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		m, err := w.message(cmd.Message)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: m.in, Message: m.Message}
		meta := m.ContentMeta
		if cmd.ContentMeta != nil {
			meta = *cmd.ContentMeta
		}
		if err := may(toEdit, m.in, m.stay, m.Sender == p.ID); err != nil {
			return err
		}
		switch {
		case m.Deleted:
			return errDeleted()
		case m.Content == cmd.Content && m.ContentMeta == meta:
			return nil
		case m.in.Status != parley.StatusActive:
			return errClosed()
		}
		result.Event, err = w.edit(m, cmd.Content, meta)
		return err
	})
	return result, err
}

// edit keeps what a message says and makes it say something else.
func (w *write) edit(m *heard, content, meta string) (*parley.Event, error) {
	said := m.EditedAt
	if m.EditCount == 0 {
		said = m.CreatedAt
	}
	err := w.InsertEdit(m.in.Org, &parley.Edit{
		Conversation: m.Conversation, Message: m.ID, Number: m.EditCount,
		Content: m.Content, ContentMeta: m.ContentMeta, At: said, ChangeSeq: m.ChangeSeq,
	})
	if err != nil {
		return nil, fmt.Errorf("keep what message %s said: %w", m.ID, err)
	}
	m.Content, m.ContentMeta = content, meta
	m.EditCount++
	m.EditedAt = w.now
	return w.changeMessage(m, parley.MessageUpdated)
}

// changeMessage stores a message that was changed, and tells it as it is now.
func (w *write) changeMessage(m *heard, t parley.EventType) (*parley.Event, error) {
	body := new(parley.MessageBody)
	ev := w.event(m.in, t, body)
	ev.Internal = m.Internal
	if t != parley.MessageDeleted {
		var err error
		if body.HiddenFrom, err = w.hiddenFrom(m); err != nil {
			return nil, err
		}
	}
	m.ChangeSeq = ev.ChangeSeq
	body.Message = *m.Message
	if err := w.UpdateMessage(m.Message, m.in.Org); err != nil {
		return nil, fmt.Errorf("update message %s: %w", m.ID, err)
	}
	return ev, firstError(w.append(ev), w.save(m.in))
}
