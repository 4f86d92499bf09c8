package bot

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// appendID shows an id as this surface does, as a UUID (C26).
func appendID[K parley.IDKind](dst []byte, key string, id parley.ID[K]) []byte {
	dst = append(jsonw.Key(dst, key), '"')
	return append(id.AppendUUID(dst), '"')
}

// appendEnd closes a frame, with the event's cursor where it has a Position.
func appendEnd(dst []byte, at parley.Position) []byte {
	if at.Offset > 0 {
		dst = append(jsonw.Key(dst, "cursor"), '"')
		dst = append(at.AppendCursor(dst), '"')
	}
	return append(dst, '}')
}
