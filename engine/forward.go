package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-chat/parley"
)

// maxForwards is how many conversations a message is forwarded to at once.
const maxForwards = 50

func (e *Engine) forwardMessage(ctx context.Context, p *parley.Principal, cmd parley.ForwardMessage) (parley.Result, error) {
	targets, err := checkTargets(cmd.Conversations)
	if err == nil {
		err = checkText("client_msg_id", cmd.ClientMsgID, maxID)
	}
	if err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.message(p, e.cfg.Now(), len(targets)); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	var into []*parley.Conversation
	err = e.update(ctx, p, func(w *write) error {
		held, err := w.hold(cmd.Message, targets)
		if err != nil {
			return err
		}
		into = nil
		result, err = w.forwarded(held, targets, cmd.ClientMsgID)
		if err != nil || result.Repeated {
			return err
		}
		m, err := w.source(held)
		if err != nil {
			return err
		}
		for _, id := range targets {
			to, ok := held.in[id]
			if !ok {
				return errNoConversation(nil)
			}
			copied, ev, err := w.forward(m, to, cmd.ClientMsgID)
			if err != nil {
				return err
			}
			if result.Event == nil {
				result.Event = ev
			}
			result.Forwarded = append(result.Forwarded, *copied)
			into = append(into, to.Conversation)
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

// held is what one forward is about: the message, as far as it may be seen, and
// those of its own and the other conversations that the caller is in.
type held struct {
	message *parley.Message
	in      map[parley.ConversationID]place
}

// hold reads the message that is forwarded and holds its conversation and all that
// it goes to, in the order of their ids: of two who forward into the same, the one
// waits for the other and never both.
func (w *write) hold(id parley.MessageID, targets []parley.ConversationID) (*held, error) {
	m, err := w.Message(w.caller.Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, noMessage(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read message %s: %w", id, err)
	}
	order := append([]parley.ConversationID{m.Conversation}, targets...)
	slices.SortFunc(order, func(a, b parley.ConversationID) int { return bytes.Compare(a[:], b[:]) })
	h := &held{m, map[parley.ConversationID]place{}}
	for _, c := range slices.Compact(order) {
		it, stay, err := w.conversation(c)
		if errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) {
			continue // nobody hears which: the message is looked for first
		}
		if err != nil {
			return nil, err
		}
		h.in[c] = place{it, stay}
	}
	return h, nil
}

// forwarded finds what the caller forwarded under the same client_msg_id: the answer
// is the same for ever, whatever became of the message. The zero Result is
// "nothing".
func (w *write) forwarded(h *held, targets []parley.ConversationID, clientMsgID string) (parley.Result, error) {
	result := parley.Result{Repeated: true}
	if clientMsgID == "" {
		return parley.Result{}, nil
	}
	for _, id := range targets {
		if _, in := h.in[id]; !in {
			continue
		}
		m, err := w.MessageByClientID(w.caller.Org, id, w.caller.ID, clientMsgID)
		if errors.Is(err, parley.ErrNotFound) {
			continue
		}
		if err != nil {
			return parley.Result{}, fmt.Errorf("find message by client_msg_id: %w", err)
		}
		if !h.isCopy(m) {
			return parley.Result{}, errOtherUnder()
		}
		result.Forwarded = append(result.Forwarded, *m)
	}
	switch len(result.Forwarded) {
	case 0:
		return parley.Result{}, nil
	case len(targets):
		return result, nil
	}
	return parley.Result{}, errOtherUnder() // it went elsewhere
}

// isCopy reports whether a message can be a copy of the one that is forwarded. What
// was deleted no longer tells.
func (h *held) isCopy(m *parley.Message) bool {
	if m.Deleted {
		return true
	}
	return m.Forwarded && (h.message.Deleted || m.Source != nil && m.Source.Message == sourceOf(h.message).Message)
}

// sourceOf is where a message was first said.
func sourceOf(m *parley.Message) *parley.Source {
	if m.Source != nil {
		return m.Source
	}
	return &parley.Source{Conversation: m.Conversation, Message: m.ID, Sender: m.Sender, SenderName: m.SenderName}
}

// source is the message that is forwarded, if the caller may.
func (w *write) source(h *held) (*heard, error) {
	from, in := h.in[h.message.Conversation]
	if !in {
		return nil, noMessage(nil)
	}
	m, err := w.heard(h.message.ID, from.Conversation, from.stay)
	switch {
	case err != nil:
		return nil, err
	case m.Deleted:
		return nil, errDeleted()
	case m.Internal:
		return nil, parley.Errorf(parley.CodeForbidden, "an internal message stays where it was said")
	}
	return m, nil
}

// forward says a message again, by the caller. Where it comes from is where it was
// first said.
func (w *write) forward(m *heard, to place, clientMsgID string) (*parley.Message, *parley.Event, error) {
	if to.Status != parley.StatusActive {
		return nil, nil, errClosed()
	}
	copied := messageOf(w, to.stay, &parley.PostMessage{
		Conversation: to.ID, Content: m.Content, ContentType: m.ContentType, ContentMeta: m.ContentMeta, ClientMsgID: clientMsgID,
	})
	copied.Forwarded, copied.Source = true, sourceOf(m.Message)
	if err := w.share(copied, m.Attachments); err != nil {
		return nil, nil, err
	}
	result, err := w.post(to.Conversation, copied)
	return copied, result.Event, err
}
