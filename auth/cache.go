package auth

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// cache remembers verified credentials by the hash of their text, the least
// recently used one forgotten first. What failed is not remembered: a guesser
// could push out everyone else.
type cache struct {
	size int

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	recent  *list.List // of *cached, the latest used in front
}

type cached struct {
	hash      [sha256.Size]byte
	principal *parley.Principal // shared with all who came with the credential
	until     time.Time
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[[sha256.Size]byte]*list.Element{}, recent: list.New()}
}

func (c *cache) get(hash [sha256.Size]byte, now time.Time) (*parley.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[hash]
	if !ok {
		return nil, false
	}
	entry := e.Value.(*cached)
	if !now.Before(entry.until) {
		c.remove(e)
		return nil, false
	}
	c.recent.MoveToFront(e)
	return entry.principal, true
}

func (c *cache) put(hash [sha256.Size]byte, p *parley.Principal, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[hash]; ok {
		c.remove(e)
	}
	for c.recent.Len() >= c.size {
		c.remove(c.recent.Back())
	}
	c.entries[hash] = c.recent.PushFront(&cached{hash, p, until})
}

// drop forgets what was verified of one credential.
func (c *cache) drop(gone credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.Front(); e != nil; {
		next := e.Next()
		if credentialOf(e.Value.(*cached).principal) == gone {
			c.remove(e)
		}
		e = next
	}
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}

func (c *cache) remove(e *list.Element) {
	delete(c.entries, e.Value.(*cached).hash)
	c.recent.Remove(e)
}
