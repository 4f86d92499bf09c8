package hub

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	parley "github.com/parley-chat/parley"
)

// ListenerConfig is what a Conn attaches with.
type ListenerConfig struct {
	Principal *parley.Principal
	Dialect   string // one of Config.Dialects by name
	// Origin identifies the Conn, so that it is not told what it said itself; empty
	// where the surface tells senders too.
	Origin string
	// Writer writes what Next and Ready give.
	Writer Writer
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
	behind               // is given pages after its place
	live                 // the feed pushes
	gone
)

// Listener is the hub's side of one Conn. Its commands (Resume, Subscribe, …)
// are called by the Conn's reader, Next and Ready by its writer, one at a time.
type Listener struct {
	// What the loop looks at for every event comes first: the memory of a listener
	// that was not spoken to lately is far away.
	feed                    *feed
	serial                  uint64 // of the last event it was considered for; the loop's
	origin                  string
	dialect                 int
	rights                  rights // of who; the loop's
	ackCursors, tellCursors bool

	// imu guards interests for those who are not the feed's loop, which alone changes
	// them; it may be taken while mu is held, never the other way.
	interests interests
	imu       sync.RWMutex

	mu         sync.Mutex
	state      state
	signalled  bool // the writer was told to come
	hasResumed bool
	ahead      bool   // it is behind only in name: the feed has to come to its place first
	turn       uint32 // counts what sends it to another place or state: a page of an earlier turn is not told
	owed       int    // bytes of frames in queue
	// queue is owed in this order.
	queue []item
	// replies are owed before it, while not live.
	replies []item
	// at: everything at or below it was handed to the writer, or does not concern
	// this listener.
	at   parley.Position
	read parley.Position // the same of what is in queue too, while behind
	told parley.Position // the last cursor that went out
	// runs says how much of each open run's text was told.
	runs map[parley.RunID]int
	// resumed is the offset the Conn resumed from: runs that began at or before it
	// had been heard to begin.
	resumed uint64
	past    *past // nil for nothing

	who    atomic.Pointer[identity]
	out    Writer
	person *person // the loop's

	// known is owned by Next: what was read of conversations while it reads the store.
	known map[parley.ConversationID]*ownStays
}

// past is what a listener remembers of what it was told, where that is not to be
// told again. Guarded by Listener.mu.
type past struct {
	// unended are runs whose message was not told because their end will be, answered
	// those whose end will not be because their message was: on surfaces that end
	// streams.
	unended, answered map[parley.RunID]bool
	// skip are the messages that were told as history.
	skip map[parley.ConversationID]history
}

// remembers returns the listener's past, to be added to. Under mu.
func (l *Listener) remembers() *past {
	if l.past == nil {
		l.past = &past{}
	}
	return l.past
}

// unended reports whether there is a run whose end is owed to a client that was
// not told its message. Under mu.
func (l *Listener) unended() bool { return l.past != nil && len(l.past.unended) > 0 }

// Attach makes a listener; Next may have something at once. The error wraps
// parley.ErrUnavailable, or is ErrClosed.
func (h *Hub) Attach(cfg ListenerConfig) (*Listener, error) {
	f, err := h.feedOf(cfg.Principal.Org)
	if err != nil {
		return nil, fmt.Errorf("attach: %w: %w", parley.ErrUnavailable, err)
	}
	l := &Listener{
		feed: f, dialect: h.index[cfg.Dialect], origin: cfg.Origin, out: cfg.Writer,
		ackCursors: cfg.AckCursors, tellCursors: cfg.TellCursors, state: live,
	}
	l.is(cfg.Principal)
	if err := l.enter(&cfg); err != nil {
		h.release(f)
		return nil, err
	}
	h.Listeners.Add(1)
	return l, nil
}

// is sets who listens. On the loop, once the listener is registered.
func (l *Listener) is(p *parley.Principal) {
	who := newIdentity(p)
	l.who.Store(who)
	l.rights = who.rights
}

// enter registers the listener at the place it named, or at now.
func (l *Listener) enter(cfg *ListenerConfig) error {
	place := resumption{}
	if cfg.Resume && cfg.Cursor != "" {
		place.at, place.named = parley.Position{}, true
		at, err := parley.ParseCursor(cfg.Cursor)
		if err != nil {
			place.reload = cursorUnknown
		}
		place.at = at
	}
	f := l.feed
	for asked := false; ; {
		var k lacks
		var filled <-chan struct{}
		if !f.do(func() {
			switch k = l.lacks(&place); {
			case !k.any():
				f.shareBlocks(l.who.Load().ID)
				l.register(cfg, place)
			case k.place && !asked:
				filled = f.reachBack(place.at.Offset)
			}
			if filled == nil && k.blocks && !f.orgBlocks.asked {
				f.orgBlocks.asked, k.orgBlocks = true, true
			}
		}) {
			return ErrClosed
		}
		if !k.any() {
			return nil
		}
		if asked = true; filled != nil {
			f.await(filled)
			continue
		}
		found, err := l.lookUp(&place, &k)
		if err != nil {
			if k.orgBlocks {
				f.do(func() { f.orgBlocks.asked = false })
			}
			return err
		}
		again := false
		if !f.do(func() {
			if again = k.outdated(f); !again {
				l.learns(&k, &found)
				if again = !f.knowsBlocks(l.who.Load().ID); !again {
					f.shareBlocks(l.who.Load().ID)
					l.register(cfg, place)
				}
			} else if k.orgBlocks {
				f.orgBlocks.asked = false
			}
		}) {
			return ErrClosed
		}
		if !again {
			return nil
		}
	}
}

// lacks is what only the store can say before a listener is registered.
type lacks struct {
	place, blocks bool
	orgBlocks     bool // all blocks of the org are to be read: nobody has, since the feed began
	// The state of the feed by which what the store says is still true.
	log, blockings uint64
}

func (k *lacks) any() bool { return k.place || k.blocks }

// outdated reports whether what was looked up says nothing any more: the log was
// restored meanwhile, or somebody's blocks have changed. On the loop.
func (k *lacks) outdated(f *feed) bool {
	return f.restored != k.log || k.blocks && f.blockings != k.blockings
}

// lacks says what the feed does not know of the listener. On the loop.
func (l *Listener) lacks(place *resumption) lacks {
	f := l.feed
	return lacks{
		place:  place.named && place.reload == "" && !l.recognize(place),
		blocks: !f.knowsBlocks(l.who.Load().ID),
		log:    f.restored, blockings: f.blockings,
	}
}

// found is what the store said of blocks.
type found struct {
	blocked *blocks   // of the listener's principal
	org     orgBlocks // where they were asked for; of is nil where they are too many
}

// lookUp asks the store for what is lacking.
func (l *Listener) lookUp(place *resumption, k *lacks) (r found, err error) {
	f := l.feed
	if k.place {
		err = l.lookUpPlace(place)
	}
	if err == nil && k.orgBlocks {
		r.org, err = f.readOrgBlocks(f.ctx)
	}
	if err == nil && k.blocks && r.org.of == nil {
		r.blocked, err = f.readBlocks(f.ctx, l.who.Load().ID)
	}
	return r, err
}

// learns has the feed know what was found of blocks. On the loop.
func (l *Listener) learns(k *lacks, r *found) {
	switch {
	case r.org.of != nil:
		l.feed.orgBlocks = r.org
	case k.blocks:
		l.feed.person(l.who.Load().ID).knows(r.blocked)
	}
}

// resumption is the place that a listener named.
type resumption struct {
	named  bool
	at     parley.Position
	reload string // why it is none
	// outcome is the run whose message is at the place; zero for none.
	outcome parley.RunID
}

const cursorUnknown = "the cursor is not of this log"

// recognize checks a place by what the feed remembers; false where only the store
// can say. On the loop.
func (l *Listener) recognize(r *resumption) bool {
	known, en, ok := l.feed.positionAt(r.at.Offset)
	if !ok || known != r.at || l.endsStreams() && r.at.Offset != 0 && (en == nil || en.missing) {
		return false
	}
	if en != nil {
		r.outcome = outcomeOf(en.event)
	}
	return true
}

// lookUpPlace checks a place by the store. One that is not of this log gives the
// reason to reload.
func (l *Listener) lookUpPlace(r *resumption) error {
	f, store := l.feed, l.feed.h.cfg.Store
	err := store.CheckCursor(f.ctx, parley.ReplayQuery{Org: f.org}, r.at)
	if err == nil && l.endsStreams() && r.at.Offset > 0 {
		var events []*parley.Event
		events, err = store.ReadLog(f.ctx, f.org, r.at.Offset-1, r.at.Offset, 1)
		for _, e := range events {
			r.outcome = outcomeOf(e)
		}
	}
	if errors.Is(err, parley.ErrCursor) {
		r.reload = cursorUnknown
		return nil
	}
	return err
}

func (l *Listener) endsStreams() bool { return l.feed.h.traits[l.dialect].endsStreams }

// outcomeOf returns the run that an event tells the message of: the run's end,
// which comes after it, is not to be told besides to who was told the message last
// (contracts.md section 10, bot surface).
func outcomeOf(e *parley.Event) (run parley.RunID) {
	if b, ok := e.Body.(*parley.MessageBody); ok && b.Run != nil && e.Type == parley.MessageCreated {
		run = b.Run.ID
	}
	return run
}

// register runs on the feed's loop.
func (l *Listener) register(cfg *ListenerConfig, place resumption) {
	f := l.feed
	l.person = f.person(l.who.Load().ID)
	l.person.comes(f, l)
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = f.applied
	switch {
	case place.reload != "":
		l.say(item{what: l.reloadReply(place.reload), at: f.applied})
		l.signal()
	case place.named:
		l.at, l.resumed, l.hasResumed = place.at, place.at.Offset, true
		if place.outcome != (parley.RunID{}) && l.endsStreams() {
			p := l.remembers()
			p.answered = including(p.answered, place.outcome)
		}
		l.state = held
		if cfg.Complete {
			l.state = behind
		}
	}
	l.told, l.read = l.at, l.at
	l.want("", &cfg.Interest, l.at.Offset)
	l.index()
	if l.state == behind {
		l.refill()
		l.signal()
	}
}

// index enters the listener among those who hear conversations that they are not
// in, where it may. On the loop.
func (l *Listener) index() {
	if l.readsOrg(l.who.Load().rights) {
		l.feed.readers[l] = struct{}{}
	} else {
		delete(l.feed.readers, l)
	}
}

// Detach ends the listener; nothing is told to it afterwards. Idempotent.
func (l *Listener) Detach() {
	l.mu.Lock()
	was := l.state
	l.state = gone
	l.queue, l.replies = nil, nil
	l.answered()
	l.mu.Unlock()
	if was == gone {
		return
	}
	f := l.feed
	f.do(func() {
		l.wantNothing()
		delete(f.readers, l)
		delete(f.ahead, l)
		l.person.goes(f, l)
	})
	l.feed.h.Listeners.Add(-1)
	l.feed.h.release(f)
}

// Principal is who listens.
func (l *Listener) Principal() *parley.Principal { return l.who.Load().Principal }

// reload tells the listener that something is gone for good, and goes on at
// head. On the loop.
func (l *Listener) reload(head parley.Position, reason string) {
	defer l.oweRuns()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == gone {
		return
	}
	l.feed.h.Reloads.Add(1)
	l.forget()
	// Before the replies that are owed: the cursor in them is a place that only who has
	// reloaded may come back to.
	l.replies = slices.Insert(l.replies, 0, item{what: l.reloadReply(reason)})
	if l.state == behind || l.state == live {
		l.goLive()
	}
	l.at, l.read, l.told, l.hasResumed, l.ahead = head, head, head, false, false
	l.runs, l.past = nil, nil
	l.signal()
}

func (l *Listener) reloadReply(reason string) parley.Reply {
	r := parley.Reload{Time: l.feed.h.cfg.Now(), Reason: reason}
	l.imu.RLock()
	defer l.imu.RUnlock()
	for _, s := range l.interests.named {
		if s.group.kind == conversationName {
			r.Subscriptions = append(r.Subscriptions, s.group.id)
		}
	}
	return r
}
