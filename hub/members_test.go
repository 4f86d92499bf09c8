package hub

import (
	"context"
	"testing"

	parley "github.com/parley-chat/parley"
)

func at(changeSeq uint64, e *parley.Event) *parley.Event {
	e.ChangeSeq = changeSeq
	return e
}

func TestStaysAreIntervals(t *testing.T) {
	m := &members{stays: map[parley.PrincipalID][]parley.Membership{}}
	m.learn(at(1, &parley.Event{Type: parley.ConversationCreated, Body: &parley.ConversationBody{
		Kind: parley.KindGroup, Members: []parley.MemberBody{{Principal: "ada"}},
	}}))
	for seq, e := range []*parley.Event{joined("bob"), said(""), left("bob"), said(""), joined("bob"), said("")} {
		m.learn(at(uint64(seq+2), e))
		m.learn(at(uint64(seq+2), e)) // again: nothing changes
	}
	if m.applied != 7 || m.through != 7 || len(m.stays["bob"]) != 2 {
		t.Fatalf("applied %d, through %d, stays %+v", m.applied, m.through, m.stays["bob"])
	}
	for seq, hears := range []bool{false, false, true, true, true, false, true, true, true} {
		if got := m.stay("bob", uint64(seq)) != nil; got != hears {
			t.Errorf("bob hears change_seq %d: %t", seq, got)
		}
	}
	if m.stay("ada", 7) == nil || m.stay("eve", 7) != nil {
		t.Error("ada has been in from the beginning, eve never was")
	}
}

// Stays are read after the conversation: a join that came in between is among
// them already when its event is learned.
func TestAJoinThatWasReadIsLearnedOnce(t *testing.T) {
	store := newMemStore()
	store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: talk(), Body: &parley.ConversationBody{Kind: parley.KindGroup}})
	reads := 0
	store.onRead = func(context.Context) {
		if reads++; reads == 2 {
			store.commit(joined("bob"))
		}
	}
	m, err := loadMembers(t.Context(), store, testOrg, talk())
	if err != nil || len(m.stays["bob"]) != 1 || m.through != 1 {
		t.Fatalf("loaded %+v through %d, %v", m.stays, m.through, err)
	}
	m.learn(at(2, joined("bob")))
	m.learn(at(3, left("bob")))
	if m.stay("bob", 4) != nil {
		t.Error("bob is gone and still hears")
	}
}

func TestAnErasedLeaveIsReadFromTheStore(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
		w.post("a")
		bob.expect("Subscribed", "2 message.created a")
		w.store.commit(left("bob"))
		w.store.sequence(1)
		w.store.with(func() { w.store.log[2] = nil })
		w.post("b")
		w.post("c")
		bob.expect()
	})
}

func TestAConversationThatIsNotThereIsHeardByNobody(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(func(c *ListenerConfig) { c.Principal = user("ada", parley.ScopeAdmin) }).subscribe()
		stray := said("stray")
		stray.Conversation, stray.Type = id2conv(77), parley.MessageUpdated
		w.store.with(func() { w.store.conversations[stray.Conversation] = &parley.Conversation{} })
		w.store.commit(stray)
		w.store.with(func() { delete(w.store.conversations, stray.Conversation) })
		w.post("a")
		ada.expect("Subscribed", "3 message.created a")
	})
}
