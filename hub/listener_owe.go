package hub

import (
	"bytes"
	"slices"

	parley "github.com/parley-chat/parley"
)

// offer gives a live listener an entry if it is to hear it. On the loop.
func (l *Listener) offer(en *entry, m *members) {
	v := l.heard(en, m)
	if !v.told {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != live || en.event.Class == parley.Durable && en.event.Position.Offset <= l.at.Offset {
		return
	}
	if len(l.queue) >= l.hub.cfg.Limits.QueueFrames {
		l.hub.FellBehind.Add(1)
		l.forget()
		l.state = behind
		l.signal()
		return
	}
	l.push(item{entry: en, view: v.view})
	l.signal()
}

// forget lets go of what is owed but replies: it will be read again from the
// listener's place. Under mu.
func (l *Listener) forget() {
	l.turn++
	for _, it := range l.queue {
		if it.reply != nil {
			it.at = parley.Position{}
			l.replies = append(l.replies, it)
		}
	}
	l.queue = nil
}

// hears lists the open runs that the listener is to hear now, in the order of
// their ids. On the loop, without mu.
func (l *Listener) hears() []*run {
	var runs []*run
	for _, r := range l.feed.runs {
		if m := l.feed.begun(r); m != nil && l.heard(r.opening, m).told {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b *run) int { x, y := a.id(), b.id(); return bytes.Compare(x[:], y[:]) })
	return runs
}

// oweRuns owes a live listener the beginning and text of the open runs that it
// hears and was not told of yet. On the loop, without mu.
func (l *Listener) oweRuns() {
	if len(l.feed.runs) == 0 {
		return
	}
	runs := l.hears()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != live {
		return
	}
	for _, r := range runs {
		text, _ := r.known()
		if n, begun := l.runs[r.id()]; !begun || n < len(text) {
			l.push(item{run: r, upTo: len(text)})
			l.signal()
		}
	}
}

// reload tells the listener that something is gone for good, and goes on at
// head. On the loop.
func (l *Listener) reload(head parley.Position, reason string) {
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == gone {
		return
	}
	l.hub.Reloads.Add(1)
	l.forget()
	if l.state == behind || l.state == live {
		l.goLive()
	}
	l.at, l.told, l.hasResumed = head, head, false
	clear(l.runs)
	clear(l.unended)
	clear(l.answered)
	clear(l.skip)
	l.push(item{reply: l.reloadReply(reason), at: head})
	l.signal()
}

func (l *Listener) reloadReply(reason string) parley.Reply {
	r := parley.Reload{Time: l.hub.cfg.Now(), Reason: reason}
	l.imu.RLock()
	defer l.imu.RUnlock()
	for id := range l.interests.conversations {
		r.Subscriptions = append(r.Subscriptions, id)
	}
	return r
}

// push owes an item. Under mu.
func (l *Listener) push(it item) {
	switch l.state {
	case gone:
	case live:
		l.queue = append(l.queue, it)
	default:
		it.at = parley.Position{}
		l.replies = append(l.replies, it)
	}
}

// signal wakes the writer. Under mu.
func (l *Listener) signal() {
	if l.state != gone && l.wake != nil {
		l.wake()
	}
}
