package conn

import (
	"context"
	"sync"
	"time"
)

// ticks is a time on the clocks of all Conns: whole steps since the server began.
// Zero is never.
type ticks uint32

const (
	// tickStep is how finely the wheel turns. What is due happens up to one step
	// late, and never early.
	tickStep = 100 * time.Millisecond
	// wheelSlots is how many steps ahead the wheel reaches, 51.2 s. A Conn that has
	// nothing due before is looked at for nothing then.
	wheelSlots = 512
	// gone, as a Conn's place, says that it is not put on the wheel any more.
	gone = ^ticks(0)
)

// wheel has every Conn looked at when something of it is due. It holds a Conn
// once, at the earliest of its times: putting one on, moving it and taking it off
// cost the same for any number of them. Its one goroutine sleeps until the next
// slot that holds something. Safe for concurrent use; set may be called under
// Conn.mu.
type wheel struct {
	began time.Time
	poke  chan struct{} // there is something earlier to wait for

	mu     sync.Mutex
	slots  [wheelSlots]*Conn // heads of lists
	done   ticks             // all slots up to here have been looked at
	sleeps ticks             // when the goroutine wakes; zero while it is awake
	due    []*Conn           // of turn, kept for the next
}

// place is where a Conn is on the wheel. Guarded by wheel.mu.
type place struct {
	prev, next *Conn
	at         ticks // zero: nowhere
}

func newWheel() *wheel { return &wheel{began: time.Now(), poke: make(chan struct{}, 1)} }

// now is the last step that is over.
func (w *wheel) now() ticks { return ticks(time.Since(w.began) / tickStep) }

// at is the first step that is over once d has passed from now.
func (w *wheel) at(d time.Duration) ticks {
	return ticks((time.Since(w.began) + max(d, 1) + tickStep - 1) / tickStep)
}

// set has a Conn looked at at a time; an earlier or later one that was set is
// forgotten.
func (w *wheel) set(c *Conn, at ticks) {
	w.mu.Lock()
	if c.place.at == gone {
		w.mu.Unlock()
		return
	}
	w.unlink(c)
	// Not in a slot that was looked at, nor in one that is another round's.
	at = min(max(at, w.done+1), w.done+wheelSlots)
	c.place.at = at
	head := &w.slots[at%wheelSlots]
	if c.place.next = *head; *head != nil {
		(*head).place.prev = c
	}
	*head = c
	sooner := w.sleeps != 0 && at < w.sleeps
	w.mu.Unlock()
	if sooner {
		select {
		case w.poke <- struct{}{}:
		default:
		}
	}
}

// remove takes a Conn off for good.
func (w *wheel) remove(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(c)
	c.place.at = gone
}

// unlink takes a Conn off its list. Under mu.
func (w *wheel) unlink(c *Conn) {
	p := &c.place
	if p.at == 0 || p.at == gone {
		return
	}
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		w.slots[p.at%wheelSlots] = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	}
	*p = place{}
}

// run turns the wheel until the context ends.
func (w *wheel) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-w.poke:
		case <-ctx.Done():
			return
		}
		for _, c := range w.turn() {
			c.tick()
		}
		if next := w.rest(); next != 0 {
			timer.Reset(time.Until(w.began.Add(time.Duration(next) * tickStep)))
		} else {
			timer.Stop()
		}
	}
}

// turn takes off what has come due. The slice is good until the next turn.
func (w *wheel) turn() []*Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sleeps = 0
	clear(w.due) // none is kept alive
	w.due = w.due[:0]
	now := w.now()
	// Where it has slept for long, no slot is looked at twice.
	for at := max(w.done, now-min(now, wheelSlots)) + 1; at <= now; at++ {
		for c := w.slots[at%wheelSlots]; c != nil; {
			next := c.place.next
			c.place = place{}
			w.due = append(w.due, c)
			c = next
		}
		w.slots[at%wheelSlots] = nil
	}
	w.done = max(w.done, now)
	return w.due
}

// rest is when the goroutine is to look again; zero is not before it is poked.
func (w *wheel) rest() ticks {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := w.done + 1; at <= w.done+wheelSlots; at++ {
		if w.slots[at%wheelSlots] != nil {
			w.sleeps = at
			return at
		}
	}
	w.sleeps = gone // later than all
	return 0
}
