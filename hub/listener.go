package hub

import (
	"errors"
	"fmt"
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
	skip map[parley.ConversationID]history

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
