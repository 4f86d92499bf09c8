package hub

import parley "github.com/parley-chat/parley"

// spellDelta appends a piece of a run: the shared frame where it begins exactly
// where the listener is, else all from there to the piece's end.
func (l *Listener) spellDelta(dst []byte, en *entry, b *parley.DeltaBody, v parley.View) []byte {
	n, begun := l.runs[b.Run]
	end := b.Offset + len(b.Text)
	if begun && n == b.Offset {
		l.heardTo(b.Run, end)
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
		l.heardTo(id, 0)
		dst = l.write(dst, r.opening, parley.ViewInternal)
	}
	if upTo = min(upTo, len(text)); n < upTo {
		l.heardTo(id, upTo)
		if begun {
			l.feed.h.Merged.Add(1)
		} else {
			l.feed.h.Snapshots.Add(1)
		}
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
	l.heardTo(delta.Run, len(text))
	l.feed.h.Merged.Add(1)
	delta.Offset, delta.Text = n, text[n:]
	return l.spellMade(dst, &parley.Event{
		ID: e.ID, Org: e.Org, Type: parley.StreamDelta, Class: parley.RunLogged, Time: e.Time,
		Actor: delta.Agent, ActorKind: parley.KindAgent,
		Conversation: e.Conversation, ChangeSeq: e.ChangeSeq - 1, Channel: e.Channel, Body: &delta,
	})
}

// spellMade appends an event that was made for this listener alone.
func (l *Listener) spellMade(dst []byte, e *parley.Event) []byte {
	frame := l.feed.h.encode(nil, l.dialect, e, parley.ViewInternal)
	if len(frame) > 0 {
		l.feed.h.Deliveries.Add(1)
	}
	return append(dst, frame...)
}

// spellOutcome appends the message that a run became. Where the surface ends
// streams, a listener that heard it begin is told the end instead.
func (l *Listener) spellOutcome(dst []byte, en *entry, b *parley.MessageBody, v parley.View) []byte {
	dst = l.spellRest(dst, en.event, parley.DeltaBody{Run: b.Run.ID, Message: b.ID, Agent: b.Sender}, b.Content)
	if !l.feed.h.traits[l.dialect].endsStreams {
		return l.write(dst, en, v)
	}
	if l.begun(b.Run.ID, b.Run.After) {
		p := l.remembers()
		p.unended = including(p.unended, b.Run.ID)
		return dst
	}
	p := l.remembers()
	p.answered = including(p.answered, b.Run.ID)
	return l.write(dst, en, v)
}

// spellEnd appends a run's end. Who blocks its agent by now is told no more of the text,
// and that it was cancelled where it heard it begin.
func (l *Listener) spellEnd(dst []byte, en *entry, b *parley.RunBody, v parley.View) []byte {
	blocked := l.person.blocksSpeaker(en.event)
	if !blocked {
		dst = l.spellRest(dst, en.event, parley.DeltaBody{Run: b.Run, Message: b.Message, Agent: b.Agent, Epoch: b.Epoch}, b.Text)
	}
	begun := l.begun(b.Run, b.After)
	delete(l.runs, b.Run)
	if l.past != nil {
		begun = begun && !l.past.answered[b.Run]
		delete(l.past.unended, b.Run)
		delete(l.past.answered, b.Run)
	}
	if (blocked || l.feed.h.traits[l.dialect].endsStreams) && !begun {
		return dst
	}
	if blocked {
		en = cutShort(en.event, b)
	}
	return l.write(dst, en, v)
}

// cutShort is a run's end that says nothing of what it was.
func cutShort(e *parley.Event, b *parley.RunBody) *entry {
	cut := *e
	cut.Body = &parley.RunBody{
		Run: b.Run, Message: b.Message, Agent: b.Agent, Status: parley.RunCancelled, Epoch: b.Epoch, After: b.After,
	}
	return &entry{event: &cut}
}

// begun reports whether the client has heard the run begin: on this Conn, or on
// the one it resumed from.
func (l *Listener) begun(run parley.RunID, after uint64) bool {
	_, ok := l.runs[run]
	return ok || l.hasResumed && after <= l.resumed
}

// heardTo notes how much of a run's text was told. Under mu.
func (l *Listener) heardTo(run parley.RunID, n int) {
	if l.runs == nil {
		l.runs = map[parley.RunID]int{}
	}
	l.runs[run] = n
}
