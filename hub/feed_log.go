package hub

import (
	"errors"
	"fmt"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/relay"
)

// fromLog takes a durable event off the bus.
func (f *feed) fromLog(data []byte) {
	e, pointer, err := relay.Decode(data)
	if err != nil {
		f.h.cfg.Logger.Warn("a message on the log could not be read", "org", f.org, "error", err)
		return
	}
	var at parley.Position
	if e != nil {
		at = e.Position
	} else {
		at = pointer.Position
	}
	f.post(func() { f.arrived(e, at) })
}

// arrived puts an event, or the Position of one that must be read, in its place.
func (f *feed) arrived(e *parley.Event, at parley.Position) {
	switch {
	case at.Offset <= f.applied.Offset:
		if at.Epoch != f.applied.Epoch {
			f.verify() // an older epoch's event that came late, or a store that went back
		}
	case f.target == 0 && e != nil && at.Offset == f.applied.Offset+1 && f.sameEpoch(at):
		if m, known := f.membersOf(e); known {
			f.apply(e, m)
			return
		}
		f.target = at.Offset
		f.park(&logPage{events: []*parley.Event{e}, end: at, upTo: at.Offset})
	case f.parked != nil && e != nil && f.parked.take(e):
		f.target = max(f.target, at.Offset)
	default:
		f.fill(at.Offset)
	}
}

// sameEpoch reports whether a Position follows what was applied without another
// opening of the store in between. Across one, only the store can say whether the
// two belong to one log.
func (f *feed) sameEpoch(at parley.Position) bool {
	return f.applied.Offset == 0 || at.Epoch == f.applied.Epoch
}

// fill reads the log up to an offset and applies it. Events that come meanwhile
// only move the end: the store has them all.
func (f *feed) fill(upTo uint64) {
	if filling := f.target != 0; filling {
		f.target = max(f.target, upTo)
		return
	}
	f.target = upTo
	f.h.Holes.Add(1)
	f.readPage()
}

// logPage is a part of the log: what it lacks up to its end was erased and counts
// as applied.
type logPage struct {
	events []*parley.Event
	end    parley.Position
	upTo   uint64 // what was asked for
	full   bool   // there may be more before upTo
}

// take adds an event that follows at once; false where it does not, or the page
// holds too much.
func (p *logPage) take(e *parley.Event) bool {
	at := e.Position
	if p.full || at.Offset != p.end.Offset+1 || at.Epoch != p.end.Epoch || len(p.events) >= mailboxSize {
		return false
	}
	p.events, p.end, p.upTo = append(p.events, e), at, max(p.upTo, at.Offset)
	return true
}

// readPage reads on from what was applied, off the loop.
func (f *feed) readPage() {
	after, upTo := f.applied, f.target
	f.pages++
	page := f.pages
	f.wg.Go(func() {
		p, err := f.readLog(after, upTo)
		f.post(func() {
			if f.pages == page { // else a reload came in between
				f.gotPage(p, err)
			}
		})
	})
}

// readLog reads a page of the log after a Position, if that is still of the log;
// else the error is parley.ErrCursor.
func (f *feed) readLog(after parley.Position, upTo uint64) (logPage, error) {
	store := f.h.cfg.Store
	p := logPage{end: after, upTo: upTo}
	if err := store.CheckCursor(f.ctx, parley.ReplayQuery{Org: f.org}, after); err != nil && !errors.Is(err, parley.ErrGone) {
		return p, fmt.Errorf("check what was applied: %w", err)
	}
	head, err := store.Head(f.ctx, f.org)
	if err != nil {
		return p, fmt.Errorf("read the head: %w", err)
	}
	// What spoke of more was a message of another log.
	if upTo = min(upTo, head.Offset); upTo <= after.Offset {
		return p, nil
	}
	if p.events, err = store.ReadLog(f.ctx, f.org, after.Offset, upTo, f.h.sizes.fill); err != nil {
		return p, fmt.Errorf("read the log: %w", err)
	}
	switch {
	case len(p.events) == f.h.sizes.fill:
		p.end = p.events[len(p.events)-1].Position
		p.full = p.end.Offset < upTo
	case upTo == head.Offset:
		p.end = head
	default:
		if p.end, err = store.Locate(f.ctx, f.org, upTo); err != nil {
			return p, fmt.Errorf("locate the end of a page: %w", err)
		}
	}
	return p, nil
}

func (f *feed) gotPage(p logPage, err error) {
	if errors.Is(err, parley.ErrCursor) {
		f.target = 0
		f.verify()
		return
	}
	if err != nil {
		f.stall(err)
		f.retryPage()
		return
	}
	f.applyPage(&p)
}

// applyPage applies what is left of a page, up to an event whose conversation must
// be loaded first, and reads on where there is more.
func (f *feed) applyPage(p *logPage) {
	for len(p.events) > 0 {
		e := p.events[0]
		m, known := f.membersOf(e)
		if !known {
			f.park(p)
			return
		}
		p.events = p.events[1:]
		f.apply(e, m)
	}
	f.recovered()
	if p.end.Offset > f.applied.Offset {
		f.applied = p.end
		f.wakeAhead()
	}
	if p.full || f.target > p.upTo {
		f.readPage()
		return
	}
	f.target = 0
}

// park lets the log wait for the conversation of a page's first event. What the
// store has no part in goes on meanwhile.
func (f *feed) park(p *logPage) {
	f.parked = p
	e := p.events[0]
	ld := f.load(e.Conversation, false)
	ld.through = max(ld.through, e.ChangeSeq-1)
	ld.then = append(ld.then, func(err error) {
		if f.parked != p {
			return
		}
		f.parked = nil
		if err != nil {
			f.stall(err)
			f.retryPage()
			return
		}
		f.applyPage(p)
	})
}

// retryPage reads again after a pause.
func (f *feed) retryPage() {
	page := f.pages
	f.wg.Go(func() {
		select {
		case <-time.After(100*time.Millisecond + f.h.jitter(200*time.Millisecond)):
		case <-f.ctx.Done():
		}
		f.post(func() {
			if f.pages == page {
				f.readPage()
			}
		})
	})
}

// apply tells the next durable event. m is what is known of its conversation, nil
// where it has none.
func (f *feed) apply(e *parley.Event, m *members) {
	f.applied = e.Position
	f.h.Applied.Add(1)
	en := &entry{event: e, members: m}
	if m != nil {
		m.learn(f, e)
		f.endRun(en)
	} else {
		f.learnBlock(e)
	}
	f.forget(e, m)
	f.keep(en)
	f.tell(en, m)
	if m != nil {
		f.releaseHeld(m)
	}
	f.wakeAhead()
}

// wakeAhead lets the listeners go on whose place the feed has come to.
func (f *feed) wakeAhead() {
	for l := range f.ahead {
		l.mu.Lock()
		there := l.at.Offset <= f.applied.Offset
		if there {
			delete(f.ahead, l)
			l.ahead = false
			l.refill()
			l.signal()
		}
		l.mu.Unlock()
		if there {
			l.oweRuns()
		}
	}
}
