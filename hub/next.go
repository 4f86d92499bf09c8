package hub

import (
	"context"
	"sync"

	parley "github.com/parley-chat/parley"
)

// Next appends to dst whole frames that the client is owed, and reports whether
// there may be more at once. With an empty dst it may return shared memory
// instead, so the caller may write what it gets to a socket and nothing else. It
// blocks while the listener is behind: on the feed, and on the store where the
// feed does not reach back. An error (parley.ErrUnavailable) means that what is
// owed cannot be read now: the caller comes back after a pause. Next and Ready are
// called by one goroutine at a time.
func (l *Listener) Next(ctx context.Context, dst []byte) (frames []byte, more bool, err error) {
	frames, more, wait := l.Ready(dst)
	if len(frames) > len(dst) || !wait {
		return frames, more || wait, nil
	}
	err = l.page(ctx)
	if err != nil {
		return frames, false, err
	}
	frames, more, wait = l.Ready(frames)
	return frames, more || wait, nil
}

// Ready is Next without what blocks. wait says that only Next can tell what comes
// next.
func (l *Listener) Ready(dst []byte) (frames []byte, more, wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered()
	dst = l.drain(dst, &l.replies)
	if len(l.replies) > 0 {
		// A history may be long. No event comes before all of it: its cursor would say
		// that the rest was told.
		return dst, true, false
	}
	if l.state != live && l.state != behind {
		return dst, false, false
	}
	if len(dst) == 0 && len(l.queue) > 0 && l.queue[0].what == nil && (len(l.queue) == 1 || len(l.queue[0].frames) >= l.feed.h.sizes.soft) {
		it := l.queue[0]
		l.took(&it)
		l.dequeue(&l.queue, 1)
		n := len(it.frames)
		return it.frames[:n:n], len(l.queue) > 0, l.waits() && len(l.queue) == 0
	}
	dst = l.drain(dst, &l.queue)
	more = len(l.queue) > 0
	return dst, more, !more && l.waits()
}

// waits reports whether only page can tell what comes next. Under mu.
func (l *Listener) waits() bool { return l.state == behind && !l.ahead }

// drain hands over what a list owes, up to about a soft bound of bytes. Under mu.
func (l *Listener) drain(dst []byte, list *[]item) []byte {
	n := 0
	for n < len(*list) && len(dst) < l.feed.h.sizes.soft {
		n += l.merge((*list)[n:])
		it := &(*list)[n]
		if it.what == nil {
			l.took(it)
			dst = append(dst, it.frames...)
		} else {
			dst = l.spell(dst, it)
		}
		n++
	}
	if n > 0 {
		l.dequeue(list, n)
	}
	return dst
}

// took notes that the frames of an item go out. Under mu.
func (l *Listener) took(it *item) {
	l.owed -= len(it.frames)
	if it.at.Offset != 0 {
		l.at = it.at
		l.told = it.at
		l.forgetHistory()
	}
}

// dequeue takes the first n items off a list. Under mu.
func (l *Listener) dequeue(list *[]item, n int) {
	rest := copy(*list, (*list)[n:])
	clear((*list)[rest:])
	*list = (*list)[:rest]
	if rest > 0 {
		return
	}
	// Who is idle again keeps no room for what it was owed.
	if cap(*list) == queueRoom {
		queueRooms.Put((*[queueRoom]item)((*list)[:queueRoom]))
	}
	*list = nil
}

// queueRoom is how many items a queue has room for at first.
const queueRoom = 4

var queueRooms = sync.Pool{New: func() any { return new([queueRoom]item) }}

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
	x, ok := a.what.(*shown)
	y, also := b.what.(*shown)
	if !ok || !also || x.run == nil || x.run != y.run {
		return false
	}
	return x.event.Type == parley.StreamDelta && y.event.Type == parley.StreamDelta
}
