package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// cache remembers verified credentials by the hash of their text, the least
// recently used one forgotten first. What failed is not remembered: a guesser
// could push out everyone else.
//
// There is one entry for each connection of a busy node, so it is kept small: the
// table is of a part of the hash, and of two that share it the newer is remembered.
type cache struct {
	size int

	mu      sync.Mutex
	entries map[uint64]*cached
	// recent is the ring of all: the one used last is its next, the one unused for
	// longest its prev.
	recent cached
}

type cached struct {
	hash       [sha256.Size]byte
	principal  *parley.Principal // shared with all who came with the credential
	until      int64             // in Unix nanoseconds
	prev, next *cached
}

func newCache(size int) *cache {
	c := &cache{size: size, entries: map[uint64]*cached{}}
	c.recent.prev, c.recent.next = &c.recent, &c.recent
	return c
}

func keyOf(hash *[sha256.Size]byte) uint64 { return binary.LittleEndian.Uint64(hash[:]) }

func (c *cache) get(hash [sha256.Size]byte, now time.Time) (*parley.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[keyOf(&hash)]
	if e == nil || e.hash != hash {
		return nil, false
	}
	if now.UnixNano() >= e.until {
		c.remove(e)
		return nil, false
	}
	e.unlink()
	c.link(e)
	return e.principal, true
}

func (c *cache) put(hash [sha256.Size]byte, p *parley.Principal, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[keyOf(&hash)]; e != nil {
		c.remove(e)
	}
	for len(c.entries) >= c.size {
		c.remove(c.recent.prev)
	}
	e := &cached{hash: hash, principal: p, until: unixNano(until)}
	c.entries[keyOf(&hash)] = e
	c.link(e)
}

// unixNano is a time in nanoseconds, or the last that they can tell.
func unixNano(t time.Time) int64 {
	last := time.Unix(0, 1<<63-1)
	if t.After(last) {
		t = last
	}
	return t.UnixNano()
}

// drop forgets what was verified of one credential.
func (c *cache) drop(gone credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.recent.next; e != &c.recent; {
		next := e.next
		if credentialOf(e.principal) == gone {
			c.remove(e)
		}
		e = next
	}
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// link makes an entry the one that was used last.
func (c *cache) link(e *cached) {
	e.prev, e.next = &c.recent, c.recent.next
	e.prev.next, e.next.prev = e, e
}

func (e *cached) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (c *cache) remove(e *cached) {
	delete(c.entries, keyOf(&e.hash))
	e.unlink()
}
