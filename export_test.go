package parley

import (
	"bytes"
	"encoding/json"
)

// UnmarshalSlow reads an event with encoding/json alone; ReadFast in the one pass
// alone, false where it leaves the text to encoding/json.
var (
	UnmarshalSlow = unmarshalEvent
	ReadFast      = readEvent
)

// IsJSON reports whether text is one JSON value that nests at most depth deep and
// has no blanks around it, as the one pass finds it.
func IsJSON(text []byte, depth int) bool {
	end, ok := scanValue(text, 0, depth)
	return ok && end == len(text)
}

// MarshalSlow writes an event with encoding/json alone.
func MarshalSlow(e *Event) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(wireEvent{
		e.ID, e.Org, e.Type, e.Class, e.Time, e.Actor, e.ActorKind, e.Conversation, e.ChangeSeq,
		e.Targets, e.Channel, e.Internal, e.Position, e.Body,
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}
