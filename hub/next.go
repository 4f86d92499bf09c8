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

// spell appends the frames of one item. Under mu.
func (l *Listener) spell(dst []byte, it *item) []byte {
	switch {
	case it.entry != nil:
		return l.spellEntry(dst, it.entry, it.view)
	case it.run != nil && it.upTo == forgotten:
		delete(l.runs, it.run.id())
		return dst
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
	if l.ackCursors || l.tellCursors {
		at := l.at
		if len(l.unended) > 0 {
			// Who resumed here would miss the end of what it heard begin.
			at = l.told
		}
		switch reply := r.(type) {
		case parley.Authenticated:
			reply.Cursor = at.Cursor()
			r, l.told = reply, at
		case parley.Subscribed:
			reply.Cursor = at.Cursor()
			r, l.told = reply, at
		case parley.CursorMoved:
			reply.Cursor = at.Cursor()
			r, l.told = reply, at
		}
	}
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
	if !ok || !l.skip[e.Conversation].has(b.Seq) {
		if ok && l.skip[e.Conversation].passed(b.Seq) {
			delete(l.skip, e.Conversation) // messages come in the order of their seq
		}
		return false
	}
	if b.Run != nil {
		if _, begun := l.runs[b.Run.ID]; !begun {
			mark(&l.answered, b.Run.ID)
		}
	}
	return true
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
		dst = l.write(dst, r.opening, parley.ViewInternal)
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
	if !l.hub.traits[l.dialect].endsStreams {
		return l.write(dst, en, v)
	}
	if l.begun(b.Run.ID, b.Run.After) {
		mark(&l.unended, b.Run.ID)
		return dst
	}
	mark(&l.answered, b.Run.ID)
	return l.write(dst, en, v)
}

// spellEnd appends a run's end.
func (l *Listener) spellEnd(dst []byte, en *entry, b *parley.RunBody, v parley.View) []byte {
	dst = l.spellRest(dst, en.event, parley.DeltaBody{Run: b.Run, Message: b.Message, Agent: b.Agent, Epoch: b.Epoch}, b.Text)
	_, answered := l.answered[b.Run]
	begun := l.begun(b.Run, b.After) && !answered
	delete(l.runs, b.Run)
	delete(l.unended, b.Run)
	delete(l.answered, b.Run)
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
