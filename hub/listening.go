package hub

import (
	"context"
	"time"

	parley "github.com/parley-chat/parley"
)

// listeningWait is how long Listening waits for the feed and for the store.
const listeningWait = 100 * time.Millisecond

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
// may not be in memory, or a join not applied yet; the store knows. Not to be
// called by a Writer.
func (l *Listener) In(id parley.ConversationID, past bool) (in bool) {
	l.feed.do(func() {
		if m := l.feed.peek(id); m != nil {
			i := m.lastOf(l.person)
			in = i >= 0 && (past || m.stays[i].to == 0)
		}
	})
	return in
}
