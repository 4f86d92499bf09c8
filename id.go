package parley

import (
	"encoding/hex"
	"errors"
	"strings"
)

// ID is a 128-bit UUIDv7 of one kind of thing. The kind is part of the type,
// so that a message id cannot be passed where a conversation id is meant.
//
// It is shown as a TypeID (String: prefix, underscore, 26 digits of base 32)
// everywhere but on the bot surface, which shows plain UUIDs (UUID). Parsing
// accepts both spellings on every surface (contracts.md C26). The zero value
// means "none" and is never a valid id on the wire.
type ID[K IDKind] [16]byte

// IDKind names a kind of id by the prefix it is shown with.
type IDKind interface{ Prefix() string }

// The kinds of id. Each is an empty type that exists to name its prefix.
type (
	conversationKind struct{}
	messageKind      struct{}
	eventKind        struct{}
	runKind          struct{}
	subscriptionKind struct{}
	participantKind  struct{}
	keyKind          struct{}
	taskKind         struct{}
	callKind         struct{}
	attachmentKind   struct{}
	erasureKind      struct{}
)

func (conversationKind) Prefix() string { return "conv" }
func (messageKind) Prefix() string      { return "msg" }
func (eventKind) Prefix() string        { return "evt" }
func (runKind) Prefix() string          { return "run" }
func (subscriptionKind) Prefix() string { return "sub" }
func (participantKind) Prefix() string  { return "part" }
func (keyKind) Prefix() string          { return "key" }
func (taskKind) Prefix() string         { return "task" }
func (callKind) Prefix() string         { return "call" }
func (attachmentKind) Prefix() string   { return "att" }
func (erasureKind) Prefix() string      { return "era" }

// Typed ids of the product's nouns.
type (
	ConversationID = ID[conversationKind]
	MessageID      = ID[messageKind]
	EventID        = ID[eventKind]
	RunID          = ID[runKind]
	SubscriptionID = ID[subscriptionKind]
	ParticipantID  = ID[participantKind]
	KeyID          = ID[keyKind]
	TaskID         = ID[taskKind]
	CallID         = ID[callKind]
	AttachmentID   = ID[attachmentKind]
	ErasureID      = ID[erasureKind]
)

// ErrBadID says that a string is neither a UUID nor a TypeID of the wanted kind.
var ErrBadID = errors.New("not a valid id")

const (
	base32Digits = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford, lower case, as TypeID has it
	base32Len    = 26
)

var base32Value = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xff
	}
	for i := range base32Digits {
		v[base32Digits[i]] = byte(i)
	}
	return v
}()

// IsZero reports whether the id is the zero value, "none".
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// String shows the id as a TypeID, "conv_01h455vb4pex5vsknk084sn02q"; the zero
// value is the empty string.
func (id ID[K]) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id.AppendTypeID(make([]byte, 0, 32)))
}

// AppendTypeID appends the TypeID spelling to dst.
func (id ID[K]) AppendTypeID(dst []byte) []byte {
	var k K
	dst = append(dst, k.Prefix()...)
	dst = append(dst, '_')
	// 128 bits in 26 digits of 5 bits: the first digit holds the top 3.
	var out [base32Len]byte
	var acc uint64
	bits, n := 0, base32Len
	for i := 15; i >= 0; i-- {
		acc |= uint64(id[i]) << bits
		bits += 8
		for bits >= 5 {
			n--
			out[n] = base32Digits[acc&31]
			acc >>= 5
			bits -= 5
		}
	}
	out[0] = base32Digits[acc&31]
	return append(dst, out[:]...)
}

// UUID shows the id as the bot surface does, 36 characters; the zero value is
// the empty string.
func (id ID[K]) UUID() string {
	if id.IsZero() {
		return ""
	}
	return string(id.AppendUUID(make([]byte, 0, 36)))
}

// AppendUUID appends the UUID spelling to dst.
func (id ID[K]) AppendUUID(dst []byte) []byte {
	var out [36]byte
	hex.Encode(out[0:8], id[0:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:36], id[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return append(dst, out[:]...)
}

// ParseID reads either spelling: a TypeID with the prefix of K, or a UUID of 36
// characters. Anything else, the zero id included, is ErrBadID.
func ParseID[K IDKind](s string) (ID[K], error) {
	var id ID[K]
	var ok bool
	if len(s) == 36 {
		ok = id.parseUUID(s)
	} else {
		ok = id.parseTypeID(s)
	}
	if !ok || id.IsZero() {
		return ID[K]{}, ErrBadID
	}
	return id, nil
}

// ParseConversationID reads a conversation's id in either spelling.
func ParseConversationID(s string) (ConversationID, error) { return ParseID[conversationKind](s) }

// ParseMessageID reads a message's id in either spelling.
func ParseMessageID(s string) (MessageID, error) { return ParseID[messageKind](s) }

// ParseEventID reads an event's id in either spelling.
func ParseEventID(s string) (EventID, error) { return ParseID[eventKind](s) }

// ParseRunID reads a run's id in either spelling.
func ParseRunID(s string) (RunID, error) { return ParseID[runKind](s) }

// ParseTaskID reads a task's id in either spelling.
func ParseTaskID(s string) (TaskID, error) { return ParseID[taskKind](s) }

// ParseAttachmentID reads an attachment's id in either spelling.
func ParseAttachmentID(s string) (AttachmentID, error) { return ParseID[attachmentKind](s) }

func (id *ID[K]) parseUUID(s string) bool {
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	var digits [32]byte
	n := 0
	for _, part := range [...]string{s[0:8], s[9:13], s[14:18], s[19:23], s[24:36]} {
		n += copy(digits[n:], part)
	}
	_, err := hex.Decode(id[:], digits[:])
	return err == nil
}

func (id *ID[K]) parseTypeID(s string) bool {
	var k K
	digits, ok := strings.CutPrefix(s, k.Prefix()+"_")
	if !ok || len(digits) != base32Len || base32Value[digits[0]] > 7 {
		return false
	}
	var acc uint64
	bits, n := 0, 16
	for i := base32Len - 1; i >= 0; i-- {
		v := base32Value[digits[i]]
		if v == 0xff {
			return false
		}
		acc |= uint64(v) << bits
		bits += 5
		if bits >= 8 && n > 0 {
			n--
			id[n] = byte(acc)
			acc >>= 8
			bits -= 8
		}
	}
	return true
}

// MarshalText writes the TypeID spelling; the zero id is the empty string.
func (id ID[K]) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return id.AppendTypeID(nil), nil
}

// UnmarshalText reads either spelling; the empty string is the zero id.
func (id *ID[K]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID[K]{}
		return nil
	}
	parsed, err := ParseID[K](string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParseErasureID reads an erasure's id in either spelling.
func ParseErasureID(s string) (ErasureID, error) { return ParseID[erasureKind](s) }
