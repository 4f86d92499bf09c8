package rowcursor_test

import (
	"math"
	"testing"

	"github.com/parley-chat/parley/internal/rowcursor"
)

func TestACursorIsReadAsItWasWritten(t *testing.T) {
	for _, below := range []int64{0, 1, 255, 1 << 40, math.MaxInt64} {
		if got, ok := rowcursor.Read(rowcursor.Write(below)); got != below || !ok {
			t.Errorf("%d is read as %d, %v", below, got, ok)
		}
	}
	if got, ok := rowcursor.Read(""); got != math.MaxInt64 || !ok {
		t.Errorf("no cursor is read as %d, %v: want all rows", got, ok)
	}
}

func TestWhatIsNoCursorIsNotRead(t *testing.T) {
	for _, text := range []string{"x", "AAAA", "AAAAAAAAAAA=", "__________8", "AAAAAAAAAAAA"} {
		if got, ok := rowcursor.Read(text); ok {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}
