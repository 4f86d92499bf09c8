package engine

import (
	"slices"
	"testing"

	"github.com/parley-chat/parley"
)

func TestReceiptsOnlyMoveForward(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben")
	for range 5 {
		w.said(ann, id, "x")
	}
	last := clock.now
	for i, c := range []struct {
		read, delivered         uint64
		wantRead, wantDelivered uint64
		told                    bool
	}{
		{0, 0, 0, 0, false},
		{0, 2, 0, 2, true},
		{1, 0, 1, 2, true},
		{3, 1, 3, 3, true}, // what was read was delivered
		{2, 2, 3, 3, false},
		{3, 3, 3, 3, false},
		{0, 1000, 3, 5, true}, // there are no more than five
		{1 << 63, 0, 5, 5, true},
	} {
		clock.tick()
		r := w.must(ben, parley.MoveReceipts{Conversation: id, Read: c.read, Delivered: c.delivered})
		if s := r.State; s.ReadSeq != c.wantRead || s.DeliveredSeq != c.wantDelivered || (r.Event != nil) != c.told {
			t.Fatalf("step %d: %+v, event %v", i, s, r.Event)
		}
		if !c.told {
			continue
		}
		want := parley.ReceiptBody{Conversation: id, Principal: "ben", Read: c.wantRead, Delivered: c.wantDelivered}
		if b := r.Event.Body.(*parley.ReceiptBody); *b != want || r.Event.Conversation != id || r.Event.Targets != nil {
			t.Errorf("step %d: told %+v, %+v", i, r.Event, b)
		}
	}
	c, err := w.store.Conversation(t.Context(), org, id)
	if err != nil || !c.LastActivity.Equal(last) || c.ChangeSeq != 1+5+5 {
		t.Errorf("the conversation is %+v, %v", c, err)
	}
	w.refused(cleo, parley.MoveReceipts{Conversation: id, Read: 1}, parley.CodeNotFound)
}

// A place outside of one's stays is that of the last message one may see.
func TestReceiptsStayWithinTheStays(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "cleo")
	say := func() { w.said(ann, id, "x") }
	read := func(seq, want uint64) {
		t.Helper()
		if s := w.must(ben, parley.MoveReceipts{Conversation: id, Read: seq}).State; s.ReadSeq != want {
			t.Errorf("read up to %d: %d, want %d", seq, s.ReadSeq, want)
		}
	}
	say()                                                                                  // 1
	say()                                                                                  // 2
	w.must(ann, parley.SetRole{Conversation: id, Member: "ben", Role: parley.RoleAdmin})   // begins a stay
	read(1, 1)                                                                             // of the stay before
	w.must(ben, parley.RemoveMember{Conversation: id, Member: "ben"})                      //
	say()                                                                                  // 3, unseen
	say()                                                                                  // 4, unseen
	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"ben"}}) //
	say()                                                                                  // 5
	read(4, 2)
	read(5, 5)

	late := w.group()
	w.said(ann, late, "x")
	w.must(ann, parley.AddMembers{Conversation: late, Members: []parley.PrincipalID{"ben"}})
	if r := w.must(ben, parley.MoveReceipts{Conversation: late, Read: 1}); r.State.ReadSeq != 0 || r.Event != nil {
		t.Errorf("read what was said before it came: %+v", r.State)
	}
}

func TestReceiptsInALargeConversationAreOnesOwn(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.ReceiptMembers = 2 })
	for _, members := range [][]parley.PrincipalID{{"ben"}, {"ben", "cleo"}} {
		id := w.group(members...)
		before := w.must(ann, parley.PostMessage{Conversation: id, Content: "x"}).Event.ChangeSeq
		ev := w.must(ben, parley.MoveReceipts{Conversation: id, Read: 1}).Event
		if len(members) == 1 {
			if ev.Conversation != id || ev.ChangeSeq != before+1 || ev.Targets != nil {
				t.Errorf("two members: told %+v", ev)
			}
			continue
		}
		if !ev.Conversation.IsZero() || ev.ChangeSeq != 0 || !slices.Equal(ev.Targets, []parley.PrincipalID{"ben"}) {
			t.Errorf("three members: told %+v", ev)
		}
		if c, err := w.store.Conversation(t.Context(), org, id); err != nil || c.ChangeSeq != before {
			t.Errorf("it took a number: %d, %v", c.ChangeSeq, err)
		}
	}
}
