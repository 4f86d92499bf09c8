package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/relay"
)

// feed applies one org's log on this node, serially. Everything below the
// mailbox is owned by its loop; others reach it with do.
type feed struct {
	h   *Hub
	org parley.OrgID

	users int           // guarded by Hub.mu
	ready chan struct{} // closed once started, or failed with err
	err   error

	mailbox chan func()
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	wg      sync.WaitGroup // what the loop had done elsewhere: reads of the store, requests

	applied       parley.Position
	ring          []*entry // the last applied durable events, oldest first
	listeners     map[*Listener]struct{}
	byPrincipal   map[parley.PrincipalID]map[*Listener]struct{}
	wide          map[*Listener]struct{} // hear what belongs to no conversation: channels, patterns
	readers       map[*Listener]struct{} // hear conversations they are not in: org:read
	ahead         map[*Listener]struct{} // resumed with a cursor of a node that had applied more
	conversations map[parley.ConversationID]*members
	runs          map[parley.RunID]*run
	ended         map[parley.RunID]time.Time // runs that ended lately: their late deltas are dropped
	target        uint64                     // a hole is being filled up to here; 0 where there is none
	pages         uint64                     // counts the reads for holes: only the last one's answer is taken
	asking        bool                       // the store is being asked for the head
	verifying     bool                       // or whether what was applied is still of its log
	stalled       bool
}

const (
	mailboxSize      = 4096
	maxConversations = 50_000
	maxHeld          = 1024 // events held for one conversation
	headInterval     = time.Second
	headGrace        = 100 * time.Millisecond
)

func newFeed(h *Hub, org parley.OrgID) *feed {
	f := &feed{
		h: h, org: org,
		ready: make(chan struct{}), mailbox: make(chan func(), mailboxSize), done: make(chan struct{}),
		listeners: map[*Listener]struct{}{}, byPrincipal: map[parley.PrincipalID]map[*Listener]struct{}{},
		wide: map[*Listener]struct{}{}, readers: map[*Listener]struct{}{}, ahead: map[*Listener]struct{}{}, conversations: map[parley.ConversationID]*members{},
		runs: map[parley.RunID]*run{}, ended: map[parley.RunID]time.Time{},
	}
	f.ctx, f.cancel = context.WithCancel(h.ctx)
	return f
}

// start subscribes, takes the store's head as the place to begin, and runs the
// loop until the feed is stopped. It owns the feed's goroutine.
func (f *feed) start() {
	defer f.h.wg.Done()
	defer close(f.done)
	stop, err := f.open()
	f.err = err
	close(f.ready)
	if err != nil {
		f.cancel()
		f.wg.Wait()
		return
	}
	f.loop()
	stop()
	f.wg.Wait()
	if f.stalled {
		f.h.StalledOrgs.Add(-1)
	}
}

// open subscribes before it reads the head, so that nothing falls between.
func (f *feed) open() (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for prefix, take := range map[string]func([]byte){"log": f.fromLog, "live": f.fromLive} {
		s, err := f.h.cfg.Bus.Subscribe(parley.OrgSubject(prefix, f.org), func(_, _ string, data []byte) { take(data) })
		if err != nil {
			stop()
			return nil, fmt.Errorf("feed of %s: subscribe: %w", f.org, err)
		}
		stops = append(stops, s)
	}
	if f.applied, err = f.h.cfg.Store.Head(f.ctx, f.org); err != nil {
		stop()
		return nil, fmt.Errorf("feed of %s: read the head: %w", f.org, err)
	}
	runs, err := f.h.cfg.Store.OpenRuns(f.ctx, f.org)
	if err != nil {
		stop()
		return nil, fmt.Errorf("feed of %s: read open runs: %w", f.org, err)
	}
	f.joinRuns(runs)
	return stop, nil
}

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

func (f *feed) stop() {
	f.cancel()
	<-f.done
}

// post hands a function to the loop; it is dropped where the feed has ended.
// It waits while the mailbox is full: the bus then keeps the rest, or loses it,
// which is a hole like any other.
func (f *feed) post(fn func()) bool {
	select {
	case f.mailbox <- fn:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// do runs fn on the loop and waits for it; false where the feed has ended. Never
// called from the loop.
func (f *feed) do(fn func()) bool {
	ran := make(chan struct{})
	if !f.post(func() { fn(); close(ran) }) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-f.done:
		return false
	}
}

func (f *feed) loop() {
	// The heads are asked for at a spread phase, so that feeds do not ask together.
	ticker := time.NewTicker(headInterval*9/10 + f.h.jitter(headInterval/5))
	defer ticker.Stop()
	for {
		select {
		case fn := <-f.mailbox:
			fn()
		case <-ticker.C:
			f.tick()
		case <-f.ctx.Done():
			return
		}
	}
}

// tick asks the store for the head, off the loop, and lets go of what is old.
func (f *feed) tick() {
	now := f.h.cfg.Now()
	for id, at := range f.ended {
		if now.Sub(at) > time.Minute {
			delete(f.ended, id)
		}
	}
	if f.asking {
		return
	}
	f.asking = true
	f.wg.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx, 5*headInterval)
		defer cancel()
		head, err := f.h.cfg.Store.Head(ctx, f.org)
		// What was committed just now is still on its way: it is no hole yet.
		select {
		case <-time.After(headGrace):
		case <-ctx.Done():
		}
		f.post(func() { f.headIs(head, err) })
	})
}

// headIs compares what was applied with what the store says: more means a hole,
// less that the store is not the one it was.
func (f *feed) headIs(head parley.Position, err error) {
	f.asking = false
	switch {
	case err != nil:
		f.stall(err)
	case head.Offset > f.applied.Offset:
		f.fill(head.Offset)
	default:
		// The feed may have gone on meanwhile; only the store can say whether what it
		// applied is still there.
		f.recovered()
		if head != f.applied {
			f.verify()
		}
	}
}

// verify asks the store whether what was applied is still of its log.
func (f *feed) verify() {
	if f.verifying {
		return
	}
	f.verifying = true
	applied := f.applied
	f.wg.Go(func() {
		q := parley.ReplayQuery{Org: f.org}
		err := f.h.cfg.Store.CheckCursor(f.ctx, q, applied)
		head, headErr := f.h.cfg.Store.Head(f.ctx, f.org)
		f.post(func() {
			f.verifying = false
			if errors.Is(err, parley.ErrCursor) && headErr == nil && f.applied == applied {
				f.reload(head, "the log was restored")
			}
		})
	})
}

// reload starts again at the store's head and tells every listener that
// something was lost for good.
func (f *feed) reload(head parley.Position, reason string) {
	f.h.cfg.Logger.Error("the store's log is not the one that was told; every connection is told to reload",
		"org", f.org, "applied", f.applied.Offset, "head", head.Offset)
	f.applied, f.target = head, 0
	f.pages++
	f.ring = nil
	clear(f.conversations)
	clear(f.runs)
	clear(f.ended)
	for l := range f.listeners {
		l.reload(head, reason)
	}
	f.wg.Go(func() {
		// Where the store is away, the runs are found by their next deltas.
		if runs, err := f.h.cfg.Store.OpenRuns(f.ctx, f.org); err == nil {
			f.post(func() { f.joinRuns(runs) })
		}
	})
}

func (f *feed) stall(err error) {
	if !f.stalled && f.ctx.Err() == nil {
		f.stalled = true
		f.h.StalledOrgs.Add(1)
		f.h.cfg.Logger.Warn("telling of durable events waits for the store", "org", f.org, "error", err)
	}
}

func (f *feed) recovered() {
	if f.stalled {
		f.stalled = false
		f.h.StalledOrgs.Add(-1)
		f.h.cfg.Logger.Info("telling of durable events goes on", "org", f.org)
	}
}

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
		if err := f.apply(e); err != nil {
			f.stall(err)
			f.fill(at.Offset)
		}
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
	for _, e := range p.events {
		if err == nil {
			err = f.apply(e)
		}
	}
	if err != nil {
		f.stall(err)
		f.retryPage()
		return
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

// apply tells the next durable event. On an error nothing has changed and the
// event is to be applied again.
func (f *feed) apply(e *parley.Event) error {
	m, err := f.membersFor(e)
	if err != nil {
		return err
	}
	f.applied = e.Position
	f.h.Applied.Add(1)
	en := &entry{event: e}
	if m != nil {
		m.learn(e)
		f.endRun(en)
	}
	f.keep(en)
	f.tell(en, m)
	if m != nil {
		f.releaseHeld(m)
	}
	f.wakeAhead()
	return nil
}

// wakeAhead lets the listeners go on whose place the feed has come to.
func (f *feed) wakeAhead() {
	for l := range f.ahead {
		l.mu.Lock()
		if l.at.Offset <= f.applied.Offset {
			delete(f.ahead, l)
			l.signal()
		}
		l.mu.Unlock()
	}
}

// keep adds an entry to the ring.
func (f *feed) keep(en *entry) {
	if limit := max(f.h.cfg.Limits.RingEvents, 1); len(f.ring) >= 2*limit {
		f.ring = append(make([]*entry, 0, 2*limit), f.ring[len(f.ring)-limit:]...)
	}
	f.ring = append(f.ring, en)
}

// ringAfter returns up to n entries after an offset; false where the ring does
// not reach back that far.
func (f *feed) ringAfter(offset uint64, n int) ([]*entry, bool) {
	if len(f.ring) == 0 || f.ring[0].event.Position.Offset > offset+1 {
		return nil, false
	}
	// Offsets are contiguous but for erased ones: no entry lies further on than this.
	i := min(int(offset+1-f.ring[0].event.Position.Offset), len(f.ring))
	for i > 0 && f.ring[i-1].event.Position.Offset > offset {
		i--
	}
	rest := f.ring[i:]
	return append([]*entry(nil), rest[:min(n, len(rest))]...), true
}

// membersFor returns what is known of the event's conversation before it is
// applied; nil for an event that has none.
func (f *feed) membersFor(e *parley.Event) (*members, error) {
	if e.Conversation.IsZero() {
		return nil, nil
	}
	m := f.peek(e.Conversation)
	if m != nil && (e.Class != parley.Durable || e.ChangeSeq <= m.through+1) {
		return m, nil
	}
	if m != nil {
		return m, f.reread(e.Conversation, m) // what came between was erased
	}
	if e.Type == parley.ConversationCreated {
		m := &members{stays: map[parley.PrincipalID][]parley.Membership{}}
		f.remember(e.Conversation, m)
		return m, nil
	}
	ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
	defer cancel()
	m, err := loadMembers(ctx, f.h.cfg.Store, f.org, e.Conversation)
	if err != nil {
		return nil, err
	}
	if e.Class != parley.Durable {
		if err := f.placeOf(ctx, e.Conversation, m); err != nil {
			return nil, err
		}
	}
	f.remember(e.Conversation, m)
	return m, nil
}

// reread brings the stays of a conversation up to date with the store.
func (f *feed) reread(id parley.ConversationID, m *members) error {
	ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
	defer cancel()
	now, err := loadMembers(ctx, f.h.cfg.Store, f.org, id)
	if err == nil {
		m.kind, m.stays, m.through = now.kind, now.stays, now.through
	}
	return err
}

// placeOf finds the change_seq that the feed has applied of a conversation it
// has not met before. It stays zero where the conversation's last event is still
// to come: that one will say.
func (f *feed) placeOf(ctx context.Context, id parley.ConversationID, m *members) error {
	last, err := f.h.cfg.Store.LastOffset(ctx, f.org, parley.ConversationKey(id))
	if err != nil || last == 0 || last > f.applied.Offset {
		return err
	}
	events, err := f.h.cfg.Store.ReadLog(ctx, f.org, last-1, last, 1)
	if err != nil {
		return err
	}
	m.applied = m.through
	for _, e := range events {
		m.applied = e.ChangeSeq
	}
	return nil
}

// peek returns what is known of a conversation, or nil.
func (f *feed) peek(id parley.ConversationID) *members {
	m := f.conversations[id]
	if m != nil {
		m.used = f.h.cfg.Now()
	}
	return m
}

func (f *feed) remember(id parley.ConversationID, m *members) {
	m.used = f.h.cfg.Now()
	if len(f.conversations) >= maxConversations {
		// Of a handful met by chance, the one unused for longest makes room.
		var oldest parley.ConversationID
		n := 0
		for other, o := range f.conversations {
			if len(o.held) == 0 && (oldest.IsZero() || o.used.Before(f.conversations[oldest].used)) {
				oldest = other
			}
			if n++; n == 8 {
				break
			}
		}
		delete(f.conversations, oldest)
	}
	f.conversations[id] = m
}

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
	m, err := f.membersFor(e)
	if err != nil {
		return // nobody hears it; a run's text is asked for again by the next delta
	}
	if m != nil && e.ChangeSeq > m.applied {
		if len(m.held) < maxHeld {
			m.held = append(m.held, e)
		}
		return
	}
	f.tellLive(e, m)
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
// began: its beginning is then held like any other event that comes too early.
func (f *feed) begun(r *run) *members {
	if r.unknown {
		return nil
	}
	m, err := f.membersFor(r.start)
	if err != nil {
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
