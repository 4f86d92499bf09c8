package hub

import (
	"context"
	"time"

	parley "github.com/parley-chat/parley"
)

// listeningWait is how long Listening waits for the feed and for the store.
const listeningWait = 100 * time.Millisecond

// inWait is how long In waits, before the store is asked instead.
const inWait = loadTimeout

// Listening counts the distinct principals connected to this node that would
// hear e now (contracts.md C3: approximate on a cluster). Where that cannot be
// said within 100 ms, because the store has to be asked for the members of e's
// conversation, it is 0.
func (h *Hub) Listening(org parley.OrgID, e *parley.Event) int {
	h.mu.Lock()
	f := h.feeds[org]
	h.mu.Unlock()
	if f == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(f.ctx, listeningWait)
	defer cancel()
	count := make(chan int, 1)
	select {
	case f.mailbox <- func() { f.listening(e, func(n int) { count <- n }) }:
	case <-ctx.Done():
		return 0
	}
	select {
	case n := <-count:
		return n
	case <-ctx.Done():
		return 0
	}
}

// listening says who would hear an event, once its conversation is known.
func (f *feed) listening(e *parley.Event, say func(int)) {
	if m := f.peek(e.Conversation); m != nil || e.Conversation.IsZero() {
		say(f.hearers(e, m))
		return
	}
	ld := f.load(e.Conversation, true)
	ld.then = append(ld.then, func(error) { say(f.hearers(e, f.peek(e.Conversation))) })
}

// hearers counts the distinct principals that hear an event.
func (f *feed) hearers(e *parley.Event, m *members) (n int) {
	f.resolve(&entry{event: e}, m, func(l *Listener, _ parley.View) {
		if l.person.serial != f.serial {
			l.person.serial = f.serial
			n++
		}
	})
	return n
}

// In reports whether the feed knows that the listener's principal is in a
// conversation, or with past set that it was. False says nothing: the conversation
// may not be in memory, or a join not applied yet; the store knows. The second who
// asks for a conversation that is not in memory has it read, and waits for that. Not
// to be called by a Writer.
func (l *Listener) In(ctx context.Context, id parley.ConversationID, past bool) bool {
	f := l.feed
	answer := make(chan bool, 1)
	if !f.post(func() {
		say := func() { answer <- l.isIn(id, past) }
		if f.peek(id) != nil || !f.askedBefore(id) {
			say()
			return
		}
		ld := f.load(id, true)
		ld.then = append(ld.then, func(error) { say() })
	}) {
		return false
	}
	late := time.NewTimer(inWait) // a log that is restored takes what is being read with it
	defer late.Stop()
	select {
	case in := <-answer:
		return in
	case <-late.C:
	case <-ctx.Done():
	case <-f.done:
	}
	return false
}

// isIn is In for what is in memory. On the loop.
func (l *Listener) isIn(id parley.ConversationID, past bool) bool {
	m := l.feed.peek(id)
	if m == nil {
		return false
	}
	i := m.lastOf(l.person)
	return i >= 0 && (past || m.stays[i].to == 0)
}

// maxAsked bounds the conversations that a feed remembers to have been asked for.
const maxAsked = 4096

// askedBefore notes that somebody asks for a conversation, and reports whether that
// was not the first time. When all the members of a large one come back, each
// reading of its members would be as long as it is large; one who comes alone to
// thousands needs none of them in memory. On the loop.
func (f *feed) askedBefore(id parley.ConversationID) bool {
	if f.asked[id] {
		delete(f.asked, id) // it is in memory from now on
		return true
	}
	if len(f.asked) >= maxAsked {
		f.asked = nil
	}
	f.asked = including(f.asked, id)
	return false
}
