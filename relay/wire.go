package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// MaxInline is the largest event, in bytes as MarshalEvent writes it, that
// travels whole; a larger one travels as a Pointer.
const MaxInline = 256 << 10

// Pointer stands on the bus for an event that is too large to travel: the
// receiver reads the event at Position from the store.
type Pointer struct {
	Org      parley.OrgID    `json:"org"`
	Position parley.Position `json:"position"`
}

type pointerFrame struct {
	Pointer *Pointer `json:"pointer"`
}

// pointerPrefix tells a pointer from an event, which begins with its id.
var pointerPrefix = []byte(`{"pointer":`)

// encode writes an event as it travels on the bus.
func encode(e parley.EncodedEvent) (data []byte, pointer bool, err error) {
	if len(e.Data) <= MaxInline {
		return e.Data, false, nil
	}
	data, err = json.Marshal(pointerFrame{&Pointer{e.Org, e.Position}})
	return data, true, err
}

// Decode reads what a Relay published on `log.{org}`: the event, or the Pointer to
// it. Exactly one of the two is not nil where err is nil. It keeps nothing of data.
func Decode(data []byte) (*parley.Event, *Pointer, error) {
	if !bytes.HasPrefix(data, pointerPrefix) {
		e, err := parley.UnmarshalEvent(data)
		return e, nil, err
	}
	var f pointerFrame
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, nil, fmt.Errorf("read event pointer: %w", err)
	}
	if f.Pointer == nil || f.Pointer.Org == "" || f.Pointer.Position.Offset == 0 {
		return nil, nil, errors.New("read event pointer: org or position is missing")
	}
	return nil, f.Pointer, nil
}
