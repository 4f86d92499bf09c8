package hub

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	parley "github.com/parley-chat/parley"
)

func TestSlowReadersHearTextAsOnePiece(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames = 4 })
		slow := w.attach(nil).subscribe()
		slow.expect("Subscribed")
		w.start()
		w.say("one ")
		w.say("two ")
		slow.expect("start", "delta 0 one two")
		for range 20 {
			w.say("a ")
		}
		if w.nodes[0].hub.FellBehind.Load() != 1 {
			t.Error("it is owed more than its bound and is not behind")
		}
		slow.expect("delta 8 a a a a a a a a a a a a a a a a a a a a")
		w.end()
		slow.expect("2 message.created "+w.run.text[:len(w.run.text)-1], "3 run.ended "+w.run.text[:len(w.run.text)-1])
	})
}

func TestWhoJoinsARunHearsAllOfIt(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.say("so far") // nobody is here
		joins := w.attach(nil).subscribe()
		joins.expect("Subscribed", "start", "delta 0 so far")
		w.say(" so good")
		joins.expect("delta 6  so good")
	})
}

// A feed that begins between the question and the answer reads its head first and
// the open runs later.
func TestARunIsNotToldBeforeItsQuestion(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		reads := 0
		onRead := func(context.Context) {
			if reads++; reads == 2 {
				w.store.commit(said("what?"))
				e := w.store.sequence(1)[0]
				w.nodes[0].bus.put(&w.nodes[0].bus.log, logMessage(e, false))
				w.run = &simRun{row: w.store.startRun(talk(), "agent"), text: "well"}
			}
		}
		w.store.with(func() { w.store.onRead = onRead })
		ada := w.attach(nil).subscribe()
		ada.expect("Subscribed")
		w.deliver(w.nodes...)
		ada.expect("2 message.created what?", "start", "delta 0 well")
	})
}

func TestALostDeltaIsMadeGoodByASnapshot(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.start()
		w.run.text = "lost "
		w.say("heard")
		ada.expect("Subscribed", "start", "delta 0 lost heard")
	})
}

// Whoever heard a run begin and fell behind reads its end from the store.
func TestTheRestComesBeforeTheEnd(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames, l.RingEvents = 1, 1 })
		for _, surface := range []string{"topics", "bot"} {
			ear := w.attach(func(c *ListenerConfig) { c.Dialect = surface }).subscribe()
			ear.hears()
			w.start()
			w.say("begun")
			ear.hears()
			w.run.text = "begun and done"
			w.end()
			w.post("x", "y", "z")
			got := ear.hears()
			if got[0] != "delta 5  and done" {
				t.Errorf("%s: first comes %q", surface, got[0])
			}
			ear.Detach()
		}
	})
}

func TestBotHearsTheEndOrTheMessage(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		bot := func() *ear { return w.attach(resuming("", "bot", "ada")).subscribe() }
		begun := bot()
		begun.expect("Subscribed at 1")
		w.start()
		w.say("hi")
		begun.expect("start", "delta 0 hi")
		place := begun.cursor
		w.end()
		begun.expect("3 run.ended hi")

		// Back from before the run began, in offsets: the end is told alone.
		w.attach(resuming(place, "bot", "ada")).resume().expect("Subscribed at 1", "3 run.ended hi")
		late := bot()
		late.expect("Subscribed at 3")
	})
}

// The two are neighbours in the log. A client that dropped between them comes
// back at the first.
func TestBotThatWasToldTheMessageIsNotToldTheEnd(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.nodes[0].hub.sizes.soft, w.nodes[0].hub.sizes.owed = 1, 4
		place := w.store.at[0].Cursor()
		w.post("what?")
		w.start()
		w.say("this")
		w.end()
		ear := w.attach(resuming(place, "bot", "ada")).resume()
		for ear.cursor != w.store.at[2].Cursor() {
			data, _, err := ear.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range readLines(t, data) {
				if ear.cursor = l.cursor; l.offset == 3 {
					break // the connection breaks in the middle of this write
				}
			}
		}
		ear.Detach()
		w.attach(resuming(ear.cursor, "bot", "ada")).resume().expect("Subscribed at 3", "CursorMoved at 4")
	})
}

// No cursor that lies between the two goes out to who is to be told the end.
func TestNoCursorBetweenAMessageAndTheEndThatIsTold(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(resuming("", "bot", "ada")).subscribe()
		w.start()
		w.say("this")
		ear.expect("Subscribed at 1", "start", "delta 0 this")
		r := w.run.row
		w.store.commit(&parley.Event{Type: parley.MessageCreated, Conversation: talk(), Body: &parley.MessageBody{
			Message: parley.Message{Content: "this", Run: &parley.RunRef{ID: r.ID, After: r.After}},
		}})
		w.relay()
		ear.subscribe().expect("Subscribed at 1")
		ear.TellCursor()
		synctest.Wait()
		ear.expect()
		w.store.commit(&parley.Event{Type: parley.RunEnded, Conversation: talk(), Body: &parley.RunBody{Run: r.ID, After: r.After, Text: "this"}})
		w.relay()
		ear.subscribe().expect("3 run.ended this", "Subscribed at 3")
	})
}

func TestUnsubscribedAndBackHearsTheRunFromItsStart(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(nil).subscribe()
		w.start()
		w.say("one ")
		un := parley.Unsubscribe{Interest: toTalk().Interest}
		ear.Unsubscribe(&un, parley.Unsubscribed{Request: un})
		w.say("two")
		ear.expect("Subscribed", "start", "delta 0 one", "Unsubscribed")
		ear.subscribe().expect("Subscribed", "start", "delta 0 one two")
	})
}

func TestWhoLeftIsNotOwedTheRun(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames = 1 })
		bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
		w.start()
		w.say("for all ")
		bob.expect("Subscribed", "start", "delta 0 for all")
		w.store.commit(said("x"))
		w.store.commit(left("bob"))
		w.relay()
		w.say("not for bob")
		bob.expect("2 message.created x", "3 member.left")
	})
}

func TestSubscribeWithHistory(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.post("one", "two", "three")
		ear := w.attach(nil)
		sub := toTalk()
		sub.HasAfterSeq, sub.AfterSeq = true, 1
		err := ear.SubscribeWithHistory(&sub, parley.Subscribed{Request: sub}, func() ([]parley.Message, error) {
			w.post("four") // told live to others, and in the history
			ear.expect("Subscribed")
			list := w.store.messages[talk()][1:]
			w.post("five") // after the history was read
			ear.GiveUp()   // the clock's word to a Conn that does not resume: nothing to this one
			return list, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.post("six")
		ear.expect("History two", "History three", "History four", "6 message.created five", "7 message.created six")
	})
}

// What was told as history is remembered only until the log has come past it,
// however quiet the conversation is then.
func TestAHistoryIsForgottenInTime(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.post("one")
		ear := w.attach(nil)
		catchUp := func() {
			t.Helper()
			sub := toTalk()
			err := ear.SubscribeWithHistory(&sub, parley.Subscribed{Request: sub}, func() ([]parley.Message, error) {
				return w.store.messages[talk()], nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		remembers := func(n int) {
			t.Helper()
			if len(ear.remembers().skip) != n {
				t.Errorf("%d histories are remembered, want %d", len(ear.remembers().skip), n)
			}
		}
		catchUp()
		ear.expect("Subscribed", "History one")
		remembers(0)

		// The relay may be behind: what is read has no Position yet, and comes later.
		w.store.commit(said("two"))
		catchUp()
		ear.expect("Subscribed", "History one", "History two")
		remembers(1)
		w.relay()
		ear.expect()
		w.post("three")
		ear.expect("4 message.created three")
		remembers(0)

		// The node may be behind: the store gave it a Position already.
		w.store.commit(said("four"))
		four := w.store.sequence(1)[0]
		catchUp()
		ear.expect("Subscribed", "History one", "History two", "History three", "History four")
		remembers(1)
		w.nodes[0].bus.put(&w.nodes[0].bus.log, logMessage(four, false))
		w.deliver(w.nodes...)
		ear.TellCursor()
		ear.expect()
		remembers(0)
	})
}

// A message that is spelled as it is written is not told again after a history,
// though a later one of its conversation has been queued meanwhile.
func TestAHistoryIsRememberedForWhatWaits(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.say("an answer")
		r := w.run.row
		w.store.commit(&parley.Event{Type: parley.MessageCreated, Conversation: talk(), Body: &parley.MessageBody{Message: parley.Message{
			ID: r.Message, Sender: "agent", Content: w.run.text, Run: &parley.RunRef{ID: r.ID, Status: parley.RunCompleted, After: r.After},
		}}})
		ear := w.attach(nil)
		sub := toTalk()
		err := ear.SubscribeWithHistory(&sub, parley.Subscribed{Request: sub}, func() ([]parley.Message, error) {
			return w.store.messages[talk()], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ear.expect("Subscribed", "History an answer", "start", "delta 0 an answer")
		w.relay()
		w.post("more")
		ear.expect("3 message.created more")
		w.store.with(func() { w.store.runs[r.ID].Status = parley.RunCompleted })
	})
}

// A history that takes many writes is whole before the first event.
func TestNoEventBeforeTheEndOfALongHistory(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.nodes[0].hub.sizes.soft, w.nodes[0].hub.sizes.owed = 10, 40
		ear := w.attach(nil)
		sub := toTalk()
		err := ear.SubscribeWithHistory(&sub, parley.Subscribed{Request: sub}, func() ([]parley.Message, error) {
			w.post("one", "two", "three")
			return w.store.messages[talk()], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.post("four")
		ear.expect("Subscribed", "History one", "History two", "History three", "5 message.created four")
	})
}

func TestAHistoryThatFailsLosesNothing(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(nil)
		sub := toTalk()
		err := ear.SubscribeWithHistory(&sub, parley.Subscribed{Request: sub}, func() ([]parley.Message, error) {
			w.post("one")
			return nil, parley.ErrUnavailable
		})
		if err != parley.ErrUnavailable {
			t.Errorf("the error is %v", err)
		}
		ear.expect("Subscribed", "2 message.created one")
	})
}

func TestRefreshChangesWhatIsHeard(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ear := w.attach(func(c *ListenerConfig) { c.Principal, c.Interest.Channels = user("eve"), []string{"conversation"} })
		pattern, _ := parley.ParsePattern("events.org_test.conversations.*.*.*")
		ear.Subscribe(&parley.Subscribe{Ref: "all", Interest: parley.Interest{Patterns: []parley.Pattern{pattern}}}, nil)
		w.post("a")
		ear.Refresh(user("eve", parley.ScopeOrgRead))
		w.post("b")
		less := user("eve")
		less.Scopes = parley.NewScopes()
		ear.Refresh(less)
		w.post("c")
		ear.expect("3 message.created b")
	})
}

// Who is named by an event of a channel needs the channel's scope still: when it
// is told, not only when it subscribed.
func TestTargetsNeedTheScopeOfTheChannel(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		pattern, err := parley.ParsePattern("events.org_test.*.*.*.*")
		if err != nil {
			t.Fatal(err)
		}
		ada := w.attach(func(c *ListenerConfig) { c.Interest.Patterns = []parley.Pattern{pattern} })
		remember := func() {
			w.store.commit(&parley.Event{
				Type: parley.MemoryCreated, Channel: parley.ChannelMemory, Targets: []parley.PrincipalID{"ada"},
				Body: &parley.PublishedBody{Data: []byte("{}")},
			})
			w.relay()
		}
		remember()
		ada.expect("2 memory.created {}")
		fewer := user("ada")
		fewer.Scopes = parley.NewScopes(parley.ScopeEventsSubscribe)
		ada.Refresh(fewer)
		remember()
		ada.expect()
	})
}

func TestGiveUpGoesOnAtNow(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.post("missed")
		ear := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada"))
		if !ear.Held() {
			t.Error("a cursor was named: output is held")
		}
		ear.GiveUp()
		ear.subscribe()
		w.post("heard")
		ear.expect("Subscribed at 2", "3 message.created heard")
	})
}

func TestTellCursor(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		tell := func(e *ear) *ear { e.TellCursor(); synctest.Wait(); return e }
		named := w.attach(resuming("", "topics", "ada"))
		silent := w.attach(nil)
		tell(named).expect()
		w.post("of no concern")
		tell(silent).expect()
		tell(named).expect("CursorMoved at 2")
		tell(named).expect()
		named.subscribe().expect("Subscribed at 2")
		w.post("of concern")
		named.expect("3 message.created of concern")
		tell(named).expect()
	})
}

func TestResumeFromWhatIsNoLongerKept(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.post("gone", "kept")
		w.store.with(func() {
			w.store.trimmed = 2
			clear(w.store.log[:2])
		})
		w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada")).resume().
			expect("Subscribed at 1", "Reload events are no longer kept")
		// Nothing that concerned eve is gone.
		w.attach(resuming(w.store.at[0].Cursor(), "topics", "eve")).resume().
			expect("Subscribed at 1", "CursorMoved at 3")
	})
}

// A page that is being read when the listener is told to reload is not told, even
// if it has fallen behind again by then.
func TestAPageOfAnEarlierTurnIsNotTold(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t, func(l *parley.Limits) { l.QueueFrames, l.RingEvents = 1, 1 })
		w.post("old 1", "old 2", "old 3")
		ear := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada")).resume()
		reads := 0
		onRead := func(ctx context.Context) {
			if ctx.Value(duringNext{}) == nil {
				return
			}
			if reads++; reads == 3 { // the page is read, its members are not
				w.store.restore(1)
				time.Sleep(aWhile)
				w.post("new 1", "new 2", "new 3")
			}
		}
		w.store.with(func() { w.store.onRead = onRead })
		ear.woken.Store(false)
		for _, want := range []string{"Subscribed at 1", "Reload the log was restored"} {
			data, _, err := ear.Next(context.WithValue(t.Context(), duringNext{}, true), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := readLines(t, data); len(got) != 1 || got[0].short() != want {
				t.Errorf("it is told %q, want %s", data, want)
			}
		}
		if reads < 3 {
			t.Error("no page was read")
		}
		ear.more = true
		ear.expect("2 message.created new 1", "3 message.created new 2", "4 message.created new 3")
	})
}

func TestCommandsAfterDetachLeaveNothingBehind(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		stays := w.attach(nil)
		ear := w.attach(func(c *ListenerConfig) { c.Interest.Channels = []string{"app"} })
		ear.Detach()
		ear.Detach()
		ear.subscribe()
		ear.resume()
		ear.Refresh(user("ada", parley.ScopeAdmin))
		un := parley.Unsubscribe{}
		ear.Unsubscribe(&un, parley.Unsubscribed{})
		ear.GiveUp()
		ear.TellCursor()
		ear.Say(parley.Pong{})
		ear.expect()
		stays.feed.do(func() {
			f := stays.feed
			if len(f.present) != 1 || len(f.present[0].listeners) != 1 || f.groups.size() != 0 || len(f.readers) != 0 || len(f.ahead) != 0 {
				t.Errorf("the feed keeps %d persons, %d groups, %d readers, %d ahead", len(f.present), f.groups.size(), len(f.readers), len(f.ahead))
			}
		})
	})
}

// The log may be trimmed at any moment, between two reads of a page too: what is
// no longer there is never passed over in silence (P3).
func TestAPageThatIsTrimmedWhileItIsRead(t *testing.T) {
	for trimBefore := 1; trimBefore <= 2; trimBefore++ {
		within(t, func(t *testing.T) {
			w := newWorld(t, func(l *parley.Limits) { l.RingEvents = 1 })
			w.attach(nil)
			w.post("a", "b", "c", "d", "e", "f")
			back := w.attach(resuming(w.store.at[1].Cursor(), "topics", "ada"))
			reads := 0
			w.store.with(func() {
				w.store.onRead = func(context.Context) {
					if reads++; reads == trimBefore {
						w.store.trim(4)
					}
				}
			})
			back.Resume([]parley.Subscribe{toTalk()}, nil)
			back.expect("Reload events are no longer kept")
		})
	}
}
