package presence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// busy has ann share conversations 2 to 100 with a crowd, of whom ten are there.
func busy(w *world, n *node) {
	var crowd []parley.PrincipalID
	for i := range 300 {
		crowd = append(crowd, parley.PrincipalID(fmt.Sprintf("p%03d", i)))
	}
	for i := 2; i <= 100; i++ {
		w.share(i, append(slices.Clone(crowd), "ann")...)
	}
	w.share(1, "ann", "old")
	w.quiet = true
	for _, p := range crowd[:10] {
		n.join(p)
	}
	w.after(time.Minute)
	w.store.read, w.targets, w.quiet = nil, nil, false
}

// However many conversations somebody has: once all who are there were met in the
// newest ones, the others need not be read.
func TestTheNewestConversationsAreEnoughWhereAllAreMet(t *testing.T) {
	in(t, func(w *world) {
		n := w.node("n1")
		busy(w, n)
		n.join("ann")
		w.after(time.Minute, "ann online to p000,p001,p002,p003,p004,p005,p006,p007,p008,p009 in 100")
		if read := len(w.store.read); read > 1500 || len(w.store.asked) > 0 {
			t.Errorf("%d members were read, of 99 conversations of 301, and asked about %v", read, w.store.asked)
		}
	})
}

// Who was not met in them is asked about, where that is less than to read on.
func TestWhoIsNotMetInTheNewestConversationsIsAskedAbout(t *testing.T) {
	in(t, func(w *world) {
		n := w.node("n1")
		busy(w, n)
		w.quiet = true
		n.join("old")
		n.join("stranger")
		w.after(time.Minute)
		w.store.read, w.store.asked, w.quiet = nil, nil, false
		n.join("ann")
		w.after(time.Minute, "ann online to p000,p001,p002,p003,p004,p005,p006,p007,p008,p009 in 100", "ann online to old in 1")
		slices.Sort(w.store.asked)
		if !slices.Equal(w.store.asked, []parley.PrincipalID{"old", "stranger"}) || len(w.store.read) > 1500 {
			t.Errorf("%d members were read, and asked about %v", len(w.store.read), w.store.asked)
		}
	})
}

// Where many are there it is less to read on than to ask about each, until the end.
func TestWhereManyAreNotMetTheConversationsAreReadToTheEnd(t *testing.T) {
	in(t, func(w *world) {
		n := w.node("n1")
		busy(w, n)
		w.quiet = true
		n.join("old")
		for i := range 600 {
			n.join(parley.PrincipalID(fmt.Sprintf("stranger%03d", i)))
		}
		w.after(time.Minute)
		w.store.read, w.store.asked, w.quiet = nil, nil, false
		n.join("ann")
		w.after(time.Minute, "ann online to p000,p001,p002,p003,p004,p005,p006,p007,p008,p009 in 100", "ann online to old in 1")
		if len(w.store.asked) > 0 {
			t.Errorf("asked about %d", len(w.store.asked))
		}
	})
}
