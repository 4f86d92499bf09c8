package postgres

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/parley-chat/parley"
)

// defaultPage is how many rows a Page without a Limit has.
const defaultPage = 100

// pageLimit is how many rows a page has.
func pageLimit(page parley.Page) int {
	if page.Limit <= 0 {
		return defaultPage
	}
	return page.Limit
}

// limitOrNull is how many rows there are at most; none is NULL, for all.
func limitOrNull(limit int) *int {
	if limit <= 0 {
		return nil
	}
	return &limit
}

// pageCursor names the place of a row in a list by time, the latest first: the rows
// after it are earlier, or of the same moment with a lesser id.
func pageCursor[K parley.IDKind](at time.Time, id parley.ID[K]) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, id[:]...))
}

// parsePageCursor reads what pageCursor wrote; nil and nil for the empty cursor.
func parsePageCursor(s string) (*time.Time, *[16]byte, error) {
	if s == "" {
		return nil, nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != 8+16 {
		return nil, nil, errBadPage()
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(raw)))
	return &at, (*[16]byte)(raw[8:]), nil
}

func errBadPage() error {
	return &parley.Error{Code: parley.CodeInvalidArgument, Message: "the page's cursor is not valid", Field: "cursor"}
}
