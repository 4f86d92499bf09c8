package parley_test

import (
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
)

func TestCursorSpellings(t *testing.T) {
	for want, p := range map[string]parley.Position{
		"AAAAAAAAAAAA":             {}, // "everything from the beginning" is spelled too
		"AAAAAAAAAAEB":             {Epoch: 1, Offset: 1},
		"AAAAAAAAAAGsAg":           {Epoch: 1, Offset: 300},
		"______________________8B": {Epoch: math.MaxUint64, Offset: math.MaxUint64},
	} {
		if got := p.Cursor(); got != want {
			t.Errorf("%+v is spelled %s, want %s", p, got, want)
		}
		if got, err := parley.ParseCursor(want); err != nil || got != p {
			t.Errorf("%s is read as %+v, error %v", want, got, err)
		}
	}
}

func TestParseCursorRefuses(t *testing.T) {
	raw := func(b ...byte) string { return base64.RawURLEncoding.EncodeToString(append(make([]byte, 8), b...)) }
	for name, text := range map[string]string{
		"nothing":                 "",
		"an epoch alone":          raw(),
		"something after":         raw(1, 1),
		"an offset cut off":       raw(0x80),
		"two spellings of 1":      raw(0x81, 0x00),
		"an offset beyond 64 bit": raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
		"padding":                 "AAAAAAAAAAGsAg==",
		"bits left over":          "AAAAAAAAAAGsAh",
		"not the URL alphabet":    "AAAAAAAAAA+/",
		"a line break":            "AAAAAAAA\nAAEB",
		"a blank":                 " AAAAAAAAAAEB",
		"very long":               strings.Repeat("A", 1<<20),
	} {
		if p, err := parley.ParseCursor(text); !errors.Is(err, parley.ErrCursor) || p != (parley.Position{}) {
			t.Errorf("%s: %.40q is read as %+v, error %v", name, text, p, err)
		}
	}
}

func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := parley.Position{
			Epoch:  parley.Epoch(rapid.Uint64().Draw(t, "epoch")),
			Offset: rapid.Uint64().Draw(t, "offset"),
		}
		text := p.Cursor()
		if got, err := parley.ParseCursor(text); err != nil || got != p {
			t.Fatalf("%+v is spelled %s and read as %+v, error %v", p, text, got, err)
		}
		if len(text) > 26 || url.QueryEscape(text) != text {
			t.Fatalf("%s is too long, or not safe in a URL", text)
		}
		if got := string(p.AppendCursor([]byte("before "))); got != "before "+text {
			t.Fatalf("appended: %s", got)
		}
	})
}

// FuzzParseCursor: there is one spelling for each Position, and no other text is
// read as one.
func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"AAAAAAAAAAAA", "AAAAAAAAAAEB", "AAAAAAAAAAGsAg", "AAAAAAAAAACBAA", "?", "AAAAAAAAAAGsAh"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parley.ParseCursor(s)
		if err == nil && p.Cursor() != s {
			t.Fatalf("%q is read as %+v, which is spelled %q", s, p, p.Cursor())
		}
	})
}
