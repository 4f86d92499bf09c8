package hub

import parley "github.com/parley-chat/parley"

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
	if !ok || !l.skip[e.Conversation].seqs.has(b.Seq) {
		if ok && l.skip[e.Conversation].seqs.passed(b.Seq) {
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
