package hub

import (
	"context"

	parley "github.com/parley-chat/parley"
)

// Next appends to dst whole frames that the client is owed, and reports whether
// there may be more at once. It blocks on the store only while the listener is
// behind. An error (parley.ErrUnavailable) means that what is owed cannot be read
// now: the caller comes back after a pause. Called by one goroutine at a time.
func (l *Listener) Next(ctx context.Context, dst []byte) (frames []byte, more bool, err error) {
	l.mu.Lock()
	dst = l.drain(dst, &l.replies)
	if len(l.replies) > 0 {
		// A history may be long. No event comes before all of it: its cursor would say
		// that the rest was told.
		l.mu.Unlock()
		return dst, true, nil
	}
	switch l.state {
	case live:
		dst = l.drain(dst, &l.queue)
		more = len(l.queue) > 0
		l.mu.Unlock()
		return dst, more, nil
	case behind:
		at, turn := l.at, l.turn
		l.mu.Unlock()
		return l.nextPage(ctx, dst, at, turn)
	}
	l.mu.Unlock()
	return dst, false, nil
}

// drain hands over what a list owes, up to about a soft bound of bytes. Under mu.
func (l *Listener) drain(dst []byte, list *[]item) []byte {
	n := 0
	for n < len(*list) && len(dst) < l.hub.sizes.soft {
		if n += l.merge((*list)[n:]); n < len(*list) {
			dst = l.spell(dst, &(*list)[n])
			n++
		}
	}
	rest := copy(*list, (*list)[n:])
	clear((*list)[rest:])
	*list = (*list)[:rest]
	if rest == 0 && cap(*list) > keptItems {
		*list = nil // who is idle again keeps no room for what it was owed
	}
	return dst
}

// keptItems is how long a queue may be that an idle listener keeps.
const keptItems = 4

// merge returns how many of the deltas at the head of a list may be passed over,
// because another of the same run follows at once and can be told from where the
// listener is: text that waited goes out as one piece.
func (l *Listener) merge(list []item) int {
	n := 0
	for n+1 < len(list) && sameRun(&list[n], &list[n+1]) {
		n++
	}
	return n
}

func sameRun(a, b *item) bool {
	if a.entry == nil || b.entry == nil || a.entry.run == nil || a.entry.run != b.entry.run {
		return false
	}
	return a.entry.event.Type == parley.StreamDelta && b.entry.event.Type == parley.StreamDelta
}
