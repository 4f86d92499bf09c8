package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

// A store that was tidied answers as before, and one that is closed says so.
func TestTidy(t *testing.T) {
	ctx := t.Context()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), "parley.db")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Update(ctx, func(parley.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Head(ctx, "org_test"); err != nil {
			t.Fatal(err)
		}
		if err := s.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Tidy(ctx) == nil {
		t.Error("a closed store was tidied")
	}
}
