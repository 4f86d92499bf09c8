package parley

import (
	"encoding/base64"
	"encoding/binary"
)

// Cursor spells a Position for the wire: opaque to clients, URL-safe, at most 24
// characters. The zero Position is spelled too: "everything from the beginning".
func (p Position) Cursor() string { return string(p.AppendCursor(nil)) }

// AppendCursor appends the wire spelling of the Position to dst.
func (p Position) AppendCursor(dst []byte) []byte {
	var raw [8 + binary.MaxVarintLen64]byte
	binary.BigEndian.PutUint64(raw[:], uint64(p.Epoch))
	n := 8 + binary.PutUvarint(raw[8:], p.Offset)
	return base64.RawURLEncoding.AppendEncode(dst, raw[:n])
}

// ParseCursor reads what Cursor wrote. Anything else is ErrCursor; whether the
// Position lies in its epoch's range only the store can say.
func ParseCursor(s string) (Position, error) {
	if len(s) > 32 {
		return Position{}, ErrCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) < 9 {
		return Position{}, ErrCursor
	}
	offset, n := binary.Uvarint(raw[8:])
	if n != len(raw)-8 {
		return Position{}, ErrCursor
	}
	p := Position{Epoch(binary.BigEndian.Uint64(raw)), offset}
	if p.Cursor() != s { // one spelling for each Position
		return Position{}, ErrCursor
	}
	return p, nil
}
