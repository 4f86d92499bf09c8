package hub

import parley "github.com/parley-chat/parley"

// spell appends the frames of an item that is spelled as it is written. Under mu.
func (l *Listener) spell(dst []byte, it *item) []byte {
	switch what := it.what.(type) {
	case *shown:
		return l.spellEntry(dst, what.entry, what.view)
	case *owedRun:
		if what.upTo == forgotten {
			delete(l.runs, what.run.id())
			return dst
		}
		return l.spellRun(dst, what.run, what.upTo)
	case moved:
		l.at = it.at
		if !l.tellCursors || l.at == l.told || l.unended() {
			return dst
		}
		return l.spellReply(dst, parley.CursorMoved{Time: l.feed.h.cfg.Now()})
	}
	if it.at.Offset > l.at.Offset {
		l.at = it.at
	}
	return l.spellReply(dst, it.what.(parley.Reply))
}

// spellReply appends a reply, with the listener's cursor in those that carry one.
func (l *Listener) spellReply(dst []byte, r parley.Reply) []byte {
	if l.ackCursors || l.tellCursors {
		at := l.at
		if l.unended() {
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
	return l.feed.h.AppendReply(dst, l.dialect, r)
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

// spellEntry appends an event of a run, and what must come before it. Under mu.
func (l *Listener) spellEntry(dst []byte, en *entry, v parley.View) []byte {
	e := en.event
	if e.Class == parley.Durable {
		l.at = e.Position
	}
	if l.skipped(e) {
		return dst
	}
	switch b := e.Body.(type) {
	case *parley.DeltaBody:
		return l.spellDelta(dst, en, b, v)
	case *parley.MessageBody:
		return l.spellOutcome(dst, en, b, v)
	case *parley.RunBody:
		if e.Type == parley.RunEnded {
			return l.spellEnd(dst, en, b, v)
		}
		return l.spellRun(dst, en.run, 0)
	}
	return l.write(dst, en, v)
}

// write appends the entry's shared frame.
func (l *Listener) write(dst []byte, en *entry, v parley.View) []byte {
	frame := en.frame(l.feed.h, nil, l.dialect, v)
	if len(frame) > 0 {
		l.feed.h.Deliveries.Add(1)
		if en.event.Class == parley.Durable {
			l.told = l.at
		}
	}
	return append(dst, frame...)
}

// skipped reports whether a message was told as history already. Under mu.
func (l *Listener) skipped(e *parley.Event) bool {
	if l.past == nil || len(l.past.skip) == 0 || e.Type != parley.MessageCreated {
		return false
	}
	b, ok := e.Body.(*parley.MessageBody)
	if !ok {
		return false
	}
	told, ok := l.past.skip[e.Conversation]
	if !ok {
		return false
	}
	if !told.seqs.has(b.Seq) {
		if told.seqs.passed(b.Seq) && (told.end == 0 || e.Position.Offset < told.end) {
			// Messages come in the order of their seq. Those before this one may still wait
			// in the queue, or be read again.
			told.end = e.Position.Offset
			l.past.skip[e.Conversation] = told
		}
		return false
	}
	if b.Run != nil {
		if _, begun := l.runs[b.Run.ID]; !begun {
			l.past.answered = including(l.past.answered, b.Run.ID)
		}
	}
	return true
}
