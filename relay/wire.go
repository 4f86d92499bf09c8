package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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

// Header is what Peek tells of an event.
type Header struct {
	Org      parley.OrgID
	Type     parley.EventType
	Position parley.Position
}

// Peek reads the head of what a Relay published on `log.{org}`, for those who
// need to know few events whole. ok is false where that takes Decode: a Pointer,
// or an org whose name is escaped.
//
// It finds the keys by their text: within a string their quotes would be escaped,
// and the body, which may hold the same keys, comes last.
func Peek(data []byte) (h Header, ok bool) {
	head, _, whole := bytes.Cut(data, []byte(`,"body":`))
	org, rest, hasOrg := stringAt(head, `"org":"`)
	name, rest, hasType := stringAt(rest, `"type":"`)
	_, place, hasPlace := bytes.Cut(rest, []byte(`"position":{`))
	if !whole || !hasOrg || !hasType || !hasPlace {
		return Header{}, false
	}
	h = Header{Org: parley.OrgID(org), Type: parley.EventType(name)}
	if after, has := bytes.CutPrefix(place, []byte(`"epoch":`)); has {
		epoch, after, _ := bytes.Cut(after, []byte(","))
		n, err := strconv.ParseUint(string(epoch), 10, 64)
		if err != nil {
			return Header{}, false
		}
		h.Position.Epoch, place = parley.Epoch(n), after
	}
	place, has := bytes.CutPrefix(place, []byte(`"offset":`))
	offset, _, closed := bytes.Cut(place, []byte("}"))
	n, err := strconv.ParseUint(string(offset), 10, 64)
	if h.Position.Offset = n; !has || !closed || err != nil {
		return Header{}, false
	}
	return h, true
}

// stringAt returns the string behind a key, and what follows; false where it is
// missing or has escapes.
func stringAt(data []byte, key string) (value, rest []byte, ok bool) {
	_, data, found := bytes.Cut(data, []byte(key))
	value, rest, closed := bytes.Cut(data, []byte(`"`))
	return value, rest, found && closed && bytes.IndexByte(value, '\\') < 0
}
