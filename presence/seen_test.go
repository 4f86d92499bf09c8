package presence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// near checks that somebody was last seen at about a time; the zero time is never.
func (w *world) near(id parley.PrincipalID, want time.Time) {
	w.t.Helper()
	if got := w.store.lastSeen(id); got.IsZero() != want.IsZero() || got.Sub(want).Abs() > 2*time.Second {
		w.t.Errorf("%s was last seen %s, want %s", id, got, want)
	}
}

func TestWhoWentWasLastSeenWhenItsLastConnectionEnded(t *testing.T) {
	in(t, func(w *world) {
		n1, n2 := w.node("n1"), w.node("n2")
		w.quiet = true
		n1.join("ann")
		n2.join("ann")
		w.after(time.Minute)
		n1.leave("ann")
		w.after(time.Minute)
		w.near("ann", time.Time{}) // still there
		n2.leave("ann")
		left := time.Now()
		w.after(time.Minute)
		w.near("ann", left)
		n1.join("ann")
		w.after(time.Minute)
		n1.leave("ann")
		w.after(time.Second)
		n1.join("ann") // never was away
		w.after(time.Minute)
		w.near("ann", left)
	})
}

func TestThoseOfADeadNodeWereSeenUntilItDied(t *testing.T) {
	in(t, func(w *world) {
		n1, n2 := w.node("n1"), w.node("n2")
		w.quiet = true
		n1.join("ann")
		n1.join("ben")
		w.after(time.Minute)
		n1.kill()
		died := time.Now()
		n2.join("ben")
		w.after(time.Minute)
		w.near("ann", died.Add(lease))
		w.near("ben", time.Time{})
	})
}

func TestLastSeenIsStoredInBatchesAndLaterWhereThatFails(t *testing.T) {
	in(t, func(w *world) {
		n := w.node("n1")
		w.quiet = true
		id := func(i int) parley.PrincipalID { return parley.PrincipalID(fmt.Sprint(i)) }
		for i := range 1200 {
			n.join(id(i))
		}
		w.after(time.Minute)
		w.store.fail(true)
		for i := range 1200 {
			n.leave(id(i))
		}
		left := time.Now()
		w.after(time.Minute)
		w.near(id(0), time.Time{})
		w.store.fail(false)
		w.after(5 * time.Second)
		for i := range 1200 {
			w.near(id(i), left)
		}
		// What waits when the node goes is not lost.
		n.join("ann")
		w.after(time.Minute)
		n.leave("ann")
		left = time.Now()
		w.store.fail(true)
		w.after(time.Minute)
		w.store.fail(false)
		n.kill()
		w.near("ann", left)
	})
}
