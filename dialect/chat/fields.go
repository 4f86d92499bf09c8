package chat

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// open begins an object with its first key; the helpers below append
// `,"key":value`. Keys are ours and need no escaping.
func open(dst []byte, key string) []byte {
	dst = append(dst, `{"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

func appendString(dst []byte, key, s string) []byte {
	return jsonw.String(appendKey(dst, key), s)
}

func appendUint(dst []byte, key string, n uint64) []byte {
	return jsonw.Uint(appendKey(dst, key), n)
}

func appendID[K parley.IDKind](dst []byte, key string, id parley.ID[K]) []byte {
	return appendTypeID(appendKey(dst, key), id)
}

func appendTypeID[K parley.IDKind](dst []byte, id parley.ID[K]) []byte {
	dst = id.AppendTypeID(append(dst, '"'))
	return append(dst, '"')
}

// appendRaw appends a stored JSON value, or the fallback where there is none.
func appendRaw(dst []byte, key string, raw parley.RawJSON, fallback string) []byte {
	dst = appendKey(dst, key)
	if len(raw) == 0 {
		return append(dst, fallback...)
	}
	return append(dst, raw...)
}

// appendEnd closes an envelope, with the event's cursor where it has a Position.
func appendEnd(dst []byte, at parley.Position) []byte {
	if at.Offset > 0 {
		dst = append(appendKey(dst, "cursor"), '"')
		dst = append(at.AppendCursor(dst), '"')
	}
	return append(dst, '}')
}
