package jsonw

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", `quo"te \ back`, "\x00\x1f\n\r\t", "é😀\u2028\u2029", "bad \xff utf8", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(String(nil, s), &got); err != nil {
			t.Fatalf("not JSON: %v", err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ToValidUTF8(got, "\ufffd") != got || len([]rune(got)) < len([]rune(want)) {
			t.Fatalf("String(%q) reads back as %q", s, got)
		}
	})
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 16, 30, 0, 123456789, time.FixedZone("", 3600))
	if got := string(Time(nil, at)); got != `"2026-11-21T15:30:00.123Z"` {
		t.Fatal(got)
	}
}
