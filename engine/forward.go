package engine

import (
	"bytes"
	"context"
	"slices"

	"github.com/parley-chat/parley"
)

// maxForwards is how many conversations a message is forwarded to at once.
const maxForwards = 50

func (e *Engine) forwardMessage(ctx context.Context, p *parley.Principal, cmd parley.ForwardMessage) (parley.Result, error) {
	targets, err := checkTargets(cmd.Conversations)
	if err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.message(p, e.cfg.Now(), len(targets)); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	var into []*parley.Conversation
	err = e.update(ctx, p, func(w *write) error {
		m, held, err := w.source(cmd.Message, targets)
		if err != nil {
			return err
		}
		result, into = parley.Result{}, nil
		for _, id := range targets {
			copied, ev, err := w.forward(m, held[id])
			if err != nil {
				return err
			}
			if result.Event == nil {
				result.Event = ev
			}
			result.Forwarded = append(result.Forwarded, *copied)
			into = append(into, held[id].Conversation)
		}
		return nil
	})
	if err != nil {
		return parley.Result{}, err
	}
	for _, c := range into {
		e.typing.posted(c, p)
	}
	return result, nil
}

// checkTargets returns the conversations without repeats.
func checkTargets(ids []parley.ConversationID) ([]parley.ConversationID, error) {
	var targets []parley.ConversationID
	for _, id := range ids {
		if !slices.Contains(targets, id) {
			targets = append(targets, id)
		}
		if len(targets) > maxForwards {
			return nil, invalid("conversation_ids", "a message is forwarded to at most %d conversations at once", maxForwards)
		}
	}
	if len(targets) == 0 {
		return nil, invalid("conversation_ids", "conversation_ids is empty")
	}
	return targets, nil
}

// place is a conversation that is held and the caller's stay in it.
type place struct {
	*parley.Conversation
	stay *parley.Membership
}

// source reads the message that is forwarded and holds its conversation and all
// that it goes to, in the order of their ids: of two who forward into the same,
// the one waits for the other and never both.
func (w *write) source(id parley.MessageID, targets []parley.ConversationID) (*heard, map[parley.ConversationID]place, error) {
	from, err := w.locate(id)
	if err != nil {
		return nil, nil, err
	}
	order := append([]parley.ConversationID{from}, targets...)
	slices.SortFunc(order, func(a, b parley.ConversationID) int { return bytes.Compare(a[:], b[:]) })
	held := map[parley.ConversationID]place{}
	for _, c := range slices.Compact(order) {
		it, stay, err := w.conversation(c)
		if err != nil {
			if !slices.Contains(targets, c) {
				err = noMessage(err)
			}
			return nil, nil, err
		}
		held[c] = place{it, stay}
	}
	m, err := w.heard(id, held[from].Conversation, held[from].stay)
	switch {
	case err != nil:
		return nil, nil, err
	case m.Deleted:
		return nil, nil, errDeleted()
	case m.Internal:
		return nil, nil, parley.Errorf(parley.CodeForbidden, "an internal message stays where it was said")
	}
	return m, held, nil
}

// forward says a message again, by the caller. Where it comes from is where it was
// first said.
func (w *write) forward(m *heard, to place) (*parley.Message, *parley.Event, error) {
	if to.Status != parley.StatusActive {
		return nil, nil, errClosed()
	}
	copied := messageOf(w, to.stay, &parley.PostMessage{
		Conversation: to.ID, Content: m.Content, ContentType: m.ContentType, ContentMeta: m.ContentMeta,
	})
	copied.Forwarded, copied.Source = true, m.Source
	if copied.Source == nil {
		copied.Source = &parley.Source{Conversation: m.Conversation, Message: m.ID, Sender: m.Sender, SenderName: m.SenderName}
	}
	if err := w.share(copied, m.Attachments); err != nil {
		return nil, nil, err
	}
	result, err := w.post(to.Conversation, copied)
	return copied, result.Event, err
}
