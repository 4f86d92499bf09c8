package hub

import (
	"context"
	"errors"
	"fmt"

	parley "github.com/parley-chat/parley"
)

// nextPage reads what comes after the listener's place, tells what concerns it,
// and moves on; at the feed's place it becomes live.
func (l *Listener) nextPage(ctx context.Context, dst []byte, at parley.Position, turn uint64) ([]byte, bool, error) {
	f := l.feed
	var page []*entry
	var end parley.Position
	var fromRing, more bool
	ok := f.do(func() {
		if end = f.applied; at.Offset >= end.Offset {
			more = l.flip(turn)
			return
		}
		page, fromRing = f.ringAfter(at.Offset, l.hub.sizes.page)
	})
	switch {
	case !ok:
		return dst, false, ErrClosed
	case at.Offset >= end.Offset:
		l.known = nil
		return dst, more, nil
	case fromRing && len(page) == l.hub.sizes.page:
		end = page[len(page)-1].event.Position
	}
	l.hub.Pages.Add(1)
	if !fromRing {
		var err error
		if page, end, err = l.storePage(ctx, at, end); errors.Is(err, parley.ErrGone) {
			f.do(func() { l.lost(turn) })
			return dst, true, nil
		} else if err != nil {
			return dst, false, err
		}
	}
	dst, err := l.tellPage(ctx, dst, page, end, turn)
	return dst, err == nil, err
}

// flip makes a listener that has all that the feed applied live, and owes it the
// open runs. One that is ahead of the feed, because its cursor is of another node,
// waits until the feed has come there. It reports whether there is something to
// do at once. On the loop.
func (l *Listener) flip(turn uint64) bool {
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != behind || l.turn != turn {
		return true
	}
	if l.at.Offset > l.feed.applied.Offset {
		l.feed.ahead[l] = struct{}{}
		return false
	}
	l.goLive()
	if l.tellCursors && l.at != l.told && len(l.unended) == 0 {
		l.push(item{reply: parley.CursorMoved{Time: l.hub.cfg.Now()}, at: l.at})
	}
	return true
}

// lost tells a listener to reload whose next page is no longer kept. On the loop.
func (l *Listener) lost(turn uint64) {
	l.mu.Lock()
	still := l.state == behind && l.turn == turn
	l.mu.Unlock()
	if still {
		l.reload(l.feed.applied, "events are no longer kept")
	}
}

// storePage reads a page from the store; parley.ErrGone where a part of it is no
// longer kept.
func (l *Listener) storePage(ctx context.Context, at, applied parley.Position) ([]*entry, parley.Position, error) {
	q := l.query()
	q.After, q.UpTo, q.Limit = at.Offset, applied.Offset, l.hub.sizes.page
	store := l.hub.cfg.Store
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
		if end, err = store.Locate(ctx, l.org, completeTo); err != nil {
			return nil, at, fmt.Errorf("locate the end of a page: %w", err)
		}
	}
	page := make([]*entry, len(events))
	for i, e := range events {
		page[i] = &entry{event: e}
	}
	return page, end, nil
}

// query names the log keys that concern the listener. All its conversations are
// among them: which of their facts are told without a subscription is the
// dialect's to say.
func (l *Listener) query() parley.ReplayQuery {
	who := l.who.Load()
	q := parley.ReplayQuery{Org: l.org, Member: who.ID, Keys: []string{parley.PrincipalKey(who.ID)}, All: l.readsOrg(who)}
	l.imu.RLock()
	defer l.imu.RUnlock()
	in := &l.interests
	for c := range in.channels {
		if c != parley.ChannelConversation || MayHear(&who.Principal, c) {
			q.Keys = append(q.Keys, parley.ChannelKey(c))
		}
	}
	for _, p := range in.patterns {
		for i := range p {
			channel, known := channelOf(&p[i].Pattern)
			q.All = q.All || !known
			q.Keys = append(q.Keys, parley.ChannelKey(channel))
		}
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
	for _, spec := range parley.EventSpecs() {
		if spec.Topic.Source == source {
			return spec.Channel, spec.Scope == parley.ConversationScope
		}
	}
	return source, false
}

// tellPage spells the entries that the listener is to hear and moves its place
// to end.
func (l *Listener) tellPage(ctx context.Context, dst []byte, page []*entry, end parley.Position, turn uint64) ([]byte, error) {
	for _, en := range page {
		m, err := l.membersAt(ctx, en.event)
		if err != nil {
			return dst, err
		}
		v := l.heard(en, m)
		l.mu.Lock()
		if l.state != behind || l.turn != turn {
			l.mu.Unlock()
			return dst, nil // detached, told to reload, or waiting for a history
		}
		if v.told {
			dst = l.spellEntry(dst, en, v.view)
		} else {
			l.at = en.event.Position
		}
		l.mu.Unlock()
		if len(dst) >= 4*l.hub.sizes.soft {
			return dst, nil
		}
	}
	l.mu.Lock()
	if l.state == behind && l.turn == turn && end.Offset >= l.at.Offset {
		l.at = end
	}
	l.mu.Unlock()
	return dst, nil
}

// membersAt returns who may hear the event, from a state of the store that
// includes it.
func (l *Listener) membersAt(ctx context.Context, e *parley.Event) (*members, error) {
	if e.Conversation.IsZero() {
		return nil, nil
	}
	m := l.known[e.Conversation]
	if m != nil && m.through >= e.ChangeSeq {
		return m, nil
	}
	m, err := loadMembers(ctx, l.hub.cfg.Store, l.org, e.Conversation)
	if err != nil {
		return nil, err
	}
	if l.known == nil || len(l.known) > 1024 {
		l.known = map[parley.ConversationID]*members{}
	}
	l.known[e.Conversation] = m
	return m, nil
}
