package hub

import (
	"fmt"
	"testing"

	parley "github.com/parley-chat/parley"
)

// missing has ada hear one message, and so many be said after it. It returns where
// she was and what she missed.
func missing(w *world, n int) (cursor string, missed []string) {
	w.t.Helper()
	ada := w.attach(resuming("", "topics", "ada")).resume()
	w.post("heard")
	ada.hears()
	cursor = ada.cursor
	for i := range n {
		text := fmt.Sprint("missed ", i)
		w.post(text)
		missed = append(missed, fmt.Sprintf("%d message.created %s", 3+i, text))
	}
	return cursor, append([]string{"Subscribed at 2"}, missed...)
}

// After a restart all come back to a node that remembers nothing. The log is read
// once for all of them.
func TestWhatManyMissedIsReadOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		cursor, missed := missing(w, 40)
		before, node := w.store.reads, w.nodes[1]
		for range 100 {
			w.attachTo(node, resuming(cursor, "topics", "ada")).resume().expect(missed...)
		}
		if reads := w.store.reads - before; reads > 20 {
			t.Errorf("the store was read %d times for 100 listeners", reads)
		}
		if n := node.hub.ReachedBack.Load(); n != 1 {
			t.Errorf("the ring was filled %d times", n)
		}
	})
}

// What is far back is read for those who ask until it is worth while to read it
// for all.
func TestTheRingReachesBackWhereManyAsk(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		cursor, missed := missing(w, 5*askWorth)
		reads := func() int {
			before := w.store.reads
			w.attachTo(w.nodes[1], resuming(cursor, "topics", "ada")).resume().expect(missed...)
			return w.store.reads - before
		}
		first := reads()
		for range 10 {
			reads()
		}
		if last := reads(); first < 5 || last > 0 {
			t.Errorf("the store was read %d times for the first, and %d times for the last", first, last)
		}
	})
}

func TestTheRingReachesBackNoFurtherThanItMay(t *testing.T) {
	for name, bound := range map[string]func(*parley.Limits){
		"events": func(l *parley.Limits) { l.RingEvents = 30 },
		"bytes":  func(l *parley.Limits) { l.RingBytes = 30 << 10 },
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, bound)
				cursor, missed := missing(w, 40)
				node := w.nodes[1]
				for range 10 {
					w.attachTo(node, resuming(cursor, "topics", "ada")).resume().expect(missed...)
				}
				if n := node.hub.ReachedBack.Load(); n != 0 {
					t.Errorf("a ring of 30 was filled %d times with 40", n)
				}
			})
		})
	}
}

// A member hears what was said while it was one, whatever the ring learned about
// the conversation from later times.
func TestWhatIsReadBackIsHeardByThoseWhoWereThere(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.attach(resuming("", "topics", "bob")).resume()
		w.post("together")
		bob.hears()
		w.store.commit(left("bob"))
		w.relay()
		w.post("without bob")
		w.store.commit(joined("bob"))
		w.relay()
		w.post("again")
		back := w.attachTo(w.nodes[1], resuming(bob.cursor, "topics", "bob")).resume()
		got := back.hears()
		if w.nodes[1].hub.ReachedBack.Load() == 0 {
			t.Error("the ring was not filled")
		}
		same := w.attach(resuming(bob.cursor, "topics", "bob")).resume().hears() // from a ring that was there
		if fmt.Sprint(got) != fmt.Sprint(same) || len(got) < 4 {
			t.Errorf("bob hears %q, and on a node that was there %q", got, same)
		}
	})
}

// What is not stored is heard right after the ring was filled: the node has applied
// all that its author knew.
func TestWhatIsNotStoredIsHeardOnceTheRingWasFilled(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		cursor, missed := missing(w, 40)
		ada := w.attachTo(w.nodes[1], resuming(cursor, "topics", "ada")).resume()
		ada.expect(missed...)
		w.typing(talk())
		ada.expect("typing.started bob")
	})
}
