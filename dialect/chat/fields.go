package chat

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// open begins an object with its first key, which is ours and needs no escaping.
func open(dst []byte, key string) []byte {
	dst = append(dst, `{"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

func appendTypeID[K parley.IDKind](dst []byte, id parley.ID[K]) []byte {
	dst = id.AppendTypeID(append(dst, '"'))
	return append(dst, '"')
}

// appendEnd closes an envelope, with the event's cursor where it has a Position.
func appendEnd(dst []byte, at parley.Position) []byte {
	if at.Offset > 0 {
		dst = append(jsonw.Key(dst, "cursor"), '"')
		dst = append(at.AppendCursor(dst), '"')
	}
	return append(dst, '}')
}
