package bot

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// The helpers below append `,"key":value`: every frame begins with its type.
// Keys are ours and need no escaping.

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

// appendID shows an id as this surface does, as a UUID (C26).
func appendID[K parley.IDKind](dst []byte, key string, id parley.ID[K]) []byte {
	dst = append(appendKey(dst, key), '"')
	return append(id.AppendUUID(dst), '"')
}

// appendRaw appends a stored JSON value, or the fallback where there is none.
func appendRaw(dst []byte, key string, raw parley.RawJSON, fallback string) []byte {
	dst = appendKey(dst, key)
	if len(raw) == 0 {
		return append(dst, fallback...)
	}
	return append(dst, raw...)
}

// appendEnd closes a frame, with the event's cursor where it has a Position.
func appendEnd(dst []byte, at parley.Position) []byte {
	if at.Offset > 0 {
		dst = append(appendKey(dst, "cursor"), '"')
		dst = append(at.AppendCursor(dst), '"')
	}
	return append(dst, '}')
}
