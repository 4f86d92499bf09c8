package engine

import (
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// heard is a message that the caller may see, with its conversation, which is held,
// and the caller's open stay there.
type heard struct {
	*parley.Message
	in   *parley.Conversation
	stay *parley.Membership
}

// message reads a message by its id and holds its conversation. A message that does
// not exist, or that the caller may not see, is not found all the same. What the
// caller hid from itself, or comes from somebody it blocks, it may see.
func (w *write) message(id parley.MessageID) (*heard, error) {
	at, err := w.locate(id)
	if err != nil {
		return nil, err
	}
	c, stay, err := w.conversation(at)
	if err != nil {
		return nil, noMessage(err)
	}
	return w.heard(id, c, stay)
}

// locate tells which conversation a message is in, without holding it.
func (w *write) locate(id parley.MessageID) (parley.ConversationID, error) {
	m, err := w.Message(w.caller.Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return parley.ConversationID{}, noMessage(err)
	}
	if err != nil {
		return parley.ConversationID{}, fmt.Errorf("read message %s: %w", id, err)
	}
	return m.Conversation, nil
}

// heard reads a message of a conversation that is held.
func (w *write) heard(id parley.MessageID, c *parley.Conversation, stay *parley.Membership) (*heard, error) {
	m, err := w.Message(c.Org, id)
	if err == nil && m.Conversation != c.ID {
		err = parley.ErrNotFound
	}
	if errors.Is(err, parley.ErrNotFound) {
		return nil, noMessage(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read message %s: %w", id, err)
	}
	visible, err := w.sees(c, stay, m)
	if err != nil {
		return nil, err
	}
	if !visible {
		return nil, noMessage(nil)
	}
	return &heard{m, c, stay}, nil
}

// noMessage makes what every caller hears who may not know of a message out of an
// error; others stay as they are.
func noMessage(err error) error {
	if err == nil || errors.Is(err, parley.ErrNotFound) {
		return &parley.Error{Code: parley.CodeNotFound, Message: "there is no such message", Err: err}
	}
	return err
}

// sees reports whether one of the caller's stays reaches a message, and hears it
// where it is internal. Most are within the open stay.
func (w *write) sees(c *parley.Conversation, open *parley.Membership, m *parley.Message) (bool, error) {
	if w.reaches(c, open, m) {
		return true, nil
	}
	stays, err := w.stays(c)
	if err != nil {
		return false, err
	}
	for i := range stays {
		if w.reaches(c, &stays[i], m) {
			return true, nil
		}
	}
	return false, nil
}

func (w *write) reaches(c *parley.Conversation, stay *parley.Membership, m *parley.Message) bool {
	return stay.Reaches(m.Seq) &&
		(!m.Internal || stay.HearsInternal(c.Kind) || w.caller.Can(parley.ScopeConversationsReadAll))
}

// stays lists all stays of the caller.
func (w *write) stays(c *parley.Conversation) ([]parley.Membership, error) {
	stays, err := w.StaysOf(c.Org, c.ID, w.caller.ID)
	if err != nil {
		return nil, fmt.Errorf("read stays in %s: %w", c.ID, err)
	}
	return stays, nil
}

func errDeleted() error {
	return parley.Errorf(parley.CodeConflict, "the message was deleted")
}
