package hub

import (
	"context"
	"fmt"
	"testing"

	parley "github.com/parley-chat/parley"
)

func at(changeSeq uint64, e *parley.Event) *parley.Event {
	e.ChangeSeq = changeSeq
	return e
}

func TestStaysAreIntervals(t *testing.T) {
	for _, others := range []int{0, manyStays} {
		f := newFeed(&Hub{ctx: t.Context()}, testOrg)
		m := &members{}
		created := &parley.ConversationBody{Kind: parley.KindGroup, Members: []parley.MemberBody{{Principal: "ada"}}}
		for n := range others {
			created.Members = append(created.Members, parley.MemberBody{Principal: parley.PrincipalID(fmt.Sprint("other", n))})
		}
		m.learn(f, at(1, &parley.Event{Type: parley.ConversationCreated, Body: created}))
		for seq, e := range []*parley.Event{joined("bob"), said(""), left("bob"), said(""), joined("bob"), said("")} {
			m.learn(f, at(uint64(seq+2), e))
			m.learn(f, at(uint64(seq+2), e)) // again: nothing changes
		}
		if m.applied != 7 || m.through != 7 || len(m.stays) != 3+others {
			t.Fatalf("applied %d, through %d, stays %+v", m.applied, m.through, m.stays)
		}
		durable := func(seq int) *parley.Event { return at(uint64(seq), &parley.Event{Class: parley.Durable}) }
		for seq, hears := range []bool{false, false, true, true, true, false, true, true, true} {
			if got := m.standingOf(f.person("bob"), durable(seq)).in; got != hears {
				t.Errorf("bob hears change_seq %d: %t", seq, got)
			}
		}
		if !m.standingOf(f.person("ada"), durable(7)).in || m.standingOf(f.person("eve"), durable(7)).in {
			t.Error("ada has been in from the beginning, eve never was")
		}
		if n := len(f.person("bob").in); n != 1 {
			t.Errorf("bob is in %d conversations", n)
		}
		m.drop(f)
		f.forgetPerson(f.person("eve"))
		if len(f.persons) != 0 {
			t.Errorf("%d persons are kept for nothing", len(f.persons))
		}
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
	r, err := readRoll(t.Context(), store, testOrg, talk())
	if err != nil || len(r.stays) != 1 || r.through != 1 {
		t.Fatalf("loaded %+v, %v", r, err)
	}
	f, m := newFeed(&Hub{ctx: t.Context()}, testOrg), &members{}
	m.take(f, &r)
	m.learn(f, at(2, joined("bob")))
	m.learn(f, at(3, left("bob")))
	if m.standingOf(f.person("bob"), at(4, &parley.Event{Class: parley.Durable})).in {
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
