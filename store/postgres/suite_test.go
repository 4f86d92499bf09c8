package postgres_test

import (
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/storetest"
)

func TestStore(t *testing.T) {
	var urls sync.Map // by store
	openURL := func(t *testing.T, url string) parley.Store {
		s := open(t, url)
		urls.Store(s, url)
		return s
	}
	storetest.Run(t, func(t *testing.T) parley.Store { return openURL(t, pgtest.Start(t)) }, storetest.Options{
		Reopen: func(t *testing.T, s parley.Store) parley.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			url, _ := urls.Load(s)
			return openURL(t, url.(string))
		},
	})
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, open(b, pgtest.Start(b))) }
