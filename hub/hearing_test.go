package hub

import (
	"context"
	"errors"
	"testing"

	parley "github.com/parley-chat/parley"
)

// Who is there is told by name, and needs the scope of conversations all the same
// (P6): at delivery too, where a refreshed token has lost it.
func TestPresenceNeedsTheScopeOfConversations(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		onChannel := parley.Interest{Channels: []string{parley.ChannelConversation}}
		deaf := &parley.Principal{Org: testOrg, ID: "ada", Kind: parley.KindUser, Scopes: parley.NewScopes(parley.ScopeEventsSubscribe)}
		hears := w.attach(func(c *ListenerConfig) { c.Interest = onChannel })
		may := w.attach(func(c *ListenerConfig) { c.Principal, c.Interest = deaf, onChannel })
		comes := func() {
			data, err := parley.MarshalEvent(&parley.Event{
				Org: testOrg, Type: parley.PresenceChanged, Class: parley.Ephemeral, Targets: []parley.PrincipalID{"ada", "ada"},
				Channel: parley.ChannelConversation, Body: &parley.PresenceBody{Principal: "bob", Status: parley.PresenceOnline, Shared: talk()},
			})
			if err != nil {
				t.Fatal(err)
			}
			w.nodes[0].bus.put(&w.nodes[0].bus.live, data)
			w.deliver(w.nodes[0])
		}
		comes()
		hears.expect("presence.changed")
		may.expect()
		hears.Refresh(deaf)
		comes()
		hears.expect()
	})
}

// A listener that came with a cursor of a node that had applied more is told of
// the open runs once its own node is there, also where nothing more is said.
func TestWhoWaitsForItsNodeIsToldOfOpenRuns(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		slow := w.attach(nil).subscribe()
		other := w.attachTo(w.nodes[1], resuming("", "topics", "ada")).subscribe()
		slow.expect("Subscribed")
		w.start()
		w.say("so far")
		w.store.commit(said("more"))
		w.relay(w.nodes[1])
		other.expect("Subscribed at 1", "start", "delta 0 so far", "2 message.created more")

		moved := w.attach(resuming(other.cursor, "topics", "ada")).resume()
		moved.expect("Subscribed at 2")
		w.nodes[0].bus.put(&w.nodes[0].bus.log, logMessage(w.store.log[1], false))
		w.deliver(w.nodes[0])
		moved.expect("start", "delta 0 so far")
	})
}

// What a listener that fell behind was to forget of a run it has forgotten: asking
// again brings all of it.
func TestFallingBehindForgetsRunsThatAreNotHeard(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames = 2 })
		ada := w.attach(nil).subscribe()
		w.start()
		w.say("so far")
		ada.expect("Subscribed", "start", "delta 0 so far")
		un := parley.Unsubscribe{Interest: toTalk().Interest}
		ada.Unsubscribe(&un, parley.Unsubscribed{Request: un})
		app := parley.Subscribe{Interest: parley.Interest{Channels: []string{"app"}}}
		ada.Subscribe(&app, nil)
		for range 3 {
			w.store.commit(&parley.Event{Type: "app.event", Channel: "app", Body: &parley.PublishedBody{Data: parley.RawJSON("{}")}})
		}
		w.relay()
		if w.nodes[0].hub.FellBehind.Load() == 0 {
			t.Fatal("it did not fall behind")
		}
		ada.hears()
		ada.subscribe().expect("Subscribed", "start", "delta 0 so far")
	})
}

// An acknowledgement that is owed when a listener is told to reload comes after that:
// its cursor is beyond what was lost.
func TestReloadComesBeforeWhatIsAcknowledged(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.RingEvents = 1 })
		w.post("a", "b", "c")
		ada := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada")).resume()
		w.store.trim(3)
		again := toTalk()
		w.store.with(func() {
			w.store.onRead = func(context.Context) {
				w.store.with(func() { w.store.onRead = nil })
				ada.Subscribe(&again, parley.Subscribed{Request: again})
			}
		})
		ada.expect("Subscribed at 1", "Reload events are no longer kept", "Subscribed at 4")
	})
}

// A feed that could not start is no one's any more: who comes while others still
// hold it tries again.
func TestAFailedFeedIsNotJoined(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.nodes[0].hub
		w.store.with(func() { w.store.failing = true })
		if _, err := h.Attach(ListenerConfig{Principal: user("ada"), Dialect: "topics"}); !errors.Is(err, parley.ErrUnavailable) {
			t.Fatalf("attach: %v", err)
		}
		failed := newFeed(h, testOrg)
		failed.users, failed.err = 1, parley.ErrUnavailable
		close(failed.ready)
		close(failed.done)
		h.feeds[testOrg] = failed // one of many is just about to give it back
		w.store.with(func() { w.store.failing = false })
		w.attach(nil).subscribe().expect("Subscribed")
		h.release(failed)
		w.attach(nil).subscribe().expect("Subscribed")
	})
}

// What a conversation begins with may be long: the ring's bound in bytes counts it.
func TestTheRingWeighsMembersAndTargets(t *testing.T) {
	members := make([]parley.MemberBody, 1000)
	for i := range members {
		members[i].Name = "somebody with a name"
	}
	conversation := &parley.ConversationBody{Title: "many", Members: members}
	for name, e := range map[string]*parley.Event{
		"created": {Type: parley.ConversationCreated, Body: conversation},
		"joined":  {Type: parley.MemberJoined, Body: &parley.MemberBody{Conversation: conversation}},
		"targets": {Type: "app.event", Targets: make([]parley.PrincipalID, 1000), Body: &parley.PublishedBody{}},
	} {
		if got := (&entry{event: e}).weight(); got < 50_000 {
			t.Errorf("%s: weighs %d bytes", name, got)
		}
	}
}

// A listener that went is not kept by the person it listened for, who is still
// here by another.
func TestAPersonKeepsNoListenerThatWent(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.attach(nil), w.attach(nil)
		first.Detach()
		p := second.person
		second.feed.do(func() {
			if len(p.listeners) != 1 || p.listeners[0] != second.Listener || p.only[0] == first.Listener {
				t.Errorf("%d listeners are here, and the one that went is kept: %t", len(p.listeners), p.only[0] == first.Listener)
			}
		})
	})
}
