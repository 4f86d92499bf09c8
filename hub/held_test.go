package hub

import (
	"fmt"
	"testing"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/allocs"
)

// crowd is a feed that knows the members of some conversations, as their events
// tell of them.
func crowd(t *testing.T, conversations, people int) *feed {
	f := newFeed(&Hub{ctx: t.Context()}, testOrg)
	f.h.cfg.Now = func() (now time.Time) { return now }
	for c := range conversations {
		body := &parley.ConversationBody{Kind: parley.KindGroup}
		for p := range people {
			body.Members = append(body.Members, parley.MemberBody{Principal: parley.PrincipalID(fmt.Sprint("user", p))})
		}
		e := at(1, &parley.Event{
			Type: parley.ConversationCreated, Class: parley.Durable, Body: body,
			Conversation: parley.ConversationID{0: 1, 1: byte(c >> 8), 2: byte(c)},
		})
		m, _ := f.membersOf(e)
		m.learn(f, e)
	}
	return f
}

// What a feed holds for each membership, where people are in many conversations
// and the conversations are large, small, and in between. Those of the people
// themselves, and of the conversations, are in it.
func TestMemoryBudget(t *testing.T) {
	for _, c := range []struct {
		conversations, people int
		most                  float64
	}{
		{50, 10_000, 62},
		{500, 100, 65},
		{1000, 10, 74},
	} {
		allocs.CheckHeld(t, allocs.Held{
			Name: fmt.Sprintf("a membership of %d people in %d conversations", c.people, c.conversations),
			Most: c.most, N: c.conversations * c.people,
			Make: func() any { return crowd(t, c.conversations, c.people) },
		})
	}
}
