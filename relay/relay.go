// Package relay tells the nodes what was committed, in order.
//
// It asks the store for the events that nobody handed out yet, which gives them
// their Positions, and publishes each on the bus. It never publishes one twice
// and never waits for a receiver: whoever missed an event notices the hole in the
// offsets and reads the store. So two relays at once, or a paused old one, are
// harmless (design.md section 5).
package relay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

const (
	batch       = 256                    // events asked of the store at once
	interval    = 100 * time.Millisecond // between two looks where nobody poked
	maxBackoff  = time.Second            // the longest pause after a store's failure
	logInterval = 5 * time.Second        // between two log lines about the same trouble
)

// Config is what a Relay is made of. Store and Bus are needed.
type Config struct {
	Store parley.Log
	Bus   parley.Bus
	// Logger hears of trouble; nil discards.
	Logger *slog.Logger
}

// Relay publishes the events of all orgs. Its methods may be called concurrently;
// Run at most once.
type Relay struct {
	store parley.EncodedLog
	bus   parley.Bus
	log   *slog.Logger
	poke  chan struct{}

	published, pointers, failed atomic.Uint64

	// Run's own:
	lastLogged  time.Time // of a failed publish
	lastOrg     parley.OrgID
	lastSubject string
}

// New makes a Relay; Run makes it work.
func New(c Config) *Relay {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	store, ok := c.Store.(parley.EncodedLog)
	if !ok {
		store = encoder{c.Store}
	}
	return &Relay{store: store, bus: c.Bus, log: c.Logger, poke: make(chan struct{}, 1)}
}

// Poke says that there may be something to tell. It never blocks; pokes that come
// while one waits are one.
func (r *Relay) Poke() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// Stats counts what a Relay did since it was made.
type Stats struct {
	Published uint64 // events given to the bus, pointers among them
	Pointers  uint64 // events that travelled as a Pointer
	Failed    uint64 // events the bus did not take; receivers read them from the store
}

// Stats returns the counters.
func (r *Relay) Stats() Stats {
	return Stats{r.published.Load(), r.pointers.Load(), r.failed.Load()}
}

// Run tells what is committed on every Poke, and each 100 ms besides, until ctx
// ends; it returns nil then. A store that fails is asked again after a pause that
// grows to 1 s.
func (r *Relay) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var backoff time.Duration
	for {
		wake := r.poke
		if backoff > 0 {
			wake = nil // a failing store is not asked more often because others write
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		}
		err := r.drain(ctx)
		pause := interval
		switch {
		case err == nil:
			backoff = 0
		case ctx.Err() != nil:
			return nil
		default:
			backoff = min(max(2*backoff, interval), maxBackoff)
			pause = backoff/2 + rand.N(backoff/2)
			r.log.Warn("relay: sequence events", "err", err, "again_in", pause)
		}
		timer.Reset(pause)
	}
}

// drain tells everything that is committed now.
func (r *Relay) drain(ctx context.Context) error {
	for {
		events, err := r.store.SequenceEncoded(ctx, batch)
		// What came with an error has been handed out and comes no second time.
		for _, e := range events {
			r.tell(e)
		}
		if err != nil || len(events) == 0 {
			return err
		}
	}
}

func (r *Relay) tell(e parley.EncodedEvent) {
	data, pointer, err := encode(e)
	if err == nil {
		err = r.bus.Publish(r.subject(e.Org), data)
	}
	if err != nil {
		r.failed.Add(1)
		if time.Since(r.lastLogged) >= logInterval && !errors.Is(err, context.Canceled) {
			r.lastLogged = time.Now()
			r.log.Warn("relay: publish", "org", e.Org, "event", e.ID, "err", err, "failed_so_far", r.failed.Load())
		}
		return
	}
	r.published.Add(1)
	if pointer {
		r.pointers.Add(1)
	}
}

// subject is that of an org's log. Events come in runs of one org.
func (r *Relay) subject(org parley.OrgID) string {
	if org != r.lastOrg {
		r.lastOrg, r.lastSubject = org, parley.OrgSubject("log", org)
	}
	return r.lastSubject
}

// encoder is a Log without the ability of an EncodedLog, given it.
type encoder struct{ parley.Log }

// SequenceEncoded implements parley.EncodedLog. An event that cannot be written is
// left out: receivers read it from the store, or tell that they cannot.
func (l encoder) SequenceEncoded(ctx context.Context, limit int) ([]parley.EncodedEvent, error) {
	events, err := l.Sequence(ctx, limit)
	encoded := make([]parley.EncodedEvent, 0, len(events))
	for _, e := range events {
		data, failed := parley.MarshalEvent(e)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		encoded = append(encoded, parley.EncodedEvent{ID: e.ID, Org: e.Org, Position: e.Position, Data: data})
	}
	return encoded, err
}
