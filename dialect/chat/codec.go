package chat

import (
	"errors"
	"slices"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// Dialect is the codec; it holds no state.
type Dialect struct{}

var _ parley.Dialect = (*Dialect)(nil)

// New returns the codec.
func New() *Dialect { return &Dialect{} }

// Name is "chat".
func (*Dialect) Name() string { return "chat" }

// Select reports whether e is told to a listener that may hear it: what it asked
// for, and without asking that a conversation, or somebody in one, came or went, that
// a call rings and what becomes of it, so that a device that rang stops, and whatever
// concerns the listener alone (contracts.md 4.1 and section 9, scope of delivery).
// Someone's joining or leaving a conversation is told to nobody else (section 10,
// "Chat surface").
func (*Dialect) Select(e *parley.Event, to parley.PrincipalID, asked bool) bool {
	switch e.Type {
	case parley.ConversationCreated, parley.ConversationDeleted, parley.PresenceChanged,
		parley.CallStarted, parley.CallAnswered, parley.CallDeclined, parley.CallEnded,
		parley.MemberMuted, parley.MemberUnmuted, parley.MemberArchived, parley.MemberUnarchived, parley.MemberHidden,
		parley.PrincipalBlocked, parley.PrincipalUnblocked:
		return true
	case parley.ReceiptUpdated:
		return asked || e.Conversation.IsZero() // in a large conversation it is the member's own
	case parley.MemberJoined, parley.MemberLeft:
		b, ok := e.Body.(*parley.MemberBody)
		return ok && b.Principal == to
	}
	return asked
}

// Decode reads a client's frame (contracts.md 4.1, and section 10 for auth and
// resume). A frame without an action is known only as {type:"ping"}.
func (*Dialect) Decode(text []byte) (parley.Command, error) {
	f, err := jsonr.Parse(text)
	if err != nil {
		return nil, malformed(err)
	}
	action, err := actionOf(f)
	if err != nil {
		return nil, err
	}
	switch action {
	case "auth":
		return authenticate(f)
	case "resume":
		return resume(f)
	case "subscribe":
		return conversations(f)
	case "unsubscribe":
		s, err := conversations(f)
		return parley.Unsubscribe{Ref: s.Ref, Interest: s.Interest}, err
	case "subscribe_session":
		return sessionOf(f)
	case "unsubscribe_session":
		s, err := sessionOf(f)
		return parley.Unsubscribe{Ref: s.Ref, Interest: s.Interest}, err
	case "ping":
		return parley.Ping{}, nil
	}
	return nil, parley.Errorf(parley.CodeInvalidFormat, "there is no action %.40q", action)
}

func actionOf(f jsonr.Object) (string, error) {
	action, ok, err := f.Text("action")
	if err != nil {
		return "", malformed(err)
	}
	if ok {
		return action, nil
	}
	if kind, _, _ := f.Text("type"); kind == "ping" {
		return kind, nil
	}
	return "", missing("action")
}

func authenticate(f jsonr.Object) (parley.Command, error) {
	var c parley.Authenticate
	var ok bool
	var err error
	if c.Cursor, c.HasCursor, err = f.Text("cursor"); err != nil {
		return c, malformed(err)
	}
	if c.Token, ok, err = f.Text("token"); err != nil {
		return c, malformed(err)
	}
	if !ok {
		return c, missing("token")
	}
	return c, nil
}

// resume makes one subscription of all conversations and one of each session, as
// the frames that first made them would.
func resume(f jsonr.Object) (parley.Command, error) {
	var c parley.Resume
	if f.Has("conversation_ids") {
		s, err := conversations(f)
		if err != nil {
			return c, err
		}
		if len(s.Conversations) > 0 {
			c.Subscriptions = append(c.Subscriptions, s)
		}
	}
	sessions, err := f.Texts("session_ids")
	if err != nil {
		return c, malformed(err)
	}
	for _, text := range sessions {
		s, err := session("session_ids", text)
		if err != nil {
			return c, err
		}
		c.Subscriptions = append(c.Subscriptions, s)
	}
	return c, nil
}

// conversations makes a subscription of conversation_ids, each in either spelling
// (C26). Where one is not a TypeID the texts are kept as the subscription's Ref,
// so that its acknowledgement says what the client said.
func conversations(f jsonr.Object) (parley.Subscribe, error) {
	var s parley.Subscribe
	if !f.Has("conversation_ids") {
		return s, missing("conversation_ids")
	}
	texts, err := f.Texts("conversation_ids")
	if err != nil {
		return s, malformed(err)
	}
	ids := make([]parley.ConversationID, len(texts))
	for i, text := range texts {
		if ids[i], err = parley.ParseConversationID(text); err != nil {
			return s, badID("conversation_ids", text)
		}
		if ids[i].String() != text {
			s.Ref = strings.Join(texts, refSeparator)
		}
	}
	// Two lists, so that whoever narrows one leaves the other.
	s.Conversations, s.Interest.Conversations = ids, slices.Clone(ids)
	return s, nil
}

// refSeparator is in no id.
const refSeparator = ","

func sessionOf(f jsonr.Object) (parley.Subscribe, error) {
	text, ok, err := f.Text("session_id")
	if err != nil {
		return parley.Subscribe{}, malformed(err)
	}
	if !ok {
		return parley.Subscribe{}, missing("session_id")
	}
	return session("session_id", text)
}

// session makes a subscription of a run's or a task's id, or of a conversation's for
// all its runs and tasks. A UUID, which does not say what it is of, is taken for a
// conversation's: no surface shows one of a run or a task. What makes it a session's
// is that it names no Conversations; the text is kept as its Ref, for the
// acknowledgement.
func session(field, text string) (parley.Subscribe, error) {
	if id, err := parley.ParseConversationID(text); err == nil {
		return parley.Subscribe{Ref: text, Interest: parley.Interest{Conversations: []parley.ConversationID{id}}}, nil
	}
	if id, err := parley.ParseRunID(text); err == nil {
		return parley.Subscribe{Ref: text, Interest: parley.Interest{Runs: []parley.RunID{id}}}, nil
	}
	if id, err := parley.ParseTaskID(text); err == nil {
		return parley.Subscribe{Ref: text, Interest: parley.Interest{Tasks: []parley.TaskID{id}}}, nil
	}
	return parley.Subscribe{}, badID(field, text)
}

func missing(key string) error {
	return &parley.Error{Code: parley.CodeInvalidFormat, Field: key, Message: key + " is missing"}
}

func badID(field, text string) error {
	e := parley.Errorf(parley.CodeInvalidArgument, "%s holds %.40q, which is not an id of that kind", field, text)
	e.Field = field
	return e
}

// malformed gives what jsonr found the form of a client error.
func malformed(err error) error {
	e := &parley.Error{Code: parley.CodeInvalidFormat, Message: err.Error()}
	var wrong *jsonr.Error
	if errors.As(err, &wrong) {
		e.Field = wrong.Field
	}
	if e.Field == "" {
		e.Message = "the frame cannot be read: " + e.Message
	}
	return e
}
