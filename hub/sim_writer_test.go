package hub

import (
	"bytes"
	"math/rand/v2"
	"sync"
)

// simWriter is the Conn of one connection of a client: the hub has it write at
// once, or the client reads when it comes to it. Like a Conn it has one writer at a
// time, and the socket may take no more in the middle.
type simWriter struct {
	kept *kept

	mu       sync.Mutex
	rng      *rand.Rand
	temper   temper
	listener *Listener // nil until it is attached
	claimed  bool      // somebody writes
	blocked  bool      // and waits for the socket, until the client reads
	woken    bool      // there is something, or may be
	pending  []byte    // written, and not heard yet
}

// temper says how often of its sum a Flush does what.
type temper struct{ done, busy, blocked, partly int }

var tempers = []temper{
	{done: 1},
	{done: 8, busy: 1, blocked: 1, partly: 2},
	{done: 2, busy: 2, blocked: 2, partly: 2},
	{busy: 1},
	{blocked: 1},
	{partly: 1},
}

// Wake implements Writer.
func (w *simWriter) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = true
}

// Flush implements Writer.
func (w *simWriter) Flush() Flushed {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = true
	switch {
	case w.claimed && w.blocked:
		return FlushBlocked
	case w.claimed, w.listener == nil:
		return FlushBusy
	}
	t := &w.temper
	switch n := w.rng.IntN(t.done + t.busy + t.blocked + t.partly); {
	case n < t.done:
		return w.write()
	case n < t.done+t.busy:
		return FlushBusy
	case n < t.done+t.busy+t.blocked:
	default:
		w.claimed = true
		more, _ := w.take()
		w.woken = w.woken || more
	}
	w.claimed, w.blocked = true, true
	return FlushBlocked
}

// write writes all that is ready. Under mu.
func (w *simWriter) write() Flushed {
	w.claimed = true
	defer func() { w.claimed = false }()
	for {
		w.woken = false
		more, wait := w.take()
		switch {
		case wait:
			w.woken = true
			return FlushBusy
		case !more && !w.woken:
			return FlushDone
		}
	}
}

// take lets go of mu for one Ready.
func (w *simWriter) take() (more, wait bool) {
	dst := w.room()
	w.mu.Unlock()
	data, more, wait := w.listener.Ready(dst)
	w.mu.Lock()
	w.pending = append(w.pending, w.kept.keep(data[len(dst):])...)
	return more || wait, wait
}

// room is what a writer hands to Ready or Next: nothing, or a buffer, which may
// hold a control frame already. Under mu.
func (w *simWriter) room() []byte {
	switch w.rng.IntN(4) {
	case 0:
		return append(make([]byte, 0, 4096), "pong\n"...)
	case 1:
		return make([]byte, 0, w.rng.IntN(4096))
	}
	return nil
}

// begin claims the writer for the client, whose reading unblocks the socket.
func (w *simWriter) begin() (dst []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed, w.blocked, w.woken = true, false, false
	return w.room()
}

// finish lets go of it; again says that there may be more.
func (w *simWriter) finish(again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed, w.woken = false, w.woken || again
}

func (w *simWriter) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.woken
}

// heard takes what was written by the hub.
func (w *simWriter) heard() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := w.pending
	w.pending = nil
	return data
}

// kept remembers what was handed out, which nobody may change: it is shared.
type kept struct {
	mu    sync.Mutex
	given []handedOut
}

type handedOut struct{ shared, copied []byte }

// keep notes what was handed out and returns it.
func (k *kept) keep(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	_ = append(data, "whoever appends to it writes elsewhere"...)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.given = append(k.given, handedOut{data, bytes.Clone(data)})
	return data
}

// check compares all with what it was.
func (k *kept) check(s *sim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.given {
		if !bytes.Equal(h.shared, h.copied) {
			s.fatalf("what was handed out as %q has become %q", h.copied, h.shared)
		}
	}
	if n := len(k.given); n > 20_000 {
		k.given = k.given[n/2:]
	}
}
