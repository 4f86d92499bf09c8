package hub

import (
	"context"
	"errors"
	"fmt"

	parley "github.com/parley-chat/parley"
)

// Next appends to dst whole frames that the client is owed, and reports whether
// there may be more at once. It blocks on the store only while the listener is
// behind. An error (parley.ErrUnavailable) means that what is owed cannot be read
// now: the caller comes back after a pause. Called by one goroutine at a time.
func (l *Listener) Next(ctx context.Context, dst []byte) (frames []byte, more bool, err error) {
	l.mu.Lock()
	dst = l.drain(dst, &l.replies)
	switch l.state {
	case live:
		dst = l.drain(dst, &l.queue)
		more = len(l.queue) > 0
		l.mu.Unlock()
		return dst, more, nil
	case behind:
		at := l.at
		l.mu.Unlock()
		return l.nextPage(ctx, dst, at)
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
	if n == len(*list) {
		clear(*list)
		*list = (*list)[:0]
	} else {
		*list = append((*list)[:0], (*list)[n:]...)
	}
	return dst
}

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

// spell appends the frames of one item. Under mu.
func (l *Listener) spell(dst []byte, it *item) []byte {
	switch {
	case it.entry != nil:
		return l.spellEntry(dst, it.entry, it.view)
	case it.run != nil:
		return l.spellRun(dst, it.run, it.upTo)
	}
	if it.at.Offset > l.at.Offset {
		l.at = it.at
	}
	return l.spellReply(dst, it.reply)
}

// spellReply appends a reply, with the listener's cursor in those that carry one.
func (l *Listener) spellReply(dst []byte, r parley.Reply) []byte {
	cursor := ""
	if l.ackCursors || l.tellCursors {
		cursor = l.at.Cursor()
	}
	switch reply := r.(type) {
	case parley.Authenticated:
		reply.Cursor = cursor
		r = reply
	case parley.Subscribed:
		reply.Cursor = cursor
		r = reply
	case parley.CursorMoved:
		reply.Cursor = cursor
		r = reply
	}
	l.told = l.at
	return l.hub.AppendReply(dst, l.dialect, r)
}

// AppendReply appends a framed reply in a dialect of this hub; nothing where the
// dialect has no such frame.
func (h *Hub) AppendReply(dst []byte, dialect int, r parley.Reply) []byte {
	payload := h.traits[dialect].dialect.AppendReply(nil, r)
	if len(payload) == 0 {
		return dst
	}
	return h.cfg.Frame(dst, payload)
}

// spellEntry appends an event, and what must come before it. Under mu.
func (l *Listener) spellEntry(dst []byte, en *entry, v parley.View) []byte {
	e := en.event
	durable := e.Class == parley.Durable
	if durable {
		l.at = e.Position
	}
	if l.skipped(e) {
		return dst
	}
	switch b := e.Body.(type) {
	case *parley.DeltaBody:
		return l.spellDelta(dst, en, b, v)
	case *parley.MessageBody:
		if b.Run != nil && e.Type == parley.MessageCreated {
			return l.spellOutcome(dst, en, b, v)
		}
	case *parley.RunBody:
		switch e.Type {
		case parley.StreamStarted:
			if en.run != nil {
				return l.spellRun(dst, en.run, 0)
			}
		case parley.RunEnded:
			return l.spellEnd(dst, en, b, v)
		}
	}
	return l.write(dst, en, v)
}

// write appends the entry's shared frame.
func (l *Listener) write(dst []byte, en *entry, v parley.View) []byte {
	frame := en.frame(l.hub, l.dialect, v)
	if len(frame) > 0 {
		l.hub.Deliveries.Add(1)
		if en.event.Class == parley.Durable {
			l.told = l.at
		}
	}
	return append(dst, frame...)
}

// skipped reports whether a message was told as history already.
func (l *Listener) skipped(e *parley.Event) bool {
	if len(l.skip) == 0 || e.Type != parley.MessageCreated {
		return false
	}
	b, ok := e.Body.(*parley.MessageBody)
	return ok && b.Seq <= l.skip[e.Conversation]
}

// spellDelta appends a piece of a run: the shared frame where it begins exactly
// where the listener is, else all from there to the piece's end.
func (l *Listener) spellDelta(dst []byte, en *entry, b *parley.DeltaBody, v parley.View) []byte {
	n, begun := l.runs[b.Run]
	end := b.Offset + len(b.Text)
	if begun && n == b.Offset {
		l.runs[b.Run] = end
		return l.write(dst, en, v)
	}
	if en.run == nil {
		return dst
	}
	return l.spellRun(dst, en.run, end)
}

// spellRun appends what the listener lacks of a run: its beginning where it has
// not heard it, and one piece up to the byte upTo.
func (l *Listener) spellRun(dst []byte, r *run, upTo int) []byte {
	id := r.id()
	n, begun := l.runs[id]
	text, ended := r.known()
	if !begun {
		if ended {
			return dst // its end is on the way, and holds the whole text
		}
		l.runs[id] = 0
		dst = l.spellMade(dst, r.start)
	}
	if upTo = min(upTo, len(text)); n < upTo {
		l.runs[id] = upTo
		l.hub.Merged.Add(1)
		dst = l.spellMade(dst, r.piece(n, upTo, text))
	}
	return dst
}

// spellRest appends what a listener that heard a run begin lacks of its text, as
// one piece, before the event that ends it.
func (l *Listener) spellRest(dst []byte, e *parley.Event, delta parley.DeltaBody, text string) []byte {
	n, begun := l.runs[delta.Run]
	if !begun || n >= len(text) {
		return dst
	}
	l.runs[delta.Run] = len(text)
	l.hub.Merged.Add(1)
	delta.Offset, delta.Text = n, text[n:]
	return l.spellMade(dst, &parley.Event{
		ID: e.ID, Org: e.Org, Type: parley.StreamDelta, Class: parley.RunLogged, Time: e.Time,
		Actor: delta.Agent, ActorKind: parley.KindAgent,
		Conversation: e.Conversation, ChangeSeq: e.ChangeSeq - 1, Channel: e.Channel, Body: &delta,
	})
}

// spellMade appends an event that was made for this listener alone.
func (l *Listener) spellMade(dst []byte, e *parley.Event) []byte {
	frame := l.hub.encode(l.dialect, e, parley.ViewInternal)
	if len(frame) > 0 {
		l.hub.Deliveries.Add(1)
	}
	return append(dst, frame...)
}

// spellOutcome appends the message that a run became. Where the surface ends
// streams, a listener that heard it begin is told the end instead.
func (l *Listener) spellOutcome(dst []byte, en *entry, b *parley.MessageBody, v parley.View) []byte {
	dst = l.spellRest(dst, en.event, parley.DeltaBody{Run: b.Run.ID, Message: b.ID, Agent: b.Sender}, b.Content)
	if l.hub.traits[l.dialect].endsStreams && l.begun(b.Run.ID, b.Run.After) {
		return dst
	}
	return l.write(dst, en, v)
}

// spellEnd appends a run's end.
func (l *Listener) spellEnd(dst []byte, en *entry, b *parley.RunBody, v parley.View) []byte {
	dst = l.spellRest(dst, en.event, parley.DeltaBody{Run: b.Run, Message: b.Message, Agent: b.Agent, Epoch: b.Epoch}, b.Text)
	begun := l.begun(b.Run, b.After)
	delete(l.runs, b.Run)
	if l.hub.traits[l.dialect].endsStreams && !begun {
		return dst
	}
	return l.write(dst, en, v)
}

// begun reports whether the client has heard the run begin: on this Conn, or on
// the one it resumed from.
func (l *Listener) begun(run parley.RunID, after uint64) bool {
	_, ok := l.runs[run]
	return ok || l.hasResumed && after <= l.resumed
}

// nextPage reads what comes after the listener's place, tells what concerns it,
// and moves on; at the feed's place it becomes live.
func (l *Listener) nextPage(ctx context.Context, dst []byte, at parley.Position) ([]byte, bool, error) {
	f := l.feed
	var page []*entry
	var applied parley.Position
	fromRing, flipped := false, false
	ok := f.do(func() {
		applied = f.applied
		if at.Offset >= applied.Offset {
			flipped = l.flip(at)
			return
		}
		page, fromRing = f.ringAfter(at.Offset, l.hub.sizes.page)
	})
	if !ok {
		return dst, false, ErrClosed
	}
	if flipped {
		l.known = nil
		return dst, true, nil
	}
	l.hub.Pages.Add(1)
	end := applied
	if fromRing {
		if len(page) == l.hub.sizes.page {
			end = page[len(page)-1].event.Position
		}
	} else {
		var err error
		if page, end, err = l.storePage(ctx, at, applied); errors.Is(err, parley.ErrGone) {
			f.do(func() { l.reload(f.applied, "events are no longer kept") })
			return dst, true, nil
		} else if err != nil {
			return dst, false, err
		}
	}
	dst, err := l.tellPage(ctx, dst, page, end)
	return dst, true, err
}

// flip makes the listener live, at the feed's place, and owes it the open runs.
// On the loop. It reports false where the listener is not behind at that place.
func (l *Listener) flip(at parley.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != behind || l.at != at {
		return true
	}
	l.state = live
	l.queue, l.replies = append(l.queue, l.replies...), nil
	if l.feed.applied != l.told && l.tellCursors {
		l.push(item{reply: parley.CursorMoved{Time: l.hub.cfg.Now()}, at: l.at})
	}
	l.owesRuns()
	return true
}

// storePage reads a page from the store.
func (l *Listener) storePage(ctx context.Context, at, applied parley.Position) ([]*entry, parley.Position, error) {
	q := l.query()
	q.After, q.UpTo, q.Limit = at.Offset, applied.Offset, l.hub.sizes.page
	store := l.hub.cfg.Store
	if err := store.CheckCursor(ctx, q, at); err != nil {
		if errors.Is(err, parley.ErrCursor) {
			err = parley.ErrGone
		}
		return nil, at, fmt.Errorf("check the place of a listener: %w", err)
	}
	events, completeTo, err := store.Replay(ctx, q)
	if err != nil {
		return nil, at, fmt.Errorf("read what a listener missed: %w", err)
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
		if c != parley.ChannelConversation || MayHear(who, c) {
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
func (l *Listener) tellPage(ctx context.Context, dst []byte, page []*entry, end parley.Position) ([]byte, error) {
	for _, en := range page {
		m, err := l.membersAt(ctx, en.event)
		if err != nil {
			return dst, err
		}
		v := l.heard(en.event, m)
		l.mu.Lock()
		if l.state != behind {
			l.mu.Unlock()
			return dst, nil // detached, or told to reload
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
	if l.state == behind && end.Offset >= l.at.Offset {
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
