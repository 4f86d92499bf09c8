package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	parley "github.com/parley-chat/parley"
)

// refill owes a listener that is behind what the feed's ring has for it after its
// place, and makes it live where that is all. It reports false where the ring does
// not have what comes next. On the loop, under mu.
func (l *Listener) refill() bool {
	f := l.feed
	for l.state == behind && !l.ahead {
		if len(l.queue) == 0 && l.read.Offset > l.at.Offset {
			l.at = l.read
		}
		switch {
		case l.read.Offset >= f.applied.Offset:
			l.flip()
			return true
		case !f.ring.reaches(l.read.Offset):
			return false
		case l.pageFull():
			return true
		}
		l.feed.h.Pages.Add(1)
		page, end := f.missed(l, l.read.Offset, l.feed.h.sizes.page)
		if end.Offset == 0 {
			return false
		}
		l.takeRecent(page, end)
	}
	return true
}

// pageFull reports whether a listener that is behind is owed as much as it may be
// at once. Under mu.
func (l *Listener) pageFull() bool {
	return len(l.queue) >= l.feed.h.sizes.page || l.owed >= l.feed.h.sizes.owed
}

// takeRecent owes what of a page of the ring the listener hears. On the loop,
// under mu.
func (l *Listener) takeRecent(page []*entry, end parley.Position) {
	f := l.feed
	var in *members // of the conversation that last holds for: most of a page is of few
	last := int32(-1)
	for _, en := range page {
		var st *standing
		if en.members != nil {
			if in != en.members {
				in, last = en.members, en.members.lastOf(l.person)
			}
			s := in.standingFrom(last, en.event)
			st = &s
		}
		if v, told := l.heard(en, st); told {
			l.takeEntry(en, v, &f.arenas[l.dialect][v])
		}
		if l.read = en.event.Position; l.pageFull() {
			return
		}
	}
	l.read = end
}

// takeEntry owes an entry of a page. Under mu; a as in entry.frame.
func (l *Listener) takeEntry(en *entry, v parley.View, a *arena) {
	switch {
	case !en.plain():
		l.push(item{what: &shown{en, v}})
	case l.skipped(en.event):
	default:
		if frame := en.frame(l.feed.h, a, l.dialect, v); len(frame) > 0 {
			l.feed.h.Deliveries.Add(1)
			l.push(item{frames: frame, at: en.event.Position})
		}
	}
}

// flip makes a listener that was given all that the feed applied live. One that is
// ahead of the feed, because its cursor is of another node, waits until the feed
// has come there. On the loop, under mu.
func (l *Listener) flip() {
	applied := l.feed.applied
	if l.read.Offset > applied.Offset {
		l.feed.ahead[l] = struct{}{}
		l.ahead = true
		return
	}
	l.goLive()
	if l.tellCursors {
		l.push(item{what: moved{}, at: applied})
	}
}

// page gives a listener that is behind what comes next: from the ring, or from
// the store.
func (l *Listener) page(ctx context.Context) error {
	f := l.feed
	var turn uint32
	var at, applied parley.Position
	var filled <-chan struct{}
	reached := false
	look := func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if reached = l.refill(); !reached && !f.ring.reaches(l.read.Offset) { // else what comes next is a stub
			filled = f.reachBack(l.read.Offset)
		}
		turn, at, applied = l.turn, l.read, f.applied
	}
	if !f.do(look) {
		return ErrClosed
	}
	if filled != nil { // once: what could not be had is read below
		f.await(filled)
		if !f.do(look) {
			return ErrClosed
		}
	}
	if reached {
		l.known = nil
		return nil
	}
	select {
	case l.feed.h.reads <- struct{}{}:
		defer func() { <-l.feed.h.reads }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", parley.ErrUnavailable, ctx.Err())
	}
	l.feed.h.Pages.Add(1)
	events, end, err := l.storePage(ctx, at, applied)
	if errors.Is(err, parley.ErrGone) {
		f.do(func() { l.lost(turn) })
		return nil
	}
	if err != nil {
		return err
	}
	return l.takePage(ctx, events, end, turn)
}

// lost tells a listener to reload whose next page is no longer kept. On the loop.
func (l *Listener) lost(turn uint32) {
	l.mu.Lock()
	still := l.state == behind && l.turn == turn
	l.mu.Unlock()
	if still {
		l.reload(l.feed.applied, "events are no longer kept")
	}
}

// storePage reads a page from the store; parley.ErrGone where a part of it is no
// longer kept.
func (l *Listener) storePage(ctx context.Context, at, applied parley.Position) ([]*parley.Event, parley.Position, error) {
	q := l.query()
	q.After, q.UpTo, q.Limit = at.Offset, applied.Offset, l.feed.h.sizes.page
	store := l.feed.h.cfg.Store
	events, completeTo, err := store.Replay(ctx, q)
	if err != nil {
		return nil, at, fmt.Errorf("read what a listener missed: %w", err)
	}
	// After the reading: what is trimmed from here on was read already, and what was
	// trimmed before is noticed now.
	if err := store.CheckCursor(ctx, q, at); err != nil {
		if errors.Is(err, parley.ErrCursor) {
			err = parley.ErrGone
		}
		return nil, at, fmt.Errorf("check the place of a listener: %w", err)
	}
	end := applied
	if completeTo < applied.Offset {
		if end, err = store.Locate(ctx, l.feed.org, completeTo); err != nil {
			return nil, at, fmt.Errorf("locate the end of a page: %w", err)
		}
	}
	return events, end, nil
}

// query names the log keys that concern the listener. All its conversations are
// among them: which of their facts are told without a subscription is the
// dialect's to say.
func (l *Listener) query() parley.ReplayQuery {
	who := l.who.Load()
	q := parley.ReplayQuery{Org: l.feed.org, Member: who.ID, Keys: []string{parley.PrincipalKey(who.ID)}, All: l.readsOrg(who.rights)}
	l.imu.RLock()
	defer l.imu.RUnlock()
	for _, s := range l.interests.named {
		c := s.group
		if c.kind == channelName && (c.text != parley.ChannelConversation || who.rights.has(reads)) {
			q.Keys = append(q.Keys, parley.ChannelKey(c.text))
		}
	}
	for _, s := range l.interests.patterns {
		channel, known := channelOf(s.group.pattern)
		q.All = q.All || !known
		q.Keys = append(q.Keys, parley.ChannelKey(channel))
	}
	return q
}

// channelOf returns the channel whose events a pattern can match besides those of
// conversations; false where it could be any.
func channelOf(p *parley.Pattern) (channel string, known bool) {
	const source = 1
	if p.Any[source] {
		return "", false
	}
	channel, _ = ChannelOf(p.Segments[source])
	return channel, true
}

// ChannelOf returns the channel of the events whose topics have this source, and
// whether they belong to conversations. The source of custom events is their
// channel.
func ChannelOf(source string) (channel string, ofConversations bool) {
	if spec, ok := sources()[source]; ok {
		return spec.Channel, spec.Scope == parley.ConversationScope
	}
	return source, false
}

// sources are the first types of event of each source: made once, because it is
// asked for every pattern of everybody who comes back.
var sources = sync.OnceValue(func() map[string]parley.EventSpec {
	first := map[string]parley.EventSpec{}
	for _, spec := range parley.EventSpecs() {
		if _, ok := first[spec.Topic.Source]; !ok {
			first[spec.Topic.Source] = spec
		}
	}
	return first
})

// takePage owes what the listener hears of a page that was read from the store,
// which goes up to end.
func (l *Listener) takePage(ctx context.Context, events []*parley.Event, end parley.Position, turn uint32) error {
	for _, e := range events {
		en := &entry{event: e}
		st, err := l.standingAt(ctx, e)
		if err != nil {
			return err
		}
		v, told := l.heard(en, st)
		if told && en.plain() {
			en.frame(l.feed.h, nil, l.dialect, v) // while nobody waits for mu
		}
		l.mu.Lock()
		if l.state != behind || l.turn != turn {
			l.mu.Unlock()
			return nil // detached, told to reload, or waiting for a history
		}
		if told {
			l.takeEntry(en, v, nil)
		}
		l.read = e.Position
		full := l.pageFull()
		l.mu.Unlock()
		if full {
			return nil
		}
	}
	l.mu.Lock()
	if l.state == behind && l.turn == turn && end.Offset >= l.read.Offset {
		l.read = end
	}
	l.mu.Unlock()
	return nil
}

// standingAt returns how the listener stands to an event's conversation, from a
// state of the store that includes the event; nil where it has none.
func (l *Listener) standingAt(ctx context.Context, e *parley.Event) (*standing, error) {
	if e.Conversation.IsZero() {
		return nil, nil
	}
	p := l.known[e.Conversation]
	if p == nil || p.through < e.ChangeSeq {
		read, err := readRoll(ctx, l.feed.h.cfg.Store, l.feed.org, e.Conversation)
		if err != nil {
			return nil, err
		}
		if l.known == nil || len(l.known) > 1024 {
			l.known = map[parley.ConversationID]*ownStays{}
		}
		p = read.of(l.who.Load().ID)
		l.known[e.Conversation] = p
	}
	st := p.standing(e)
	return &st, nil
}
