package hub

import (
	"testing"

	parley "github.com/parley-chat/parley"
)

// noting is a Writer that notes what it was called for.
type noting struct {
	writing
	flushed func()
}

func (w *noting) Flush() Flushed {
	w.flushed()
	return w.writing.Flush()
}

// noted has the writers of an audience noted by number as the loop writes to them.
func (a *audience) noted() *[]int {
	var flushed []int
	a.feed.do(func() {
		for i, w := range a.writers {
			own := &noting{writing: *w, flushed: func() { flushed = append(flushed, i) }}
			w.l.out = own
			a.writers[i] = &own.writing
		}
	})
	return &flushed
}

// owed counts those who are owed something. On the loop.
func (a *audience) owed() (n int) {
	for _, w := range a.writers {
		w.l.mu.Lock()
		n += len(w.l.queue)
		w.l.mu.Unlock()
	}
	return n
}

func newTold(t *testing.T, n, processors int) (a *audience, tell func(), flushed *[]int) {
	a = newAudience(t, n, parley.Interest{Conversations: []parley.ConversationID{talk()}})
	a.reach(a.live())
	a.feed.do(func() { a.feed.h.processors = processors })
	e := &parley.Event{
		Org: testOrg, Type: "cursor.moved", Class: parley.Ephemeral, Conversation: talk(), Channel: "app",
		Actor: "user0", ActorKind: parley.KindUser, Body: &parley.PublishedBody{Data: parley.RawJSON(`{}`)},
	}
	return a, func() { a.feed.live(e) }, a.noted()
}

// An event that many hear goes out to the first of them while it is not yet known
// who else hears it.
func TestFirstAreWrittenToMeanwhile(t *testing.T) {
	a, tell, flushed := newTold(t, 5*handful, 1)
	most := 0
	a.feed.do(func() {
		for _, w := range a.writers {
			own := w.l.out.(*noting)
			note := own.flushed
			own.flushed = func() {
				note()
				most = max(most, a.owed())
			}
		}
		tell()
	})
	if len(*flushed) != len(a.writers) {
		t.Errorf("the loop wrote to %d of %d", len(*flushed), len(a.writers))
	}
	if most != handful {
		t.Errorf("as many as %d waited for a write; want %d", most, handful)
	}
	if owing := a.feed.owing.Load(); owing != 0 {
		t.Errorf("%d are said to be owed something; want 0", owing)
	}
}

// Where there are other processors the loop leaves them their part.
func TestOtherProcessorsHaveTheirPart(t *testing.T) {
	a, tell, flushed := newTold(t, 5*handful, 4)
	// The woken come at once, as workers would that have nothing else to do.
	a.feed.do(func() {
		for _, w := range a.writers {
			w.l.out = eager{w.l.out.(*noting)}
		}
		tell()
	})
	if want := len(a.writers) / 4; len(*flushed) != want {
		t.Errorf("the loop wrote to %d of %d; want %d", len(*flushed), len(a.writers), want)
	}
	if told := a.settle(); told != len(a.writers) {
		t.Errorf("%d of %d were told", told, len(a.writers))
	}
}

// eager writes when it is woken.
type eager struct{ *noting }

func (e eager) Wake() { e.write() }

// Where something else is to be done the loop does that first, and all who hear are
// written to by others, who find more then.
func TestManyAreHandedOverWhereMoreWaits(t *testing.T) {
	a, tell, flushed := newTold(t, 5*handful, 1)
	a.feed.do(func() {
		a.feed.mailbox <- func() {}
		tell()
		a.feed.flush()
	})
	if len(*flushed) > 0 {
		t.Errorf("the loop wrote to %d while more was to be done", len(*flushed))
	}
	if told := a.settle(); told != len(a.writers) {
		t.Errorf("%d of %d were told", told, len(a.writers))
	}
	if owing := a.feed.owing.Load(); owing != 0 {
		t.Errorf("%d are said to be owed something; want 0", owing)
	}
}

// The same where writers are behind already: who has just been written to waits with
// the others, so that what goes out to each is more at a time. Who leaves does not
// count.
func TestManyAreHandedOverWhereWritersAreBehind(t *testing.T) {
	a, tell, flushed := newTold(t, 6*handful, 1)
	a.feed.do(func() {
		a.feed.mailbox <- func() {}
		tell()
		a.feed.flush()
		for _, w := range a.writers[:handful] {
			w.write()
		}
		tell()
	})
	if len(*flushed) > 0 {
		t.Errorf("the loop wrote to %d while others waited for a write", len(*flushed))
	}
	if owing, want := a.feed.owing.Load(), int64(len(a.writers)); owing != want {
		t.Errorf("%d are said to be owed something; want %d", owing, want)
	}
	for _, w := range a.writers {
		w.l.Detach()
	}
	if owing := a.feed.owing.Load(); owing != 0 {
		t.Errorf("%d are said to be owed something when all have left; want 0", owing)
	}
}
