package hub

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	parley "github.com/parley-chat/parley"
)

// Store is the part of a parley.Store the hub reads.
type Store interface {
	parley.Reader
	parley.Log
}

// Config is what a Hub is made of. Store, Bus, Dialects and Frame are required.
type Config struct {
	Store    Store
	Bus      parley.Bus
	Dialects []parley.Dialect
	// Frame appends payload to dst as one wire unit of the transport (a WebSocket
	// text frame): it is applied once per encoding, not once per listener.
	Frame  func(dst, payload []byte) []byte
	Limits parley.Limits
	Logger *slog.Logger
	Now    func() time.Time // nil: time.Now
}

// Hub holds the feeds of this node. All methods may be called concurrently.
type Hub struct {
	cfg    Config
	index  map[string]int // dialects by name
	traits []traits
	Counters

	sizes      sizes
	processors int                               // that goroutines run on
	jitter     func(time.Duration) time.Duration // a random part of it

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	ringWeight atomic.Int64  // of all rings
	reads      chan struct{} // holds one for each page that is being read from the store

	mu        sync.Mutex
	feeds     map[parley.OrgID]*feed
	lingering int // feeds that nobody uses now
	closed    bool
}

// Counters say what the hub did since it began.
type Counters struct {
	Applied     atomic.Uint64 // durable events applied
	Ephemerals  atomic.Uint64 // others told
	Holes       atomic.Uint64 // times a range was read from the store
	FellBehind  atomic.Uint64 // listeners that were owed too much and went back to their place
	Reloads     atomic.Uint64 // listeners told to reload
	Pages       atomic.Uint64 // pages read for listeners that are behind
	ReachedBack atomic.Uint64 // times a ring was filled with what came before it
	Merged      atomic.Uint64 // deltas told as a part of a longer piece
	Snapshots   atomic.Uint64 // answers told from their beginning to who came later
	Unheard     atomic.Uint64 // events that are not stored and went past a listener that was behind
	Encodings   atomic.Uint64 // frames encoded
	Deliveries  atomic.Uint64 // frames handed to writers
	Listeners   atomic.Int64  // attached now
	StalledOrgs atomic.Int64  // feeds that cannot read the store now
}

// sizes are bounds that no user has a reason to set.
type sizes struct {
	soft int // bytes that Next gathers before it hands them over
	owed int // bytes that a listener that is behind is owed at most, and a frame more
	page int // events read at once for a listener that is behind
	fill int // events read at once for a feed with a hole
}

// maxReads bounds the pages that are read from the store at the same time.
const maxReads = 16

const (
	// linger is how long a feed stays that nobody uses any more: who lost a
	// connection comes back, and then finds in memory what it missed.
	linger = 2 * time.Minute
	// maxLingering bounds the feeds that do.
	maxLingering = 64
)

var defaultSizes = sizes{soft: 64 << 10, owed: 128 << 10, page: 256, fill: 256}

// traits are the optional abilities of a dialect that the hub asks for.
type traits struct {
	dialect parley.Dialect
	// selects says what is told to whom beyond what was asked for.
	selects Selector
	// endsStreams: see EndsStreams.
	endsStreams bool
}

// Selector is an optional ability of a dialect: some surfaces tell a user's own
// facts without a subscription, or tell an event only to the one it is about
// (contracts.md section 9, scope of delivery). Without it, what was asked for is
// told.
type Selector interface {
	// Select reports whether e is told to a listener of the principal; asked says
	// whether an interest of the listener named it. It never widens access, which is
	// checked besides.
	Select(e *parley.Event, to parley.PrincipalID, asked bool) bool
}

// EndsStreams is an optional ability of a dialect: a run's end is told as the
// end of its stream to a listener that heard it begin, and its message is then
// not told besides; a listener that did not is told the message alone
// (contracts.md section 10, bot surface).
type EndsStreams interface{ EndsStreams() bool }

// New makes a Hub. Close ends it.
func New(cfg Config) *Hub {
	if len(cfg.Dialects) > maxDialects {
		panic("hub: too many dialects")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		cfg: cfg, index: map[string]int{}, feeds: map[parley.OrgID]*feed{},
		sizes: defaultSizes, processors: runtime.GOMAXPROCS(0), jitter: rand.N[time.Duration], reads: make(chan struct{}, maxReads),
	}
	for i, d := range cfg.Dialects {
		h.index[d.Name()] = i
		t := traits{dialect: d}
		t.selects, _ = d.(Selector)
		if ends, ok := d.(EndsStreams); ok {
			t.endsStreams = ends.EndsStreams()
		}
		h.traits = append(h.traits, t)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// ErrClosed: the hub has been closed.
var ErrClosed = errors.New("hub is closed")

// feedOf returns the org's feed, starting it where there is none, and counts one
// more user of it.
func (h *Hub) feedOf(org parley.OrgID) (*feed, error) {
	h.mu.Lock()
	f := h.feeds[org]
	if h.closed {
		h.mu.Unlock()
		return nil, ErrClosed
	}
	if f == nil || f.failed() { // a failed one goes with its last user: not while all come back at once
		f = newFeed(h, org)
		h.feeds[org] = f
		h.wg.Add(1)
		go f.start()
	}
	if f.users++; f.empty != nil {
		f.empty.Stop()
		f.empty = nil
		h.lingering--
	}
	h.mu.Unlock()
	select {
	case <-f.ready:
	case <-h.ctx.Done():
		return nil, ErrClosed
	}
	if f.err != nil {
		h.release(f)
		return nil, f.err
	}
	return f, nil
}

// release gives a feed back. After the last user it lingers.
func (h *Hub) release(f *feed) {
	h.mu.Lock()
	f.users--
	ends := false
	if f.users == 0 {
		if ends = f.failed() || h.closed || h.lingering >= maxLingering; ends {
			h.remove(f)
		} else {
			h.lingering++
			f.empty = time.AfterFunc(linger, func() { h.expire(f) })
		}
	}
	h.mu.Unlock()
	if ends {
		f.stop()
	}
}

// expire ends a feed that nobody came back to.
func (h *Hub) expire(f *feed) {
	h.mu.Lock()
	if h.closed || f.users > 0 || f.empty == nil {
		h.mu.Unlock()
		return
	}
	f.empty = nil
	h.lingering--
	h.remove(f)
	h.mu.Unlock()
	f.stop()
}

// remove takes a feed off the list. Under mu.
func (h *Hub) remove(f *feed) {
	if h.feeds[f.org] == f {
		delete(h.feeds, f.org)
	}
}

// RingBytes is about how much memory the recent events of all feeds take.
func (h *Hub) RingBytes() int64 { return h.ringWeight.Load() }

// Ready reports nil while every feed can read the store.
func (h *Hub) Ready() error {
	if n := h.StalledOrgs.Load(); n > 0 {
		return errors.New("telling of durable events waits for the store")
	}
	return nil
}

// Close ends all feeds and waits for them.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for _, f := range h.feeds {
		if f.empty != nil {
			f.empty.Stop()
		}
	}
	clear(h.feeds)
	h.mu.Unlock()
	h.cancel()
	h.wg.Wait()
}
