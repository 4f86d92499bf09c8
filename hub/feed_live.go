package hub

import parley "github.com/parley-chat/parley"

// fromLive takes an event that is not stored off the bus.
func (f *feed) fromLive(data []byte) {
	e, err := parley.UnmarshalEvent(data)
	if err != nil {
		f.h.cfg.Logger.Warn("a live message could not be read", "org", f.org, "error", err)
		return
	}
	f.post(func() { f.live(e) })
}

// live tells an event that is not stored, once what its author knew is applied.
func (f *feed) live(e *parley.Event) {
	m, known := f.membersOf(e)
	if !known {
		f.holdUnknown(e)
		return
	}
	if m != nil && e.ChangeSeq > m.applied {
		if len(m.held) < maxHeld {
			m.held = append(m.held, e)
		}
		return
	}
	f.tellLive(e, m)
}

// holdUnknown keeps an event until its conversation was read. Where that fails
// nobody hears it: a run's text is asked for again by the next delta.
func (f *feed) holdUnknown(e *parley.Event) {
	if f.loads[e.Conversation] == nil && len(f.loads) >= maxLoads {
		return
	}
	if ld := f.load(e.Conversation, true); len(ld.held) < maxHeld {
		ld.held = append(ld.held, e)
	}
}

// releaseHeld tells what waited for the event just applied.
func (f *feed) releaseHeld(m *members) {
	if len(m.held) == 0 {
		return
	}
	held := m.held
	m.held = nil
	for _, e := range held {
		if e.ChangeSeq > m.applied {
			m.held = append(m.held, e)
		} else {
			f.tellLive(e, m)
		}
	}
}

func (f *feed) tellLive(e *parley.Event, m *members) {
	f.h.Ephemerals.Add(1)
	en := &entry{event: e}
	if id, ok := runOf(e); ok {
		if _, over := f.ended[id]; over {
			return
		}
		if !f.intoRun(id, en) {
			return
		}
	}
	f.tell(en, m)
}
