package hub

import (
	"context"
	"time"

	parley "github.com/parley-chat/parley"
)

// joinRuns takes in runs that began before this feed did, or before its log was
// restored.
func (f *feed) joinRuns(rows []parley.Run) {
	for i := range rows {
		id := rows[i].ID
		if _, over := f.ended[id]; over || f.runs[id] != nil {
			continue
		}
		r := newRun(startOf(&rows[i]))
		f.runs[id] = r
		f.askSnapshot(r)
	}
}

// intoRun adds a run's event to what is known of the run. It reports false where
// the event is not to be told now.
func (f *feed) intoRun(id parley.RunID, en *entry) bool {
	e := en.event
	r := f.runs[id]
	if r == nil {
		switch e.Type {
		case parley.RunStarted:
			return true
		case parley.StreamStarted:
			r = newRun(e)
			f.runs[id] = r
			en.run = r
			return true
		}
		f.findRun(id, e)
		return false
	}
	en.run = r
	if r.unknown && e.Type != parley.StreamDelta {
		return false
	}
	switch b := e.Body.(type) {
	case *parley.DeltaBody:
		if b.Epoch < r.epoch {
			return false
		}
		r.epoch = b.Epoch
		if r.asking {
			if len(r.waiting) < maxHeld {
				r.waiting = append(r.waiting, e)
			}
			return false
		}
		if !r.grow(b.Offset, b.Text) {
			r.waiting = append(r.waiting, e)
			f.askSnapshot(r)
			return false
		}
	case *parley.RunBody:
		if e.Type == parley.StreamStarted { // told already, unless it had to wait
			if r.held {
				r.held = false
				f.tellRun(r)
			}
			return false
		}
	}
	return true
}

// begun returns what is known of the conversation of a run that may be told now;
// nil where it is not known enough of yet, or the feed has not come to where it
// began: its beginning is then held like any other event that comes too early. A
// run whose conversation must be read first is told once that is done.
func (f *feed) begun(r *run) *members {
	if r.unknown {
		return nil
	}
	m, known := f.membersOf(r.start)
	if !known {
		if !r.loading {
			r.loading = true
			ld := f.load(r.start.Conversation, true)
			ld.then = append(ld.then, func(err error) {
				if r.loading = false; err == nil && f.runs[r.id()] == r {
					f.tellRun(r)
				}
			})
		}
		return nil
	}
	if r.start.ChangeSeq > m.applied {
		if !r.held {
			r.held = true
			m.held = append(m.held, r.start)
		}
		return nil
	}
	return m
}

// findRun learns of a run whose beginning was not heard.
func (f *feed) findRun(id parley.RunID, e *parley.Event) {
	start := *e
	start.Body = &parley.RunBody{Run: id}
	r := newRun(&start)
	r.asking, r.unknown = true, true
	f.runs[id] = r
	if e.Type == parley.StreamDelta {
		r.waiting = append(r.waiting, e)
	}
	f.wg.Go(func() {
		row, err := f.h.cfg.Store.Run(f.ctx, f.org, id)
		f.post(func() {
			if f.runs[id] != r {
				return
			}
			if err != nil || row.Status != parley.RunRunning {
				delete(f.runs, id)
				return
			}
			r.begins(startOf(row))
			r.unknown = false
			f.askSnapshot(r)
		})
	})
}

// askSnapshot asks the run's owner for everything said so far. Without an answer
// the run's text stays what it is: the owner is gone, and the run's end, which
// holds the whole text, will come.
func (f *feed) askSnapshot(r *run) {
	r.asking = true
	id := r.id()
	f.wg.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
		defer cancel()
		var e *parley.Event
		data, err := f.h.cfg.Bus.Request(ctx, "run."+id.UUID(), nil)
		if err == nil {
			e, err = parley.UnmarshalEvent(data)
		}
		f.post(func() {
			if f.runs[id] != r {
				return
			}
			r.asking = false
			if err == nil {
				if b, ok := e.Body.(*parley.DeltaBody); ok {
					r.grow(b.Offset, b.Text)
				}
			}
			waiting := r.waiting
			r.waiting = nil
			for _, d := range waiting {
				b := d.Body.(*parley.DeltaBody)
				r.grow(b.Offset, b.Text)
			}
			f.tellRun(r)
		})
	})
}

// tellRun brings every live listener that hears the run up to what is known.
func (f *feed) tellRun(r *run) {
	m := f.begun(r)
	if m == nil {
		return
	}
	told := r.opening
	if text, _ := r.known(); len(text) > 0 {
		told = &entry{event: r.piece(0, len(text), text), run: r}
	}
	f.tell(told, m)
}

// endRun ties a run's message and end to its text, and closes it.
func (f *feed) endRun(en *entry) {
	id, ok := runOf(en.event)
	if !ok {
		return
	}
	r := f.runs[id]
	en.run = r
	switch b := en.event.Body.(type) {
	case *parley.MessageBody:
		if r != nil && en.event.Type == parley.MessageCreated {
			r.end(b.Content)
		}
	case *parley.RunBody:
		if r != nil {
			r.end(b.Text)
			delete(f.runs, id)
		}
		f.ended[id] = f.h.cfg.Now()
	}
}
