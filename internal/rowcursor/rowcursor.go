// Package rowcursor spells the cursor of a list that is walked downwards by the number
// of its rows: what both stores write for a page of a search.
package rowcursor

import (
	"encoding/base64"
	"encoding/binary"
	"math"
)

// Write spells the cursor of the page that has the rows below a number, which is not
// negative.
func Write(below int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(below)))
}

// Read returns the number below which the page of a cursor begins: of the empty one
// that is beyond all rows. It is false for what Write did not write.
func Read(cursor string) (below int64, ok bool) {
	if cursor == "" {
		return math.MaxInt64, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 8 {
		return 0, false
	}
	n := binary.BigEndian.Uint64(raw)
	return int64(n), n <= math.MaxInt64
}
