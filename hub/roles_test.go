package hub

import (
	"testing"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/chat"
)

func became(who parley.PrincipalID, role parley.Role) *parley.Event {
	return &parley.Event{Type: parley.MemberUpdated, Conversation: talk(), Body: &parley.MemberBody{Principal: who, Role: role}}
}

// What a role lets one hear holds from its change on, live and in replay: neither what
// was internal before it, nor what is internal after it was taken away.
func TestARoleHoldsFromItsChangeOn(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				bob := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe()
				secret := func(text string) *parley.Event {
					e := said(text)
					e.Internal = true
					return e
				}
				w.tell(secret("one"), became("bob", parley.RoleAdmin), secret("two"), became("bob", parley.RoleMember), secret("three"), said("four"))
				told := []string{"3 member.updated", "4 message.created two", "5 member.updated", "7 message.created four"}
				bob.expect(append([]string{"Subscribed"}, told...)...)
				w.attach(resuming(w.store.at[0].Cursor(), "topics", "bob")).resume().expect(append([]string{"Subscribed at 1"}, told...)...)
				w.tell(left("bob"), said("five"))
				bob.expect("8 member.left")
			})
		})
	}
}

// Who has another role is still here for what is not stored, and is told it once.
func TestARoleChangesNothingForWhatIsNotStored(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		ada := w.attach(nil).subscribe()
		w.tell(became("ada", parley.RoleMember))
		w.typing(talk())
		ada.expect("Subscribed", "2 member.updated", "typing.started bob")
		w.attach(nil).subscribe().expect("Subscribed")
	})
}

// What concerns one principal alone reaches all its connections, and those that were
// away: by what they asked for, on surfaces that tell nothing unasked.
func TestFactsOfOnesOwn(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				pattern, err := parley.ParsePattern("events.org_test.conversations.*.*.*")
				if err != nil {
					t.Fatal(err)
				}
				sub := parley.Subscribe{Ref: "r", Interest: parley.Interest{Patterns: []parley.Pattern{pattern}}}
				attach := func(who parley.PrincipalID) *ear {
					return w.attach(func(c *ListenerConfig) { c.Principal, c.Interest = user(who), sub.Interest })
				}
				ada, phone, bob := attach("ada"), attach("ada"), attach("bob")
				w.tell(own("ada", parley.MemberMuted, &parley.MemberStateBody{Conversation: talk()}),
					own("ada", parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: talk(), Principal: "ada", Read: 1}))
				ada.expect("2 member.muted", "3 receipt.updated")
				phone.expect("2 member.muted", "3 receipt.updated")
				bob.expect()
				later := w.attach(resuming(w.store.at[0].Cursor(), "topics", "ada"))
				later.Resume([]parley.Subscribe{sub}, nil)
				later.expect("2 member.muted", "3 receipt.updated")
				mute := w.attach(func(c *ListenerConfig) {
					c.Principal = &parley.Principal{Org: testOrg, ID: "ada", Scopes: parley.NewScopes(parley.ScopeEventsSubscribe)}
					c.Interest = sub.Interest
				})
				w.tell(own("ada", parley.MemberUnmuted, &parley.MemberStateBody{Conversation: talk()}))
				mute.expect() // it may not read conversations
			})
		})
	}
}

// A task is followed by its own id, and by that of its conversation.
func TestATaskIsFollowedByItsID(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := parley.TaskID(id[numbered](7)), parley.TaskID(id[numbered](8))
		sub := parley.Subscribe{Interest: parley.Interest{Tasks: []parley.TaskID{one}}}
		ada := w.attach(nil)
		ada.Subscribe(&sub, nil)
		all := w.attach(nil).subscribe()
		eve := w.attach(func(c *ListenerConfig) { c.Principal = user("eve") }) // is not in the conversation
		eve.Subscribe(&sub, nil)
		status := func(task parley.TaskID) *parley.Event {
			return &parley.Event{Type: parley.TaskStatusChanged, Conversation: talk(), Body: &parley.TaskBody{Task: task, Agent: "agent", Status: parley.TaskRunning}}
		}
		from := w.store.at[0].Cursor()
		w.tell(status(two), status(one))
		for _, task := range []parley.TaskID{one, two} {
			w.live(parley.TaskStreamed, &parley.TaskDeltaBody{Task: task, Agent: "agent", Text: "text"})
		}
		ada.expect("3 task.status_changed", "task.streamed")
		all.expect("Subscribed", "2 task.status_changed", "3 task.status_changed", "task.streamed", "task.streamed")
		eve.expect()
		later := w.attach(resuming(from, "topics", "ada"))
		later.Resume([]parley.Subscribe{sub}, nil)
		later.expect("3 task.status_changed")
		un := parley.Unsubscribe{Interest: sub.Interest}
		ada.Unsubscribe(&un, parley.Unsubscribed{Request: un})
		w.tell(status(one))
		ada.expect("Unsubscribed")
		if n := ada.Interests(); n != 0 {
			t.Errorf("%d interests are left", n)
		}
		w.tell(blocked("ada", "agent"), status(one))
		all.expect("4 task.status_changed")
	})
}

// On the chat surface a socket that asked for nothing hears what is its own, that a call
// rings and what becomes of it, unless whom it blocks rings; one that asked hears it once.
func TestTheChatSurfaceRingsUnasked(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.nodes[0]
		n.hub.Close()
		n.hub = New(Config{Store: w.store, Bus: n.bus, Limits: parley.DefaultLimits(), Frame: frameLine, Dialects: []parley.Dialect{chat.New()}})
		t.Cleanup(n.hub.Close)
		attach := func(who parley.PrincipalID) func() int {
			e := w.attach(func(c *ListenerConfig) { c.Principal, c.Dialect = user(who), "chat" })
			if who == "ada" {
				s := toTalk()
				e.Subscribe(&s, nil)
			}
			return func() (lines int) {
				for e.woken.Swap(false) {
					data, _, err := e.Next(t.Context(), nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, b := range data {
						if b == '\n' {
							lines++
						}
					}
				}
				return lines
			}
		}
		asked, unasked, stranger := attach("ada"), attach("bob"), attach("eve")
		call := func(t parley.EventType) *parley.Event {
			return &parley.Event{Type: t, Conversation: talk(), Body: &parley.CallBody{Room: "r", Kind: "audio", Initiator: "ada"}}
		}
		for _, tc := range []struct {
			event                    *parley.Event
			asked, unasked, stranger int
		}{
			{call(parley.CallStarted), 1, 1, 0},
			{call(parley.CallAnswered), 1, 1, 0},
			{call(parley.CallEnded), 1, 1, 0},
			{reacted("ada"), 1, 0, 0},
			{own("bob", parley.MemberMuted, &parley.MemberStateBody{Conversation: talk()}), 0, 1, 0},
			{blocked("bob", "ada"), 0, 1, 0},
			{call(parley.CallStarted), 1, 0, 0},
			{call(parley.CallEnded), 1, 0, 0},
		} {
			w.tell(tc.event)
			if a, u, s := asked(), unasked(), stranger(); a != tc.asked || u != tc.unasked || s != tc.stranger {
				t.Errorf("%s: who asked hears %d frames, who did not %d, a stranger %d", tc.event.Type, a, u, s)
			}
		}
	})
}
