package hub

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	parley "github.com/parley-chat/parley"
)

// by is a message of somebody other than ada.
func by(who parley.PrincipalID, text string) *parley.Event {
	e := said(text)
	e.Body.(*parley.MessageBody).Sender = who
	return e
}

func reacted(who parley.PrincipalID) *parley.Event {
	return &parley.Event{Type: parley.ReactionChanged, Conversation: talk(), Body: &parley.ReactionBody{Principal: who, Emoji: "!", Added: true}}
}

// own is an event of principal scope: told to one, on all its devices.
func own(who parley.PrincipalID, t parley.EventType, body parley.Body) *parley.Event {
	return &parley.Event{Type: t, Actor: who, Channel: parley.ChannelConversation, Targets: []parley.PrincipalID{who}, Body: body}
}

func blocked(owner, other parley.PrincipalID) *parley.Event {
	return own(owner, parley.PrincipalBlocked, &parley.BlockBody{Blocked: other})
}

func unblocked(owner, other parley.PrincipalID) *parley.Event {
	return own(owner, parley.PrincipalUnblocked, &parley.BlockBody{Blocked: other})
}

// tell commits events, each on its own, and tells them to all nodes.
func (w *world) tell(events ...*parley.Event) {
	for _, e := range events {
		w.store.commit(e)
	}
	w.relay()
}

// Whom one blocks one does not hear from then on; others do, and so does the one who
// is blocked. What is not said, but says who is there, is told all the same.
func TestWhoIsBlockedIsNotHeard(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada, bob := w.attach(nil).subscribe(), w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
		phone := w.attach(nil).subscribe()
		w.tell(by("bob", "one"), blocked("ada", "bob"), by("bob", "two"), reacted("bob"), said("three"))
		w.typing(talk())
		w.tell(&parley.Event{Type: parley.ReceiptUpdated, Conversation: talk(), Body: &parley.ReceiptBody{Principal: "bob"}}, left("bob"))
		for _, e := range []*ear{ada, phone} {
			e.expect("Subscribed", "2 message.created one", "6 message.created three", "7 receipt.updated", "8 member.left")
		}
		bob.expect("Subscribed", "2 message.created one", "4 message.created two", "5 reaction.changed", "6 message.created three",
			"typing.started bob", "7 receipt.updated", "8 member.left")
	})
}

// A message is its sender's: whom one blocks may delete what another said, and that
// is told; not so what it said itself, whoever deletes it.
func TestADeletionIsToldByWhoseMessageItIs(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		deleted := func(actor, sender parley.PrincipalID) *parley.Event {
			e := by(sender, "")
			e.Type, e.Actor = parley.MessageDeleted, actor
			return e
		}
		w.tell(blocked("ada", "bob"), deleted("bob", "agent"), deleted("ada", "bob"))
		ada.expect("Subscribed", "3 message.deleted")
	})
}

// In a replay it is what is known of blocks now that counts: from the ring, and from
// the store.
func TestAReplayKnowsBlocks(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				w.tell(by("bob", "one"), blocked("ada", "bob"), by("bob", "two"), reacted("bob"), said("three"))
				from := w.store.at[0].Cursor()
				for _, dialect := range []string{"topics", "bot", "events"} {
					w.attach(resuming(from, dialect, "ada")).resume().expect("Subscribed at 1", "6 message.created three")
				}
				w.tell(unblocked("ada", "bob"))
				w.attach(resuming(from, "topics", "ada")).resume().
					expect("Subscribed at 1", "2 message.created one", "4 message.created two", "5 reaction.changed", "6 message.created three", "CursorMoved at 7")
			})
		})
	}
}

// A block made on another node, or while nobody of the owner was here, is known to
// whoever comes: also where the change comes while it is being read.
func TestBlocksAreKnownFromTheBeginning(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
		w.tell(blocked("ada", "bob"))
		ada := w.attach(nil).subscribe()
		w.tell(by("bob", "one"))
		ada.expect("Subscribed")
		ada.Detach()
		w.tell(unblocked("ada", "bob")) // heard by the feed alone
		again := w.attach(nil).subscribe()
		w.tell(by("bob", "two"))
		again.expect("Subscribed", "5 message.created two")
		bob.expect()
	})
}

func TestABlockThatIsMadeWhileBlocksAreReadHolds(t *testing.T) {
	for name, prepare := range map[string]func(w *world){"of one": (*world).manyBlocks, "of all": func(*world) {}} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t)
				prepare(w)
				bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
				w.tell(joined("eve"))
				f := bob.feed
				f.do(func() { f.orgBlocks = orgBlocks{asked: f.orgBlocks.of == nil} })
				reads := 0
				w.store.with(func() {
					w.store.onRead = func(context.Context) {
						if reads++; reads == 1 { // what is read was read already
							w.store.commit(blocked("eve", "bob"))
							w.nodes[0].bus.put(&w.nodes[0].bus.log, logMessage(w.store.sequence(1)[0], false))
							w.nodes[0].bus.take("log", &w.nodes[0].bus.log, nil, 0)
						}
					}
				})
				eve := w.attach(func(c *ListenerConfig) { c.Principal = user("eve") }).subscribe()
				w.tell(by("bob", "one"), said("two"))
				eve.expect("Subscribed", "5 message.created two")
			})
		})
	}
}

// manyBlocks makes more blocks than a feed holds all.
func (w *world) manyBlocks() {
	w.store.with(func() {
		w.store.blocks["zoe"] = map[parley.PrincipalID]bool{}
		for i := range maxOrgBlocks + 1 {
			w.store.blocks["zoe"][parley.PrincipalID(fmt.Sprint("bore", i))] = true
		}
	})
}

// Where few of an org block anybody that is read once, by who comes first.
func TestFewBlocksAreReadOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.tell(joined("eve"), blocked("eve", "bob"))
		w.attach(nil)
		w.tell(blocked("bob", "ada")) // heard by the feed alone
		w.store.with(func() { w.store.failing = true })
		eve := w.attach(func(c *ListenerConfig) { c.Principal = user("eve") })
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
		w.store.with(func() { w.store.failing = false })
		eve.subscribe()
		bob.subscribe()
		w.tell(said("one"), by("bob", "two"), by("agent", "three"))
		eve.expect("Subscribed", "5 message.created one", "7 message.created three")
		bob.expect("Subscribed", "6 message.created two", "7 message.created three")
	})
}

// So many come to be that they are not held any more: who is here knows its own.
func TestManyBlocksAreNotHeld(t *testing.T) {
	var o orgBlocks
	o.learn("ada", "bob", true)
	if o.of != nil {
		t.Error("what was never read is held")
	}
	o = orgBlocks{asked: true, of: map[parley.PrincipalID]*blocks{}}
	o.learn("ada", "bob", true)
	o.learn("ada", "eve", true)
	o.learn("ada", "bob", false)
	if b := o.of["ada"]; b == nil || len(*b) != 1 {
		t.Errorf("ada blocks %v", b)
	}
	o.learn("ada", "eve", false)
	if len(o.of) != 0 {
		t.Errorf("who blocks nobody is held: %v", o.of)
	}
	for i := range 2 * maxOrgBlocks {
		o.learn("ada", parley.PrincipalID(fmt.Sprint(i)), true)
	}
	if o.of != nil || o.asked {
		t.Errorf("%d are held", len(*o.of["ada"]))
	}
}

// Whose blocks cannot be read is not let in: it would hear what it must not.
func TestWithoutTheStoreNobodyComes(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.manyBlocks()
		w.attach(nil)
		w.store.with(func() { w.store.failing = true })
		h := w.nodes[0].hub
		if _, err := h.Attach(ListenerConfig{Principal: user("bob"), Dialect: "topics"}); !errors.Is(err, parley.ErrUnavailable) {
			t.Errorf("attach: %v", err)
		}
		w.attach(nil) // she is known already
		w.store.with(func() { w.store.failing = false })
		w.attach(func(c *ListenerConfig) { c.Principal = user("bob") })
	})
}

// A log that was taken back takes blocks back; they are read again as soon as the
// store answers.
func TestARestoredLogTakesBlocksBack(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.tell(blocked("ada", "bob"))
		ada.expect("Subscribed")
		w.store.restore(1)
		time.Sleep(aWhile)
		ada.expect("Reload the log was restored")
		w.tell(by("bob", "hello"))
		ada.expect("2 message.created hello")
	})
}

// Of an agent that one blocks in the middle of its answer one hears no more than that it
// is over, when it is (P4); who did not hear it begin is not told that either. Where the
// block ends before the answer does, what is missing of the text comes with the next
// piece.
func TestAnAgentIsBlockedWhileItAnswers(t *testing.T) {
	for _, dialect := range []string{"topics", "bot"} {
		t.Run(dialect, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t)
				ada := w.attach(resuming("", dialect, "ada")).subscribe()
				w.start()
				w.say("so ")
				ada.expect("Subscribed at 1", "start", "delta 0 so")
				w.tell(blocked("ada", "agent"))
				w.say("it ")
				ada.expect()
				w.tell(unblocked("ada", "agent"))
				w.say("is")
				ada.expect("delta 3 it is")
				w.tell(blocked("ada", "agent"))
				w.say("!")
				late := w.attach(resuming("", dialect, "ada")).subscribe()
				late.expect("Subscribed at 4")
				w.end()
				ada.expect("6 run.ended")
				late.expect()
				w.tell(blocked("bob", "agent")) // is nothing to her
				late.TellCursor()
				synctest.Wait()
				late.expect("CursorMoved at 7")
			})
		})
	}
}

// Who joins, or comes back, is not told of the open answer of an agent it blocks.
func TestOpenAnswersOfTheBlockedAreNotTold(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.tell(blocked("ada", "agent"))
		w.start()
		w.say("so far")
		w.attach(nil).subscribe().expect("Subscribed")
		w.attach(resuming(w.store.at[0].Cursor(), "bot", "ada")).resume().expect("Subscribed at 2")
	})
}

// One who fell behind within an answer, and blocks the agent after its message was
// passed over for the end that was to follow, is told the end without a text.
func TestAnEndThatFollowsABlockIsTold(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames = 1 })
		w.nodes[0].hub.sizes.page = 1
		ada := w.attach(resuming("", "bot", "ada")).subscribe()
		ada.expect("Subscribed at 1")
		w.start()
		ada.expect("start")
		w.run.text = "so it is"
		w.end()
		for at := uint64(0); at < 2; {
			if _, _, err := ada.Next(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			ada.feed.do(func() { at = ada.at.Offset })
		}
		w.tell(blocked("ada", "agent"))
		ada.more = true
		ada.expect("3 run.ended", "CursorMoved at 4")
	})
}

// That whom one blocks comes or goes is not told to one, on any device; to the others
// it is, and the one who is blocked is told of its owner.
func TestThePresenceOfTheBlockedIsNotTold(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		listen := func(who parley.PrincipalID) *ear {
			e := w.attach(func(c *ListenerConfig) { c.Principal = user(who) })
			e.Subscribe(&parley.Subscribe{Interest: parley.Interest{Channels: []string{parley.ChannelConversation}}}, nil)
			return e
		}
		ada, bob := listen("ada"), listen("bob")
		there := func(who parley.PrincipalID, targets ...parley.PrincipalID) {
			w.tellLive(&parley.Event{
				Type: parley.PresenceChanged, Class: parley.Ephemeral, Actor: who, Targets: targets,
				Body: &parley.PresenceBody{Principal: who, Status: parley.PresenceOnline, Shared: talk()},
			})
		}
		w.tell(blocked("ada", "bob"))
		there("bob", "ada")
		there("agent", "ada", "bob")
		there("ada", "bob")
		ada.expect("2 principal.blocked", "presence.changed")
		bob.expect("presence.changed", "presence.changed")
	})
}
