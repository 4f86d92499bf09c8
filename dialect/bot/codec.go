package bot

import (
	"errors"
	"slices"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// Dialect is the codec; it holds no state.
type Dialect struct{}

var _ parley.Dialect = (*Dialect)(nil)

// New returns the codec of dialect 1a.
func New() *Dialect { return &Dialect{} }

// Name is "bot".
func (*Dialect) Name() string { return "bot" }

// EndsStreams is a marker for whoever tells events: a run's end is told as
// stream_end to a Conn that has heard its stream_start, and no message follows;
// to any other Conn it is one message (contracts.md section 10, "Bot surface").
func (*Dialect) EndsStreams() bool { return true }

// Select reports whether e is told to a listener that may hear it: what it asked
// for, and new sessions to every socket of those in them (contracts.md section
// 10, "Bot surface").
func (*Dialect) Select(e *parley.Event, _ parley.PrincipalID, asked bool) bool {
	return asked || e.Type == parley.ConversationCreated
}

// Decode reads a client's frame, flat or with its fields in `payload`
// (contracts.md 2.1, C7).
func (*Dialect) Decode(text []byte) (parley.Command, error) {
	f, err := open(text)
	if err != nil {
		return nil, err
	}
	switch f.kind {
	case "auth":
		return f.authenticate()
	case "message":
		return f.message()
	case "typing_start":
		return f.typing(true)
	case "typing_stop":
		return f.typing(false)
	case "subscribe":
		return f.subscribe()
	case "unsubscribe":
		return f.unsubscribe()
	case "resume":
		return f.resume()
	case "ping":
		return parley.Ping{}, nil
	}
	return nil, parley.Errorf(parley.CodeInvalidFormat, "there is no frame of type %.40q", f.kind)
}

// frame is what a client sent. A field at the top wins over one in payload.
type frame struct {
	kind          string
	flat, payload jsonr.Object
}

func open(text []byte) (frame, error) {
	flat, err := jsonr.Parse(text)
	if err != nil {
		return frame{}, malformed(err)
	}
	kind, ok, err := flat.Text("type")
	if err != nil {
		return frame{}, malformed(err)
	}
	if !ok {
		return frame{}, missing("type")
	}
	payload, err := flat.Object("payload")
	if err != nil {
		return frame{}, malformed(err)
	}
	return frame{kind, flat, payload}, nil
}

// in returns the object that holds the field.
func (f *frame) in(key string) jsonr.Object {
	if f.flat.Has(key) {
		return f.flat
	}
	return f.payload
}

func (f *frame) authenticate() (parley.Command, error) {
	var c parley.Authenticate
	var err error
	if c.Cursor, c.HasCursor, err = f.text("cursor"); err != nil {
		return c, err
	}
	c.Token, err = f.required("token")
	return c, err
}

func (f *frame) message() (parley.Command, error) {
	var c parley.PostMessage
	var err error
	if c.ClientMsgID, _, err = f.text("client_msg_id"); err != nil {
		return c, err
	}
	if c.Conversation, err = f.session(); err != nil {
		return c, err
	}
	c.Content, err = f.required("content")
	return c, err
}

func (f *frame) typing(on bool) (parley.Command, error) {
	id, err := f.session()
	return parley.SetTyping{Conversation: id, On: on}, err
}

func (f *frame) subscribe() (parley.Command, error) {
	id, err := f.session()
	if err != nil {
		return parley.Subscribe{}, err
	}
	c := subscribeTo([]parley.ConversationID{id})
	if c.AfterSeq, c.HasAfterSeq, err = f.in("after_seq").Uint("after_seq"); err != nil {
		return c, malformed(err)
	}
	return c, nil
}

func (f *frame) unsubscribe() (parley.Command, error) {
	id, err := f.session()
	if err != nil {
		return parley.Unsubscribe{}, err
	}
	return parley.Unsubscribe{Interest: subscribeTo([]parley.ConversationID{id}).Interest}, nil
}

// resume makes one subscription of all sessions named; none at all is a client
// that only wants to hear of new sessions.
func (f *frame) resume() (parley.Command, error) {
	texts, err := f.in("session_ids").Texts("session_ids")
	if err != nil {
		return parley.Resume{}, malformed(err)
	}
	ids := make([]parley.ConversationID, 0, len(texts))
	for i, text := range texts {
		id, err := parley.ParseConversationID(text)
		if err != nil {
			e := parley.Errorf(parley.CodeInvalidArgument, "session_ids[%d] is not a session id", i)
			e.Field = "session_ids"
			return parley.Resume{}, e
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return parley.Resume{}, nil
	}
	return parley.Resume{Subscriptions: []parley.Subscribe{subscribeTo(ids)}}, nil
}

// subscribeTo keeps two lists, so that whoever narrows one leaves the other.
func subscribeTo(ids []parley.ConversationID) parley.Subscribe {
	return parley.Subscribe{Interest: parley.Interest{Conversations: ids}, Conversations: slices.Clone(ids)}
}

// session reads session_id in either spelling (C26).
func (f *frame) session() (parley.ConversationID, error) {
	text, err := f.required("session_id")
	if err != nil {
		return parley.ConversationID{}, err
	}
	id, err := parley.ParseConversationID(text)
	if err != nil {
		return id, &parley.Error{Code: parley.CodeInvalidArgument, Field: "session_id", Message: "session_id is not a session id"}
	}
	return id, nil
}

func (f *frame) text(key string) (s string, ok bool, err error) {
	if s, ok, err = f.in(key).Text(key); err != nil {
		return "", false, malformed(err)
	}
	return s, ok, nil
}

func (f *frame) required(key string) (string, error) {
	s, ok, err := f.text(key)
	if err == nil && !ok {
		err = missing(key)
	}
	return s, err
}

func missing(key string) error {
	return &parley.Error{Code: parley.CodeInvalidFormat, Field: key, Message: key + " is missing"}
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
