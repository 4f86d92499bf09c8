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
