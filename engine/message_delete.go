package engine

import (
	"context"
	"fmt"
	"slices"

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
	w.released = w.released || len(m.Attachments) > 0
	if err := w.forget(m.in, m.Message); err != nil {
		return nil, err
	}
	m.Empty()
	return w.changeMessage(m, parley.MessageDeleted)
}

// forgetAtOnce is how many events of a message are in memory while it is forgotten:
// each holds a text, and there is one for each time it was edited.
const forgetAtOnce = 64

// forget takes away all that is kept of what a message said but its own row: what
// it said before, what others put under it, and its words in the log. Its
// conversation is held; the row is still to be emptied.
func (w *write) forget(c *parley.Conversation, m *parley.Message) error {
	told, err := w.EditChanges(c.Org, m.Conversation, m.ID)
	if err != nil {
		return fmt.Errorf("read edits of %s: %w", m.ID, err)
	}
	told = append(told, m.ChangeSeq)
	if m.Run != nil {
		told = append(told, slices.Min(told)+1) // the run's end, which follows what the run became
	}
	for some := range slices.Chunk(told, forgetAtOnce) {
		err = w.RewriteChanges(c.Org, c.ID, some, func(e *parley.Event) *parley.Event {
			return parley.ForgetMessage(e, m.ID)
		})
		if err != nil {
			return fmt.Errorf("empty the events of %s: %w", m.ID, err)
		}
	}
	if err := w.DeleteEdits(c.Org, m.Conversation, m.ID); err != nil {
		return fmt.Errorf("delete edits of %s: %w", m.ID, err)
	}
	if err := w.DeleteReactions(c.Org, m.Conversation, m.ID); err != nil {
		return fmt.Errorf("delete reactions under %s: %w", m.ID, err)
	}
	return nil
}

// hiddenFrom lists those who are not to be told of a message any more.
func (w *write) hiddenFrom(m *heard) ([]parley.PrincipalID, error) {
	all, err := w.HiddenFrom(m.in.Org, m.Conversation, m.Seq)
	if err != nil {
		return nil, fmt.Errorf("find who hid message %s: %w", m.ID, err)
	}
	return all, nil
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
