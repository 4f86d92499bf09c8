package hub

import (
	"context"
	"testing"
	"time"

	parley "github.com/parley-chat/parley"
)

func TestListening(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.nodes[0].hub
		e := &parley.Event{Org: testOrg, Type: "thing.changed", Class: parley.Durable, Channel: "app", Body: &parley.PublishedBody{}}
		if n := h.Listening(testOrg, e); n != 0 {
			t.Errorf("%d listen where nobody is", n)
		}
		on := func(who parley.PrincipalID, channel string) {
			w.attach(func(c *ListenerConfig) {
				c.Principal, c.Interest.Channels = user(who), []string{channel}
			})
		}
		on("ada", "app")
		on("ada", "app") // two sockets, one principal
		on("bob", "app")
		on("eve", "other")
		if n := h.Listening(testOrg, e); n != 2 {
			t.Errorf("%d principals listen, want 2", n)
		}
		e.Targets = []parley.PrincipalID{"bob", "eve"}
		if n := h.Listening(testOrg, e); n != 1 {
			t.Errorf("%d of the targets listen, want 1", n)
		}
	})
}

// aPublished event concerns talk.
func aPublished() *parley.Event {
	return &parley.Event{
		Org: testOrg, Type: "thing.changed", Class: parley.Durable, Conversation: talk(), ChangeSeq: 2,
		Channel: "app", Body: &parley.PublishedBody{},
	}
}

// The members of a conversation are counted before anything was told there.
func TestListeningToAnIdleConversation(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.attach(nil).subscribe()
		w.attach(func(c *ListenerConfig) { c.Principal = user("eve") }).subscribe() // not a member
		if n := w.nodes[0].hub.Listening(testOrg, aPublished()); n != 1 {
			t.Errorf("%d listen, want 1", n)
		}
	})
}

func TestListeningDoesNotWaitForTheStore(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.attach(nil).subscribe()
		w.store.with(func() { w.store.onRead = func(ctx context.Context) { <-ctx.Done() } })
		start := time.Now()
		if n := w.nodes[0].hub.Listening(testOrg, aPublished()); n != 0 {
			t.Errorf("%d listen, nobody is known", n)
		}
		if took := time.Since(start); took != listeningWait {
			t.Errorf("it took %s", took)
		}
	})
}

func TestWhoIsInAConversation(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
		eve := w.attach(func(c *ListenerConfig) { c.Principal = user("eve") })
		is := func(l *ear, past, want bool) {
			t.Helper()
			if got := l.In(t.Context(), talk(), past); got != want {
				t.Errorf("%s is in it (past %t): %t", l.Principal().ID, past, got)
			}
		}
		is(bob, true, false) // nothing was told there yet: the feed does not know
		w.post("a")
		is(bob, false, true)
		is(eve, true, false)
		w.store.commit(left("bob"))
		w.post("b")
		is(bob, false, false)
		is(bob, true, true)
	})
}

// When all come back who are in a conversation, its members are read for the first
// of them by itself, and once more for all others.
func TestWhoIsInAConversationIsReadOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
		eve := w.attach(func(c *ListenerConfig) { c.Principal = user("eve") })
		if before := w.store.reads; bob.In(t.Context(), talk(), false) || w.store.reads != before {
			t.Error("the first who asks is answered by what is in memory, and that is nothing")
		}
		if !bob.In(t.Context(), talk(), false) {
			t.Error("bob is in it, and the feed has had time to read that")
		}
		before := w.store.reads
		for range 10 {
			if !bob.In(t.Context(), talk(), false) || eve.In(t.Context(), talk(), false) {
				t.Error("bob is in it, eve is not")
			}
		}
		if n := w.store.reads - before; n != 0 {
			t.Errorf("the store was read %d times for what is in memory", n)
		}

		w.store.with(func() { w.store.failing = true })
		if other := (parley.ConversationID{77}); bob.In(t.Context(), other, false) || bob.In(t.Context(), other, false) {
			t.Error("a store that is away says that bob is in a conversation")
		}
	})
}
