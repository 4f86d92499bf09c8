package auth

import (
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func TestCacheForgetsTheLeastRecentlyUsed(t *testing.T) {
	c := newCache(2)
	now := time.Now()
	until := now.Add(time.Hour)
	hash := func(b byte) [32]byte { return [32]byte{b} }
	c.put(hash(1), &parley.Principal{ID: "one"}, until)
	c.put(hash(2), &parley.Principal{ID: "two"}, until)
	c.get(hash(1), now)
	c.put(hash(3), &parley.Principal{ID: "three"}, until)
	c.put(hash(3), &parley.Principal{ID: "three"}, until) // no second place for one token
	if _, ok := c.get(hash(2), now); ok {
		t.Error("two is kept, though one was used after it")
	}
	if p, ok := c.get(hash(1), now); !ok || p.ID != "one" {
		t.Error("one is gone")
	}
	if c.len() != 2 {
		t.Errorf("%d entries, want 2", c.len())
	}
	if _, ok := c.get(hash(1), until); ok {
		t.Error("one is known at the moment it ends")
	}
}

// Two hashes that begin alike are told apart; the newer is remembered.
func TestCacheTellsHashesApart(t *testing.T) {
	c := newCache(8)
	now := time.Now()
	one, two := [32]byte{1, 31: 1}, [32]byte{1, 31: 2}
	c.put(one, &parley.Principal{ID: "one"}, now.Add(time.Hour))
	if _, ok := c.get(two, now); ok {
		t.Error("the second is taken for the first")
	}
	c.put(two, &parley.Principal{ID: "two"}, now.AddDate(9000, 0, 0)) // beyond what nanoseconds count
	if p, ok := c.get(two, now); !ok || p.ID != "two" || c.len() != 1 {
		t.Errorf("%v of %d entries, want the second alone", p, c.len())
	}
	if _, ok := c.get(one, now); ok {
		t.Error("the first is taken for the second")
	}
}

func TestCacheDropsOneCredential(t *testing.T) {
	c := newCache(8)
	until := time.Now().Add(time.Hour)
	c.put([32]byte{1}, &parley.Principal{Org: "o", Credential: "c"}, until)
	c.put([32]byte{2}, &parley.Principal{Org: "o", Credential: "c"}, until)
	c.put([32]byte{3}, &parley.Principal{Org: "other", Credential: "c"}, until)
	c.drop(credential{"o", "c"})
	if _, ok := c.get([32]byte{3}, time.Now()); !ok || c.len() != 1 {
		t.Errorf("%d entries left, want that of the other org", c.len())
	}
}
