package hub

import (
	"testing"

	parley "github.com/parley-chat/parley"
)

// rewrite keeps what fn leaves of the log's events, as a deletion does.
func (s *memStore) rewrite(fn func(*parley.Event) *parley.Event) {
	s.with(func() {
		for i, e := range s.log {
			if e != nil {
				s.log[i] = fn(e)
			}
		}
	})
}

// remove deletes the message for everyone that was said at an offset.
func (w *world) remove(offset int) {
	b := *w.store.log[offset-1].Body.(*parley.MessageBody)
	w.store.rewrite(func(e *parley.Event) *parley.Event { return parley.ForgetMessage(e, b.ID) })
	b.Empty()
	w.tell(&parley.Event{Type: parley.MessageDeleted, Conversation: talk(), Body: &b})
}

// What was deleted is told to nobody who comes back, though its node heard it when it
// was said: in its place, once, stands what is left of it.
func TestWhatWasDeletedIsNotToldAgain(t *testing.T) {
	for name, ring := range map[string]int{"ring": 100, "store": 1} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				w := newWorld(t, func(l *parley.Limits) { l.RingEvents = ring })
				live := w.attach(nil).subscribe()
				secret, other := said("secret"), said("other")
				secret.Body.(*parley.MessageBody).ID = parley.MessageID{1: 1}
				other.Body.(*parley.MessageBody).ID = parley.MessageID{1: 2}
				w.tell(secret, other)
				w.remove(2)
				live.expect("Subscribed", "2 message.created secret", "3 message.created other", "4 message.deleted")
				for _, who := range []parley.PrincipalID{"ada", "bob"} {
					w.attach(resuming(w.store.at[0].Cursor(), "topics", who)).resume().
						expect("Subscribed at 1", "2 message.created", "3 message.created other", "4 message.deleted")
				}
			})
		})
	}
}

// A part of the log that was read before the deletion, and comes after it, does not
// bring the words back.
func TestWhatWasDeletedDoesNotComeBackWithWhatWasRead(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		missing(w, 2)
		node := w.nodes[1]
		w.attachTo(node, nil) // has the node follow the log
		feed := node.hub.feeds[testOrg]
		page, err := feed.readPast(1, w.store.at[3], 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		w.remove(3)
		for erased, want := range []bool{false, true} { // as many were erased when the reading began
			feed.do(func() {
				feed.reach.done = make(chan struct{})
				feed.gotPast(page, feed.ring.from, feed.restored, uint64(erased), nil)
				if got := feed.ring.reaches(2); got != want {
					t.Errorf("begun after %d deletions: what was read is in the ring: %v", erased, got)
				}
			})
		}
	})
}

// What names an erased user is forgotten wherever it was told; what others said stays.
func TestAnErasedUserIsForgotten(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.attach(nil) // has the node follow the log
		theirs := said("from bob")
		theirs.Body.(*parley.MessageBody).Sender = "bob"
		note := &parley.Event{Type: "note.made", Channel: "app", Actor: "ada", Body: &parley.PublishedBody{Data: parley.RawJSON(`{"secret":1}`)}}
		w.tell(said("secret"), theirs, note, &parley.Event{
			Type: parley.PrincipalErased, Channel: parley.ChannelConversation, Targets: []parley.PrincipalID{"ada"},
			Body: &parley.ErasedBody{Principal: "ada"},
		})
		w.attach(resuming(w.store.at[0].Cursor(), "topics", "bob")).resume().
			expect("Subscribed at 1", "2 message.created", "3 message.created from bob", "CursorMoved at 5")
	})
}

// Of messages that expired nobody who comes back is told the words, however they were
// told; younger ones stay.
func TestWhatExpiredIsForgotten(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		w.attach(nil) // has the node follow the log
		at := func(seq uint64, text string) *parley.Event {
			e := said(text)
			b := e.Body.(*parley.MessageBody)
			b.ID, b.Seq = parley.MessageID{1: byte(seq)}, seq
			return e
		}
		w.tell(at(1, "secret"), at(2, "secret"), at(3, "young"), &parley.Event{
			Type: parley.MessagesExpired, Conversation: talk(), Body: &parley.ExpiredBody{Conversation: talk(), From: 2, To: 2},
		})
		w.attach(resuming(w.store.at[0].Cursor(), "topics", "bob")).resume().
			expect("Subscribed at 1", "2 message.created", "3 message.created", "4 message.created young", "5 messages.expired")
	})
}
