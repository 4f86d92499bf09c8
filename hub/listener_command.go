package hub

import (
	"bytes"
	"slices"

	parley "github.com/parley-chat/parley"
)

// Refresh takes over a refreshed token's principal: same subject and org.
func (l *Listener) Refresh(p *parley.Principal) {
	l.feed.do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.is(p)
		l.index()
	})
}

// Held reports whether the listener waits for Resume.
func (l *Listener) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == held
}

// Resume gives a held listener all its interests and lets the replay begin; acks
// go out before it. On a listener that is not held it is a Subscribe.
func (l *Listener) Resume(subs []parley.Subscribe, acks []parley.Reply) {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		since := l.feed.applied.Offset
		if l.state == held {
			since = l.at.Offset
		}
		for i := range subs {
			l.want(subs[i].Ref, &subs[i].Interest, since)
		}
		l.index()
		for _, r := range acks {
			l.say(item{what: r, at: l.feed.applied})
		}
		if l.state == held {
			l.state = behind
			l.refill()
		}
		l.signal()
	})
}

// GiveUp lets a held listener go on at now: it did not resume.
func (l *Listener) GiveUp() {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state != held {
			return
		}
		l.hasResumed = false
		if l.at.Offset > l.feed.applied.Offset {
			l.state = behind // what comes until its feed is there it has heard elsewhere
		} else {
			l.at, l.read = l.feed.applied, l.feed.applied
			l.goLive()
		}
		l.signal()
	})
}

// goLive makes the listener live, with the replies that it is owed first. On the
// loop, under mu.
func (l *Listener) goLive() {
	l.state = live
	l.turn++
	if len(l.replies) > 0 {
		l.queue, l.replies = append(l.replies, l.queue...), nil
	}
	l.forgetHistory()
}

// Subscribe adds an interest that holds from now on; ack, where not nil, goes out
// before the first event it brings.
func (l *Listener) Subscribe(sub *parley.Subscribe, ack parley.Reply) {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.want(sub.Ref, &sub.Interest, l.feed.applied.Offset)
		l.index()
		if ack != nil {
			l.say(item{what: ack, at: l.feed.applied})
		}
		l.signal()
	})
}

// Unsubscribe takes an interest back; ack goes out after what was owed before.
func (l *Listener) Unsubscribe(un *parley.Unsubscribe, ack parley.Reply) {
	l.feed.do(func() {
		l.mu.Lock()
		if l.state == gone {
			l.mu.Unlock()
			return
		}
		l.unwant(un.Ref, &un.Interest)
		l.index()
		l.mu.Unlock()
		hears := l.hears()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forgetRuns(hears)
		l.say(item{what: ack, at: l.at})
		l.signal()
	})
}

// forgetRuns lets go of the open runs that the listener does not hear: should it
// ask again, it is told them from their beginning. On the loop, under mu.
func (l *Listener) forgetRuns(hears []*run) {
	for _, r := range l.feed.runs {
		if r.unknown || slices.Contains(hears, r) {
			continue
		}
		if l.state == live { // after what is owed of it
			l.push(item{what: &owedRun{r, forgotten}})
		} else {
			delete(l.runs, r.id())
		}
	}
}

// Interests is how many things the listener asks for.
func (l *Listener) Interests() int {
	l.imu.RLock()
	defer l.imu.RUnlock()
	return l.interests.size()
}

// Names reports whether the listener named the conversation.
func (l *Listener) Names(id parley.ConversationID) bool {
	l.imu.RLock()
	defer l.imu.RUnlock()
	return l.interests.seat(name{kind: conversationName, id: id}) != nil
}

// Say owes the client a reply, after what it is owed already.
func (l *Listener) Say(r parley.Reply) {
	l.mu.Lock()
	l.say(item{what: r, at: l.at})
	l.signalNow()
	l.mu.Unlock()
}

// TellCursor owes the client its cursor where that moved without anything to
// hear. The Conn calls it at most every Limits.CursorInterval.
func (l *Listener) TellCursor() {
	l.feed.post(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		defer l.forgetHistory()
		l.forgetEnded()
		if l.state != live || len(l.queue) > 0 || l.unended() || l.feed.applied.Offset <= l.at.Offset {
			return
		}
		// All up to here was told or does not concern it: should it fall behind, it
		// needs not read that again.
		l.at = l.feed.applied
		for id := range l.runs {
			if l.feed.runs[id] == nil {
				delete(l.runs, id) // ended, where it could not hear it
			}
		}
		if l.tellCursors && l.at != l.told {
			l.push(item{what: moved{}, at: l.at})
			l.signal()
		}
	})
}

// forgetEnded lets go of runs whose end was owed to a live listener that has nothing
// to come, and that was kept from it: its token no longer lets it hear it. On the loop,
// under mu.
func (l *Listener) forgetEnded() {
	if l.state != live || len(l.queue) > 0 || l.past == nil {
		return
	}
	for id := range l.past.unended {
		if _, over := l.feed.ended[id]; over {
			delete(l.past.unended, id)
		}
	}
}

// hears lists the open runs that the listener is to hear now, in the order of
// their ids. On the loop, without mu.
func (l *Listener) hears() []*run {
	var runs []*run
	for _, r := range l.feed.runs {
		if m := l.feed.begun(r); m != nil {
			st := m.standingOf(l.person, r.start)
			if _, told := l.heard(r.opening, &st); told {
				runs = append(runs, r)
			}
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
			l.push(item{what: &owedRun{r, len(text)}})
			l.signal()
		}
	}
}
