package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
	"github.com/parley-chat/parley/store/storetest"
)

// open opens a file until the test ends.
func open(tb testing.TB, path string) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), sqlite.Config{Path: path, Exclusive: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	paths := map[parley.Store]string{} // a suite opens one store after the other
	storetest.Run(t, func(t *testing.T) parley.Store {
		path := filepath.Join(t.TempDir(), "parley.db")
		s := open(t, path)
		paths[s] = path
		return s
	}, storetest.Options{
		Reopen: func(t *testing.T, s parley.Store) parley.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[s])
		},
	})
}

func BenchmarkUpdate(b *testing.B) {
	storetest.Bench(b, open(b, filepath.Join(b.TempDir(), "parley.db")))
}
