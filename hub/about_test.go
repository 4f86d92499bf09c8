package hub

import (
	"testing"

	parley "github.com/parley-chat/parley"
)

// Who joined later is not told what becomes of messages that it may not see, live or
// in replay; who came back is told of those of its stays; and a role that hears what
// is internal tells nothing of what was internal before it.
func TestChangesOfMessagesThatOneMayNotSeeAreNotTold(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				changed := func(seq uint64, text string, internal bool) *parley.Event {
					e := said(text)
					e.Type, e.Internal = parley.MessageUpdated, internal
					e.Body.(*parley.MessageBody).Seq = seq
					return e
				}
				reaction := func(seq uint64) *parley.Event {
					e := reacted("ada")
					e.Body.(*parley.ReactionBody).Seq = seq
					return e
				}
				span := func(e *parley.Event, from, to uint64) *parley.Event {
					b := e.Body.(*parley.MemberBody)
					b.FromSeq, b.ToSeq = from, to
					return e
				}
				w.tell(span(joined("cyd"), 3, 0))
				cyd := w.attach(func(c *ListenerConfig) { c.Principal = user("cyd") }).subscribe()
				w.tell(
					changed(2, "before", false), reaction(2), changed(3, "seen", false), reaction(3),
					span(left("cyd"), 0, 4), span(joined("cyd"), 7, 0),
					changed(4, "of the first stay", false), changed(5, "between", false), changed(7, "of the second", false),
					span(became("cyd", parley.RoleAdmin), 9, 8),
					changed(8, "a member's secret", true), changed(8, "open", false), changed(9, "an admin's secret", true),
				)
				told := []string{
					"5 message.updated seen", "6 reaction.changed", "7 member.left", "8 member.joined",
					"9 message.updated of the first stay", "11 message.updated of the second", "12 member.updated",
					"14 message.updated open", "15 message.updated an admin's secret",
				}
				cyd.expect(append([]string{"Subscribed"}, told...)...)
				w.attach(resuming(w.store.at[1].Cursor(), "topics", "cyd")).resume().expect(append([]string{"Subscribed at 2"}, told...)...)
			})
		})
	}
}

// Who deleted a message for itself is not told what becomes of it, live or in replay;
// all others are.
func TestChangesOfWhatOneHidFromOneselfAreNotTold(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				edited := said("again")
				edited.Type = parley.MessageUpdated
				edited.Body.(*parley.MessageBody).Seq = 1
				edited.Body.(*parley.MessageBody).HiddenFrom = []parley.PrincipalID{"bob", "dan"}
				reaction := reacted("ada")
				reaction.Body.(*parley.ReactionBody).HiddenFrom = []parley.PrincipalID{"ada", "bob"}
				w.tell(said("first"))
				at := w.store.at[len(w.store.at)-1].Cursor()
				bob, ada := w.attach(func(c *ListenerConfig) { c.Principal = user("bob") }).subscribe(), w.attach(nil).subscribe()
				w.tell(edited, reaction, said("last"))
				bob.expect("Subscribed", "5 message.created last")
				ada.expect("Subscribed", "3 message.updated again", "5 message.created last")
				w.attach(resuming(at, "topics", "bob")).resume().expect("Subscribed at 2", "5 message.created last")
			})
		})
	}
}
