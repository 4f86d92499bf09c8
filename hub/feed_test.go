package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	parley "github.com/parley-chat/parley"
)

// entryAt makes an entry of a channel at an offset.
func entryAt(offset uint64, body parley.Body) *entry {
	return &entry{event: &parley.Event{Channel: "app", Position: parley.Position{Offset: offset}, Body: body}}
}

func offsetsOf(list []*entry) (offsets []uint64) {
	for _, en := range list {
		offsets = append(offsets, en.event.Position.Offset)
	}
	return offsets
}

func TestTheRingReachesBack(t *testing.T) {
	f := newFeed(&Hub{ctx: t.Context(), cfg: Config{Limits: parley.DefaultLimits()}}, testOrg)
	f.h.cfg.Limits.RingEvents = 3
	f.ring.from.Offset = 4
	if f.ring.reaches(3) || !f.ring.reaches(4) {
		t.Error("an empty ring reaches back to where it began")
	}
	for _, offset := range []uint64{5, 6, 9} { // 7 and 8 were erased
		f.keep(entryAt(offset, nil))
	}
	for _, c := range []struct {
		after uint64
		want  []uint64
	}{
		{4, []uint64{5, 6, 9}}, {5, []uint64{6, 9}}, {6, []uint64{9}}, {7, []uint64{9}}, {8, []uint64{9}}, {9, nil}, {99, nil},
	} {
		if got := offsetsOf(f.ring.after(c.after)); !f.ring.reaches(c.after) || !slices.Equal(got, c.want) {
			t.Errorf("after %d: %v, want %v", c.after, got, c.want)
		}
	}
	for offset := uint64(10); offset < 100; offset++ {
		f.keep(entryAt(offset, nil))
		if len(f.ring.entries) != 3 || len(f.ring.channels["app"].entries) != 3 {
			t.Fatalf("the ring holds %d events, its bound is 3", len(f.ring.entries))
		}
	}
	if !f.ring.reaches(96) || f.ring.reaches(95) {
		t.Error("the last three are in the ring")
	}
	f.clearRing(parley.Position{Offset: 200})
	if len(f.ring.channels) != 0 || f.ring.weight != 0 || f.ring.reaches(199) {
		t.Error("an empty ring holds something")
	}
}

func TestALostMessageIsReadFromTheStore(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.store.commit(said("lost"))
		w.store.sequence(1)
		w.post("heard")
		ada.expect("Subscribed", "2 message.created lost", "3 message.created heard")

		w.store.commit(said("the last is lost"))
		w.store.sequence(1)
		ada.expect()
		time.Sleep(aWhile) // the store's head tells
		ada.expect("4 message.created the last is lost")
	})
}

func TestAStoreThatIsAwayDelaysAndLosesNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.store.with(func() { w.store.failing = true })
		w.post("a") // whose members the feed would have to read
		time.Sleep(aWhile)
		ada.expect("Subscribed")
		if w.nodes[0].hub.Ready() == nil {
			t.Error("a node that cannot tell is ready")
		}
		w.store.with(func() { w.store.failing = false })
		time.Sleep(aWhile)
		ada.expect("2 message.created a")
		if err := w.nodes[0].hub.Ready(); err != nil {
			t.Errorf("a node that tells again: %v", err)
		}
	})
}

func TestAttachWhereTheStoreIsAway(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.with(func() { w.store.failing = true })
		_, err := w.nodes[0].hub.Attach(ListenerConfig{Principal: user("ada"), Dialect: "topics"})
		if !errors.Is(err, parley.ErrUnavailable) {
			t.Errorf("attach: %v", err)
		}
		if len(w.nodes[0].hub.feeds) != 0 {
			t.Error("the feed that could not begin is kept")
		}
		w.store.with(func() { w.store.failing = false })
		w.attach(nil).subscribe().expect("Subscribed")
	})
}

// A message of a lost day may still be on its way when the log has been restored.
func TestAMessageOfAnotherLogAsksForNothingForEver(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		stray := said("stray")
		stray.Org, stray.Position = testOrg, parley.Position{Epoch: 99, Offset: 40}
		n := w.nodes[0]
		n.bus.put(&n.bus.log, logMessage(stray, true))
		w.deliver(n)
		w.post("a")
		ada.expect("Subscribed", "2 message.created a")
	})
}

// A store that hangs holds up the log, and what concerns conversations that this
// node has not met. All else is told at once.
func TestAStoreThatHangsHoldsUpOnlyWhatNeedsIt(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		other := id2conv(2)
		w.store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: other, Body: &parley.ConversationBody{
			Kind: parley.KindGroup, Members: []parley.MemberBody{{Principal: "ada", Role: parley.RoleMember}},
		}})
		w.relay()
		ada := w.attach(nil).subscribe()
		also := parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{other}}}
		ada.Subscribe(&also, nil)
		w.post("a") // the node has met talk now, and not the other
		ada.expect("Subscribed", "3 message.created a")

		w.store.with(func() { w.store.onRead = func(ctx context.Context) { <-ctx.Done() } })
		start := time.Now()
		for n := range uint64(20) {
			w.typing(id2conv(1000 + n))
		}
		w.typing(other)
		w.typing(talk())
		ada.expect("typing.started bob")
		b := said("b")
		b.Conversation = other
		w.store.commit(b)
		w.relay()
		w.typing(talk())
		ada.expect("typing.started bob")
		w.post("c")
		if took := time.Since(start); took > 0 {
			t.Errorf("what needs no store waited %s for it", took)
		}

		w.store.with(func() { w.store.onRead = nil })
		time.Sleep(aWhile)
		ada.expect("4 message.created b", "5 message.created c")
		w.typing(other)
		ada.expect("typing.started bob")
	})
}

// What comes while a conversation is read is not lost and not read again.
func TestTheLogWaitsForAConversationAndGoesOn(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		ada.expect("Subscribed")
		open, before := make(chan struct{}), w.store.reads
		w.store.with(func() { w.store.onRead = func(context.Context) { <-open } })
		w.typing(talk())
		w.post("a", "b", "c")
		w.typing(talk())
		ada.expect()
		w.store.with(func() { w.store.onRead = nil })
		close(open)
		synctest.Wait()
		ada.expect("2 message.created a", "typing.started bob", "3 message.created b", "4 message.created c", "typing.started bob")
		if n := w.store.reads - before; n != 4 { // the conversation, its members and its last event
			t.Errorf("the store was read %d times", n)
		}
	})
}

// A conversation that is being read when the log is restored is read again.
func TestALoadOfALostDayIsForgotten(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.store.commit(&parley.Event{Type: "thing.changed", Channel: "app", Body: &parley.PublishedBody{}})
		w.relay()
		w.store.commit(left("bob"))
		w.store.commit(said("a"))
		hang := make(chan struct{})
		reads := 0
		w.store.with(func() {
			w.store.onRead = func(context.Context) {
				if reads++; reads == 3 { // the members of talk have been read
					<-hang
				}
			}
		})
		w.typing(talk())
		w.relay()
		w.store.restore(1)
		time.Sleep(loadTimeout - 100*time.Millisecond)
		ada.expect("Reload the log was restored", "Subscribed")
		close(hang)
		time.Sleep(aWhile)
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
		w.post("anew", "more")
		bob.expect("Subscribed", "2 message.created anew", "3 message.created more")
	})
}

// A ring of large events is shorter, and still reaches back without a hole.
func TestARingIsBoundedInBytes(t *testing.T) {
	f := newFeed(&Hub{ctx: t.Context(), cfg: Config{Limits: parley.DefaultLimits()}}, testOrg)
	f.h.cfg.Limits.RingBytes = 8 << 20
	const events = 1000
	for offset := range uint64(events) {
		f.keep(entryAt(offset+1, &parley.MessageBody{Message: parley.Message{Content: strings.Repeat("x", 16<<10)}}))
		sum := 0
		for _, en := range f.ring.entries {
			sum += en.weight()
		}
		if sum != f.ring.weight || sum > 8<<20 {
			t.Fatalf("after %d events the ring weighs %d and says %d", offset+1, sum, f.ring.weight)
		}
	}
	first := f.ring.entries[0].event.Position.Offset
	if f.ring.reaches(first - 2) {
		t.Error("it says that it holds what it let go")
	}
	if n := len(f.ring.after(first - 1)); !f.ring.reaches(first-1) || n != len(f.ring.entries) || n > events/4 || n < 50 {
		t.Errorf("it holds %d of %d events", n, events)
	}
}
