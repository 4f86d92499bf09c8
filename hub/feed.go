package hub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/turn"
)

// feed applies one org's log on this node, serially. Everything below the
// mailbox is owned by its loop, which never waits for the store; others reach it
// with do.
type feed struct {
	h   *Hub
	org parley.OrgID

	users int           // guarded by Hub.mu
	empty *time.Timer   // ends the feed when nobody has come back; guarded by Hub.mu
	ready chan struct{} // closed once started, or failed with err
	err   error

	mailbox chan func()
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	wg      sync.WaitGroup // what the loop had done elsewhere: reads of the store, requests

	applied       parley.Position
	ring          ring
	reach         reach
	persons       map[parley.PrincipalID]*person
	known         uint32                 // counts persons
	present       []*person              // those who listen here
	readers       map[*Listener]struct{} // hear conversations they are not in: org:read
	ahead         map[*Listener]struct{} // resumed with a cursor of a node that had applied more
	groups        groups
	patterns      trie // of the groups that are patterns
	conversations map[parley.ConversationID]*members
	loads         map[parley.ConversationID]*load // conversations that are being read
	asked         map[parley.ConversationID]bool  // that one listener asked for and are not in memory
	runs          map[parley.RunID]*run
	ended         map[parley.RunID]time.Time // runs that ended lately: their late deltas are dropped
	target        uint64                     // a hole is being filled up to here; 0 where there is none
	parked        *logPage                   // waits for a conversation to be read, within a hole
	pages         uint64                     // counts the reads for holes: only the last one's answer is taken
	asking        bool                       // the store is being asked for the head
	verifying     bool                       // or whether what was applied is still of its log
	stalled       bool
	restored      uint64 // counts the times that the log was taken back
	blockings     uint64 // counts the changes of blocks that were applied
	orgBlocks     orgBlocks
	forgotten     uint64 // counts what was deleted or erased and taken out of the ring

	// The event that is told now.
	serial  uint64   // counts them
	called  []*group // what it is called by
	telling telling
	turns   *turn.Turn   // given to others meanwhile; nil until many hear something
	woken   []*Listener  // are owed something since the loop last flushed
	owing   atomic.Int64 // those whose writers were told to come and have not; anyone's
	arenas  [maxDialects][parley.Views]arena

	// Room that is used again and again.
	keys  []*recent
	lists [][]*entry
	page  []*entry
}

const (
	mailboxSize      = 1024
	maxConversations = 50_000
	maxHeld          = 1024 // events held for one conversation
	headInterval     = time.Second
	headGrace        = 100 * time.Millisecond
)

func newFeed(h *Hub, org parley.OrgID) *feed {
	f := &feed{
		h: h, org: org,
		ready: make(chan struct{}), mailbox: make(chan func(), mailboxSize), done: make(chan struct{}),
		persons: map[parley.PrincipalID]*person{},
		readers: map[*Listener]struct{}{}, ahead: map[*Listener]struct{}{},
		conversations: map[parley.ConversationID]*members{}, loads: map[parley.ConversationID]*load{},
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
	defer f.endTurns()
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
	f.weigh(-f.ring.weight)
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
	f.ring.from = f.applied
	runs, err := f.h.cfg.Store.OpenRuns(f.ctx, f.org)
	if err != nil {
		stop()
		return nil, fmt.Errorf("feed of %s: read open runs: %w", f.org, err)
	}
	f.joinRuns(runs)
	return stop, nil
}

// failed reports whether the feed could not be started.
func (f *feed) failed() bool {
	select {
	case <-f.ready:
		return f.err != nil
	default:
		return false
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

// do runs fn on the loop and waits for it, and for those it owes something to be
// woken; false where the feed has ended. Never
// called from the loop.
func (f *feed) do(fn func()) bool {
	ran := make(chan struct{})
	if !f.post(func() { fn(); f.flush(); close(ran) }) {
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
			f.flush()
		case <-ticker.C:
			f.tick()
			f.flush()
		case <-f.ctx.Done():
			return
		}
	}
}
