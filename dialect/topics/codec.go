package topics

import (
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// Dialect is the codec of the topics surface. It holds nothing.
type Dialect struct{}

// New returns the dialect.
func New() parley.Dialect { return Dialect{} }

// MaxID bounds a client's own id of a subscription, in bytes: each is kept for
// as long as the socket.
const MaxID = 256

// Name is "topics".
func (Dialect) Name() string { return "topics" }

// Decode reads a client frame (contracts.md section 10). The command that comes
// with an error says no more than what the frame was about; that of a subscribe,
// unsubscribe or publish has the id where it could be read, so that the error
// frame can echo it. Nil where the op is not known.
//
// A pattern that does not follow the grammar fails neither the frame nor the
// other patterns: it is left in Interest.Patterns with nothing but its Text,
// Segments empty and no Any, which no pattern has that could be parsed. The Conn
// refuses such ones one by one.
func (Dialect) Decode(frame []byte) (parley.Command, error) {
	o, err := jsonr.Parse(frame)
	if err != nil {
		return nil, invalid(err)
	}
	op, ok, err := o.Text("op")
	switch {
	case err != nil:
		return nil, invalid(err)
	case !ok:
		return nil, missing("op")
	}
	switch op {
	case "auth":
		return decodeAuth(o)
	case "resume":
		return decodeResume(o)
	case "subscribe":
		return decodeSubscribe(o)
	case "unsubscribe":
		id, err := decodeID(o)
		return parley.Unsubscribe{Ref: id}, err
	case "publish":
		return decodePublish(o)
	case "ping":
		return parley.Ping{}, nil
	}
	return nil, parley.Errorf(parley.CodeInvalidFormat, "there is no op %.40q", op)
}

func decodeAuth(o jsonr.Object) (parley.Command, error) {
	token, ok, err := o.Text("token")
	switch {
	case err != nil:
		return parley.Authenticate{}, invalid(err)
	case !ok || token == "":
		return parley.Authenticate{}, missing("token")
	}
	cursor, has, err := o.Text("cursor")
	if err != nil {
		return parley.Authenticate{}, invalid(err)
	}
	return parley.Authenticate{Token: token, Cursor: cursor, HasCursor: has}, nil
}

// decodeResume reads the whole set of subscriptions; an empty one is a set too.
func decodeResume(o jsonr.Object) (parley.Command, error) {
	if !o.Has("subscriptions") {
		return parley.Resume{}, missing("subscriptions")
	}
	var list [][]byte
	if !jsonr.Elements(o["subscriptions"], func(value []byte) { list = append(list, value) }) {
		return parley.Resume{}, wrongType("subscriptions", "an array of objects")
	}
	c := parley.Resume{Subscriptions: make([]parley.Subscribe, 0, len(list))}
	for i, raw := range list {
		inner, err := jsonr.ParseOwned(raw) // it lies in what Decode's object owns
		if err != nil {
			return parley.Resume{}, wrongType("subscriptions", "an array of objects")
		}
		s, err := decodeSubscribe(inner)
		if err != nil {
			e := parley.AsError(err)
			e.Message = parley.Errorf(e.Code, "subscriptions[%d]: %s", i, e.Message).Message
			return parley.Resume{}, e
		}
		c.Subscriptions = append(c.Subscriptions, s)
	}
	return c, nil
}

func decodeSubscribe(o jsonr.Object) (parley.Subscribe, error) {
	var c parley.Subscribe
	var err error
	if c.Ref, err = decodeID(o); err != nil {
		return c, err
	}
	texts, err := o.Texts("topics")
	if err != nil {
		return c, invalid(err)
	}
	if len(texts) == 0 {
		return c, missing("topics")
	}
	for _, text := range texts {
		c.Interest.Patterns = append(c.Interest.Patterns, parsePattern(text))
	}
	return c, nil
}

func decodeID(o jsonr.Object) (string, error) {
	id, ok, err := o.Text("id")
	switch {
	case err != nil:
		return "", invalid(err)
	case !ok || id == "":
		return "", missing("id")
	case len(id) > MaxID:
		return "", &parley.Error{Code: parley.CodeInvalidArgument, Field: "id", Message: "id is too long"}
	}
	return id, nil
}

// parsePattern parses a pattern and spells the ids in it as topics do: a
// conversation is accepted as a UUID too (C26).
func parsePattern(text string) parley.Pattern {
	p, err := parley.ParsePattern(text)
	if err != nil {
		return parley.Pattern{Text: text}
	}
	// The built-in resources whose id is a conversation's, or a task's.
	switch p.Segments[2] {
	case "conversation", "flow":
		p.Segments[4] = typeID(p.Segments[4], parley.ParseConversationID)
	case "task":
		p.Segments[4] = typeID(p.Segments[4], parley.ParseTaskID)
	}
	for i := range p.Tail {
		switch f := &p.Tail[i]; f.Key {
		case "conversation":
			f.Value = typeID(f.Value, parley.ParseConversationID)
		case "message":
			f.Value = typeID(f.Value, parley.ParseMessageID)
		case "run":
			f.Value = typeID(f.Value, parley.ParseRunID)
		case "task":
			f.Value = typeID(f.Value, parley.ParseTaskID)
		}
	}
	return p
}

// typeID returns the TypeID of an id in either spelling, and any other text as
// it is.
func typeID[K parley.IDKind](text string, parse func(string) (parley.ID[K], error)) string {
	if id, err := parse(text); err == nil {
		return id.String()
	}
	return text
}

func missing(field string) *parley.Error {
	return &parley.Error{Code: parley.CodeInvalidFormat, Field: field, Message: field + " is missing or empty"}
}

func wrongType(field, want string) *parley.Error {
	return &parley.Error{Code: parley.CodeInvalidFormat, Field: field, Message: field + " must be " + want}
}

// invalid gives a finding of jsonr its code.
func invalid(err error) *parley.Error {
	e := &parley.Error{Code: parley.CodeInvalidFormat, Message: err.Error()}
	var found *jsonr.Error
	if errors.As(err, &found) && found.Field != "" {
		e.Field = found.Field
		return e
	}
	e.Message = "the frame cannot be read: " + e.Message
	return e
}
