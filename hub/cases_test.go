package hub

import (
	"testing"
	"time"

	parley "github.com/parley-chat/parley"
)

// The cases of docs/decisions/0001-position-relay-resume.md, one by one.

func TestCase1IdleConversationsCostALookEach(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.RingEvents = 1 })
		for n := range uint64(50) {
			w.store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: id2conv(1000 + n), Body: &parley.ConversationBody{
				Kind: parley.KindGroup, Members: []parley.MemberBody{{Principal: "bob", Role: parley.RoleMember}},
			}})
		}
		w.relay()
		events := w.attach(func(c *ListenerConfig) {
			c.Principal, c.Dialect, c.Complete = user("bob"), "events", true
			c.Resume, c.Cursor = true, w.store.at[0].Cursor()
			c.Interest.Channels = []string{parley.ChannelConversation}
		})
		if got := len(events.hears()); got != 50 {
			t.Errorf("resume tells %d of 50 conversations", got)
		}
		w.post("one more")
		events.expect("52 message.created one more")
		if n := len(events.feed.conversations); n > 1 {
			t.Errorf("the feed keeps %d conversations, one has spoken", n)
		}
	})
}

func TestCase2WildcardsOfTheOrg(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		pattern, err := parley.ParsePattern("events.org_test.*.*.*.*")
		if err != nil {
			t.Fatal(err)
		}
		wide := func(scopes ...parley.Scope) *ear {
			return w.attach(func(c *ListenerConfig) {
				c.Principal = user("eve", scopes...)
				c.Interest.Patterns = []parley.Pattern{pattern}
			})
		}
		none, org, all := wide(), wide(parley.ScopeOrgRead), wide(parley.ScopeOrgRead, parley.ScopeConversationsReadAll)
		w.store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: id2conv(2), Body: &parley.ConversationBody{
			Kind: parley.KindDirect, Members: []parley.MemberBody{{Principal: "ada"}, {Principal: "bob"}},
		}})
		w.store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: id2conv(3), Body: &parley.ConversationBody{
			Kind: parley.KindAgentDirect, Members: []parley.MemberBody{{Principal: "ada"}, {Principal: "agent"}},
		}})
		secret := said("among us")
		secret.Internal = true
		w.store.commit(secret)
		w.post("hello")
		none.expect()
		org.expect("5 message.created hello")
		all.expect("2 conversation.created", "3 conversation.created", "4 message.created among us", "5 message.created hello")
	})
}

func TestCase3RemovedWhileFramesWait(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		live := w.attach(resuming("", "topics", "bob")).subscribe()
		w.post("before")
		w.store.commit(left("bob"))
		w.post("after")
		live.expect("Subscribed at 1", "2 message.created before", "3 member.left")

		later := w.attach(resuming(w.store.at[0].Cursor(), "topics", "bob")).resume()
		later.expect("Subscribed at 1", "2 message.created before", "3 member.left", "CursorMoved at 4")

		w.store.commit(joined("bob"))
		w.post("again")
		later.expect("5 member.joined", "6 message.created again")
	})
}

func TestCase4InternalMessages(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		owner := w.attach(nil).subscribe()
		member := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
		secret := said("staff only")
		secret.Internal = true
		w.store.commit(secret)
		w.post("for all")
		owner.expect("Subscribed", "2 message.created staff only", "3 message.created for all")
		member.expect("Subscribed", "3 message.created for all")
	})
}

func TestCase5DeltasRaceTheQuestionAndTheEnd(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(nil).subscribe()
		ear.expect("Subscribed")
		// The question has its Position, but has not come yet when the answer begins.
		w.store.commit(said("what?"))
		question := w.store.sequence(1)[0]
		w.start()
		w.say("so")
		ear.expect()
		w.nodes[0].bus.put(&w.nodes[0].bus.log, logMessage(question, false))
		w.deliver(w.nodes...)
		ear.expect("2 message.created what?", "start", "delta 0 so")
		// The end comes before the last deltas.
		w.run.text = "so it is"
		w.end()
		ear.expect("delta 2  it is", "3 message.created so it is", "4 run.ended so it is")
		w.run.text = "so"
		w.say(" it is")
		ear.expect()
	})
}

func TestCase6ReplayHandsOverToLive(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.post("a", "b")
		ear := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada"))
		w.post("c")
		ear.expect()
		ear.resume().expect("Subscribed at 1", "2 message.created a", "3 message.created b", "4 message.created c")
		w.post("d")
		ear.expect("5 message.created d")
	})
}

func TestCase7DropInTheMiddleOfAReplay(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.nodes[0].hub.sizes.soft, w.nodes[0].hub.sizes.owed, w.nodes[0].hub.sizes.page = 1, 4, 2
		w.post("a", "b", "c", "d", "e")
		first := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada")).resume()
		var last line
		for n := 0; n < 3 && last.offset == 0; n++ {
			data, _, err := first.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := readLines(t, data)
			last = got[len(got)-1]
		}
		first.Detach()
		if last.offset == 0 || last.offset > 5 {
			t.Fatalf("the replay ends with %+v; it should be in the middle", last)
		}
		second := w.attach(resuming(last.cursor, "topics", "ada")).resume()
		rest := second.hears()
		if len(rest) != int(6-last.offset)+1 || rest[len(rest)-1] != "6 message.created e" {
			t.Errorf("after %d it hears %q", last.offset, rest)
		}
	})
}

func TestCase8TwoNodesOneAhead(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		slow := w.attachTo(w.nodes[1], nil).subscribe()
		ahead := w.attach(resuming("", "topics", "ada")).subscribe()
		w.start()
		slow.expect("Subscribed", "start")
		w.run.text = "yes"
		w.store.commit(&parley.Event{Type: parley.RunEnded, Conversation: talk(), Body: &parley.RunBody{Run: w.run.row.ID, Text: "yes"}})
		w.store.commit(said("more"))
		w.relay(w.nodes[0])
		ahead.expect("Subscribed at 1", "2 run.ended yes", "3 message.created more")
		ahead.Detach()

		// The other node has applied nothing of it, and has the run still open.
		moved := w.attachTo(w.nodes[1], resuming(ahead.cursor, "topics", "ada")).resume()
		moved.expect("Subscribed at 3")
		w.post("and more")
		time.Sleep(aWhile)
		moved.expect("4 message.created and more")
		slow.expect("delta 0 yes", "2 run.ended yes", "3 message.created more", "4 message.created and more")
	})
}

func TestCase9YesterdaysBackup(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(resuming("", "topics", "ada")).subscribe()
		w.post("a", "b", "c")
		ear.expect("Subscribed at 1", "2 message.created a", "3 message.created b", "4 message.created c")
		lost := ear.cursor

		w.store.restore(2)
		time.Sleep(aWhile)
		ear.expect("Reload the log was restored")
		w.post("anew")
		ear.expect("3 message.created anew")

		w.post("x", "y", "z") // beyond the lost offset
		w.attach(resuming(lost, "topics", "ada")).expect("Reload the cursor is not of this log")
	})
}

func TestRestoredLogThatGrewPastTheFeed(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(nil).subscribe()
		w.start()
		w.post("a", "b")
		ear.expect("Subscribed", "start", "2 message.created a", "3 message.created b")
		w.store.restore(1) // the run is of the lost day too
		w.store.commit(said("x"))
		w.store.commit(said("y"))
		w.store.sequence(2) // nobody hears of these two
		w.post("z")         // the next offset that the feed waits for
		time.Sleep(aWhile)
		ear.expect("Reload the log was restored")
	})
}
