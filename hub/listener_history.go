package hub

import (
	"context"

	parley "github.com/parley-chat/parley"
)

// history is what a listener was told as history of one conversation.
type history struct {
	seqs seqs
	// end is an offset by which all of it has come in the log; zero where that could
	// not be said.
	end uint64
}

// SubscribeWithHistory adds an interest in one conversation, with its messages
// after sub.AfterSeq told first: history reads them, ascending, and what it
// returned is not told again. It runs off the feed's loop, after the interest
// holds, so that nothing falls between history and what is live.
func (l *Listener) SubscribeWithHistory(sub *parley.Subscribe, ack parley.Reply, history func() ([]parley.Message, error)) error {
	id := sub.Interest.Conversations[0]
	l.feed.do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.want(sub.Ref, &sub.Interest, l.feed.applied.Offset)
		l.forget()
		l.state = waiting
		l.say(item{what: ack, at: l.at})
		l.signal()
	})
	messages, err := history()
	var end uint64
	if len(messages) > 0 {
		end = l.endOf(id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != waiting {
		return err
	}
	l.skipHistory(id, messages, end)
	for i := range messages {
		l.say(item{what: parley.History{Message: &messages[i]}})
	}
	l.state = behind
	l.signalNow()
	return err
}

// endOf returns the offset of the conversation's last event; zero where that is
// not known, or events that are stored have no Position yet.
func (l *Listener) endOf(id parley.ConversationID) uint64 {
	ctx, cancel := context.WithTimeout(l.feed.ctx, loadTimeout)
	defer cancel()
	store := l.feed.h.cfg.Store
	c, err := store.Conversation(ctx, l.feed.org, id)
	if err != nil {
		return 0
	}
	last, err := store.LastOffset(ctx, l.feed.org, parley.ConversationKey(id))
	if err != nil || last == 0 {
		return 0
	}
	events, err := store.ReadLog(ctx, l.feed.org, last-1, last, 1)
	if err != nil || len(events) == 0 || events[0].ChangeSeq < c.ChangeSeq {
		return 0
	}
	return last
}

// skipHistory notes messages that are not to be told again. Under mu.
func (l *Listener) skipHistory(id parley.ConversationID, messages []parley.Message, end uint64) {
	if len(messages) == 0 {
		return
	}
	p := l.remembers()
	if p.skip == nil {
		p.skip = map[parley.ConversationID]history{}
	}
	p.skip[id] = history{p.skip[id].seqs.with(messages), end}
	l.forgetHistory()
}

// forgetHistory lets go of the histories that the listener's place has passed:
// nothing of them can come again. Under mu.
func (l *Listener) forgetHistory() {
	if l.past == nil {
		return
	}
	for id, h := range l.past.skip {
		if h.end != 0 && h.end <= l.at.Offset {
			delete(l.past.skip, id)
		}
	}
}
