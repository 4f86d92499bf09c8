package hub

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	parley "github.com/parley-chat/parley"
)

// ListenerConfig is what a Conn attaches with.
type ListenerConfig struct {
	Principal parley.Principal
	Dialect   string // one of Config.Dialects by name
	// Origin identifies the Conn, so that it is not told what it said itself; empty
	// where the surface tells senders too.
	Origin string
	// Wake is called when Next has something; it must not block or call the listener.
	Wake func()
	// Interest is what it asks for from the beginning.
	Interest parley.Interest
	// Resume says that a cursor was named. Output is then held until Resume is
	// called, or told from the cursor at once where Complete says that Interest is all
	// there is to know.
	Resume   bool
	Cursor   string
	Complete bool
	// AckCursors says that acknowledgements carry the cursor; TellCursors that one
	// which moved unheard is told: the client named a cursor.
	AckCursors, TellCursors bool
}

// state is where a listener stands to its feed.
type state uint8

const (
	held    state = iota // has a place, but its interests are not known yet
	waiting              // has a place, and waits for the history of a conversation
	behind               // reads pages after its place
	live                 // the feed pushes
	gone
)

// Listener is the hub's side of one Conn. Its commands (Resume, Subscribe, …)
// are called by the Conn's reader, Next by its writer, one call of Next at a time.
type Listener struct {
	hub                     *Hub
	feed                    *feed
	dialect                 int
	org                     parley.OrgID
	who                     atomic.Pointer[identity]
	origin                  string
	wake                    func()
	ackCursors, tellCursors bool

	// imu guards interests; it may be taken while mu is held, never the other way.
	imu       sync.RWMutex
	interests interests

	mu    sync.Mutex
	state state
	// at: everything at or below it was handed to the writer, or does not concern
	// this listener.
	at   parley.Position
	told parley.Position // the last cursor that went out
	// turn counts what sends the listener to another place or state: a page that was
	// read in an earlier one is not told.
	turn uint64
	// queue is owed in this order while live; replies are owed at once while not.
	queue   []item
	replies []item
	// runs says how much of each open run's text was told.
	runs map[parley.RunID]int
	// resumed is the offset the Conn resumed from: runs that began at or before it
	// had been heard to begin.
	resumed    uint64
	hasResumed bool
	// unended are runs whose message was not told because their end will be, answered
	// those whose end will not be because their message was: on surfaces that end
	// streams.
	unended, answered map[parley.RunID]struct{}
	// skip are the messages that were told as history.
	skip map[parley.ConversationID]seqs

	// Owned by Next.
	known map[parley.ConversationID]*members // while behind
}

// item is one thing owed to a listener.
type item struct {
	entry *entry
	view  parley.View
	run   *run         // with no entry: bring the listener up to upTo of the run's text
	upTo  int          // forgotten: it no longer asks for the run
	reply parley.Reply // with no entry
	at    parley.Position
}

// forgotten, as a run item's upTo, says that what was told of it is forgotten.
const forgotten = -1

// Attach makes a listener; Next may have something at once. The error wraps
// parley.ErrUnavailable, or is ErrClosed.
func (h *Hub) Attach(cfg ListenerConfig) (*Listener, error) {
	f, err := h.feedOf(cfg.Principal.Org)
	if err != nil {
		return nil, fmt.Errorf("attach: %w: %w", parley.ErrUnavailable, err)
	}
	l := &Listener{
		hub: h, feed: f, dialect: h.index[cfg.Dialect], org: cfg.Principal.Org, origin: cfg.Origin, wake: cfg.Wake,
		ackCursors: cfg.AckCursors, tellCursors: cfg.TellCursors, state: live, runs: map[parley.RunID]int{},
	}
	l.who.Store(newIdentity(cfg.Principal))
	at, reason, err := l.resumePlace(&cfg)
	if err != nil {
		h.release(f)
		return nil, err
	}
	if !f.do(func() { l.register(&cfg, at, reason) }) {
		h.release(f)
		return nil, ErrClosed
	}
	h.Listeners.Add(1)
	return l, nil
}

// resumePlace reads the cursor that was named. One that is not of this log gives
// the reason to reload instead of a place. An empty one starts at now.
func (l *Listener) resumePlace(cfg *ListenerConfig) (at parley.Position, reason string, err error) {
	if !cfg.Resume || cfg.Cursor == "" {
		return parley.Position{}, "", nil
	}
	at, err = parley.ParseCursor(cfg.Cursor)
	if err == nil {
		err = l.hub.cfg.Store.CheckCursor(l.feed.ctx, parley.ReplayQuery{Org: l.org}, at)
	}
	if err == nil {
		err = l.recallOutcome(at)
	}
	if errors.Is(err, parley.ErrCursor) {
		return parley.Position{}, "the cursor is not of this log", nil
	}
	return at, "", err
}

// recallOutcome looks whether the last thing that the client was told is the
// message of a run: the run's end, which comes after it, is then not to be told
// besides (contracts.md section 10, bot surface).
func (l *Listener) recallOutcome(at parley.Position) error {
	if !l.hub.traits[l.dialect].endsStreams || at.Offset == 0 {
		return nil
	}
	events, err := l.hub.cfg.Store.ReadLog(l.feed.ctx, l.org, at.Offset-1, at.Offset, 1)
	for _, e := range events {
		if b, ok := e.Body.(*parley.MessageBody); ok && b.Run != nil && e.Type == parley.MessageCreated {
			mark(&l.answered, b.Run.ID)
		}
	}
	return err
}

// mark puts a run into a set.
func mark(set *map[parley.RunID]struct{}, id parley.RunID) {
	if *set == nil {
		*set = map[parley.RunID]struct{}{}
	}
	(*set)[id] = struct{}{}
}

// register runs on the feed's loop.
func (l *Listener) register(cfg *ListenerConfig, at parley.Position, reason string) {
	f := l.feed
	f.listeners[l] = struct{}{}
	id := l.who.Load().ID
	if f.byPrincipal[id] == nil {
		f.byPrincipal[id] = map[*Listener]struct{}{}
	}
	f.byPrincipal[id][l] = struct{}{}
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = f.applied
	switch {
	case reason != "":
		l.push(item{reply: l.reloadReply(reason), at: f.applied})
	case cfg.Resume && cfg.Cursor != "":
		l.at, l.resumed, l.hasResumed = at, at.Offset, true
		l.state = held
		if cfg.Complete {
			l.state = behind
		}
	}
	l.told = l.at
	l.want("", &cfg.Interest, l.at.Offset)
	l.index()
}

// want adds an interest.
func (l *Listener) want(ref string, i *parley.Interest, since uint64) {
	l.imu.Lock()
	l.interests.add(ref, i, since)
	l.imu.Unlock()
}

// index enters the listener where events that belong to no conversation, or to
// one it is not in, are looked up. On the loop, under mu.
func (l *Listener) index() {
	l.imu.RLock()
	wide := len(l.interests.channels) > 0 || len(l.interests.patterns) > 0
	l.imu.RUnlock()
	enter(l.feed.wide, l, wide)
	enter(l.feed.readers, l, l.readsOrg(l.who.Load()))
}

func enter(set map[*Listener]struct{}, l *Listener, in bool) {
	if in {
		set[l] = struct{}{}
	} else {
		delete(set, l)
	}
}

// Detach ends the listener; nothing is told to it afterwards. Idempotent.
func (l *Listener) Detach() {
	l.mu.Lock()
	was := l.state
	l.state = gone
	l.queue, l.replies = nil, nil
	l.mu.Unlock()
	if was == gone {
		return
	}
	f := l.feed
	f.do(func() {
		delete(f.listeners, l)
		delete(f.wide, l)
		delete(f.readers, l)
		delete(f.ahead, l)
		id := l.who.Load().ID
		if set := f.byPrincipal[id]; set != nil {
			delete(set, l)
			if len(set) == 0 {
				delete(f.byPrincipal, id)
			}
		}
	})
	l.hub.Listeners.Add(-1)
	l.hub.release(f)
}

// Principal is who listens.
func (l *Listener) Principal() *parley.Principal { return &l.who.Load().Principal }

// Refresh takes over a refreshed token's principal: same subject and org.
func (l *Listener) Refresh(p parley.Principal) {
	l.feed.do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.who.Store(newIdentity(p))
		l.index()
	})
}

// Held reports whether the listener waits for Resume.
func (l *Listener) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == held
}

// Resume gives a held listener all its interests and lets the replay begin; acks
// go out before it. On a listener that is not held it is a Subscribe.
func (l *Listener) Resume(subs []parley.Subscribe, acks []parley.Reply) {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		since := l.feed.applied.Offset
		if l.state == held {
			since = l.at.Offset
		}
		for i := range subs {
			l.want(subs[i].Ref, &subs[i].Interest, since)
		}
		l.index()
		for _, r := range acks {
			l.push(item{reply: r, at: l.feed.applied})
		}
		if l.state == held {
			l.state = behind
		}
		l.signal()
	})
}

// GiveUp lets a held listener go on at now: it did not resume.
func (l *Listener) GiveUp() {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state != held {
			return
		}
		l.hasResumed = false
		if l.at.Offset > l.feed.applied.Offset {
			l.state = behind // what comes until its feed is there it has heard elsewhere
		} else {
			l.at = l.feed.applied
			l.goLive()
		}
		l.signal()
	})
}

// goLive makes the listener live, with the replies that it is owed first. On the
// loop, under mu.
func (l *Listener) goLive() {
	l.state = live
	l.turn++
	l.queue, l.replies = append(l.queue, l.replies...), nil
}

// Subscribe adds an interest that holds from now on; ack, where not nil, goes out
// before the first event it brings.
func (l *Listener) Subscribe(sub *parley.Subscribe, ack parley.Reply) {
	l.feed.do(func() {
		defer l.oweRuns()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.want(sub.Ref, &sub.Interest, l.feed.applied.Offset)
		l.index()
		if ack != nil {
			l.push(item{reply: ack, at: l.feed.applied})
		}
		l.signal()
	})
}

// SubscribeWithHistory adds an interest in one conversation, with its messages
// after sub.AfterSeq told first: history reads them, ascending, and what it
// returned is not told again. It runs off the feed's loop, after the interest holds, so that
// nothing falls between history and what is live.
func (l *Listener) SubscribeWithHistory(sub *parley.Subscribe, ack parley.Reply, history func() ([]parley.Message, error)) error {
	id := sub.Interest.Conversations[0]
	l.feed.do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state == gone {
			return
		}
		l.want(sub.Ref, &sub.Interest, l.feed.applied.Offset)
		l.forget()
		l.state = waiting
		l.push(item{reply: ack, at: l.at})
		l.signal()
	})
	messages, err := history()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != waiting {
		return err
	}
	if l.skip == nil {
		l.skip = map[parley.ConversationID]seqs{}
	}
	l.skip[id] = l.skip[id].with(messages)
	for i := range messages {
		l.push(item{reply: parley.History{Message: &messages[i]}})
	}
	l.state = behind
	l.signal()
	return err
}

// Unsubscribe takes an interest back; ack goes out after what was owed before.
func (l *Listener) Unsubscribe(un *parley.Unsubscribe, ack parley.Reply) {
	l.feed.do(func() {
		l.mu.Lock()
		if l.state == gone {
			l.mu.Unlock()
			return
		}
		l.imu.Lock()
		l.interests.remove(un.Ref, &un.Interest)
		l.imu.Unlock()
		l.index()
		l.mu.Unlock()
		hears := l.hears()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forgetRuns(hears)
		l.push(item{reply: ack, at: l.at})
		l.signal()
	})
}

// forgetRuns lets go of the open runs that the listener does not hear: should it
// ask again, it is told them from their beginning. On the loop, under mu.
func (l *Listener) forgetRuns(hears []*run) {
	for _, r := range l.feed.runs {
		if r.unknown || slices.Contains(hears, r) {
			continue
		}
		if l.state == live { // after what is owed of it
			l.push(item{run: r, upTo: forgotten})
		} else {
			delete(l.runs, r.id())
		}
	}
}

// Interests is how many things the listener asks for.
func (l *Listener) Interests() int {
	l.imu.RLock()
	defer l.imu.RUnlock()
	return l.interests.size()
}

// Names reports whether the listener named the conversation.
func (l *Listener) Names(id parley.ConversationID) bool {
	l.imu.RLock()
	defer l.imu.RUnlock()
	_, ok := l.interests.conversations[id]
	return ok
}

// Say owes the client a reply, after what it is owed already.
func (l *Listener) Say(r parley.Reply) {
	l.mu.Lock()
	l.push(item{reply: r, at: l.at})
	l.signal()
	l.mu.Unlock()
}

// TellCursor owes the client its cursor where that moved without anything to
// hear. The Conn calls it at most every Limits.CursorInterval.
func (l *Listener) TellCursor() {
	l.feed.post(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state != live || len(l.queue) > 0 || len(l.unended) > 0 || l.feed.applied.Offset <= l.at.Offset {
			return
		}
		// All up to here was told or does not concern it: should it fall behind, it
		// needs not read that again.
		l.at = l.feed.applied
		for id := range l.runs {
			if l.feed.runs[id] == nil {
				delete(l.runs, id) // ended, where it could not hear it
			}
		}
		if l.tellCursors && l.at != l.told {
			l.push(item{reply: parley.CursorMoved{Time: l.hub.cfg.Now()}, at: l.at})
			l.signal()
		}
	})
}

// offer gives a live listener an entry if it is to hear it. On the loop.
func (l *Listener) offer(en *entry, m *members) {
	v := l.heard(en, m)
	if !v.told {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != live || en.event.Class == parley.Durable && en.event.Position.Offset <= l.at.Offset {
		return
	}
	if len(l.queue) >= l.hub.cfg.Limits.QueueFrames {
		l.hub.FellBehind.Add(1)
		l.forget()
		l.state = behind
		l.signal()
		return
	}
	l.push(item{entry: en, view: v.view})
	l.signal()
}

// forget lets go of what is owed but replies: it will be read again from the
// listener's place. Under mu.
func (l *Listener) forget() {
	l.turn++
	for _, it := range l.queue {
		if it.reply != nil {
			it.at = parley.Position{}
			l.replies = append(l.replies, it)
		}
	}
	l.queue = nil
}

// hears lists the open runs that the listener is to hear now, in the order of
// their ids. On the loop, without mu: it may read the store.
func (l *Listener) hears() []*run {
	var runs []*run
	for _, r := range l.feed.runs {
		if m := l.feed.begun(r); m != nil && l.heard(r.opening, m).told {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b *run) int { x, y := a.id(), b.id(); return bytes.Compare(x[:], y[:]) })
	return runs
}

// oweRuns owes a live listener the beginning and text of the open runs that it
// hears and was not told of yet. On the loop, without mu.
func (l *Listener) oweRuns() {
	if len(l.feed.runs) == 0 {
		return
	}
	runs := l.hears()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != live {
		return
	}
	for _, r := range runs {
		text, _ := r.known()
		if n, begun := l.runs[r.id()]; !begun || n < len(text) {
			l.push(item{run: r, upTo: len(text)})
			l.signal()
		}
	}
}

// reload tells the listener that something is gone for good, and goes on at
// head. On the loop.
func (l *Listener) reload(head parley.Position, reason string) {
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == gone {
		return
	}
	l.hub.Reloads.Add(1)
	l.forget()
	if l.state == behind || l.state == live {
		l.goLive()
	}
	l.at, l.told, l.hasResumed = head, head, false
	clear(l.runs)
	clear(l.unended)
	clear(l.answered)
	clear(l.skip)
	l.push(item{reply: l.reloadReply(reason), at: head})
	l.signal()
}

func (l *Listener) reloadReply(reason string) parley.Reply {
	r := parley.Reload{Time: l.hub.cfg.Now(), Reason: reason}
	l.imu.RLock()
	defer l.imu.RUnlock()
	for id := range l.interests.conversations {
		r.Subscriptions = append(r.Subscriptions, id)
	}
	return r
}

// push owes an item. Under mu.
func (l *Listener) push(it item) {
	switch l.state {
	case gone:
	case live:
		l.queue = append(l.queue, it)
	default:
		it.at = parley.Position{}
		l.replies = append(l.replies, it)
	}
}

// signal wakes the writer. Under mu.
func (l *Listener) signal() {
	if l.state != gone && l.wake != nil {
		l.wake()
	}
}
