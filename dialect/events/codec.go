package events

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// Dialect is the codec of the events surface. It holds nothing.
type Dialect struct{}

// New returns the dialect.
func New() parley.Dialect { return Dialect{} }

// Name is "events".
func (Dialect) Name() string { return "events" }

// Decode ignores whatever a client says, well formed or not (contracts.md 1.1,
// client→server frames).
func (Dialect) Decode([]byte) (parley.Command, error) { return parley.Ignore{}, nil }

// AppendReply spells the two replies that the surface has a frame for, both as
// system.status (design.md section 5): a moved cursor and the call to reload.
// Whether a Conn says CursorMoved at all depends on its `cursor=` and is its own
// to decide.
func (Dialect) AppendReply(dst []byte, r parley.Reply) []byte {
	switch r := r.(type) {
	case parley.CursorMoved:
		dst = appendStatus(dst, r.Time, "cursor", r.Cursor)
		dst = append(dst, '}')
		dst = jsonw.Text(dst, "cursor", r.Cursor)
		return append(dst, '}')
	case parley.Reload:
		dst = appendStatus(dst, r.Time, "reload", r.Reason+r.Conversation.String())
		dst = jsonw.Text(dst, "reason", r.Reason)
		dst = jsonw.IDIf(dst, "conversation_id", r.Conversation)
		return append(dst, '}', '}')
	}
	return dst
}

// appendStatus appends a system.status envelope up to within its open data.
func appendStatus(dst []byte, at time.Time, status, text string) []byte {
	dst = append(dst, '{')
	dst = jsonw.ID(dst, "id", newsID(at, status, text))
	dst = append(dst, `,"type":"system.status","channel":"system"`...)
	dst = jsonw.TimeAt(dst, "timestamp", at)
	dst = append(jsonw.Key(dst, "data"), '{')
	return jsonw.Text(dst, "status", status)
}

// newsID makes the id of an envelope that tells no stored event: a UUIDv7 of its
// time and of what it says. A codec has no source of randomness, and clients
// dedupe by id: the same news twice is the same id.
func newsID(at time.Time, status, text string) parley.EventID {
	sum := sha256.Sum256([]byte(status + "\x00" + text))
	var id parley.EventID
	copy(id[:], sum[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}
