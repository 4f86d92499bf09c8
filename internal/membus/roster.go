package membus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/parley-chat/parley"
)

// Roster is a parley.Roster in memory. It outlives those who write to it, as a
// real one outlives their processes. The zero value is ready.
type Roster struct {
	mu       sync.Mutex
	entries  []parley.RosterEntry // those that are not void, in order
	watchers map[*watcher]bool
	appends  atomic.Int64
	cut      atomic.Bool
}

var _ parley.Roster = (*Roster)(nil)

// watcher hears entries one at a time on a goroutine of its own.
type watcher struct {
	mu    sync.Mutex
	queue []parley.RosterEntry
	wake  chan struct{} // holds one token while queue is not empty
	quit  chan struct{}
	done  chan struct{}
	end   sync.Once
}

// Cut makes Append fail, or work again.
func (r *Roster) Cut(cut bool) { r.cut.Store(cut) }

// Appends is how many entries were kept.
func (r *Roster) Appends() int { return int(r.appends.Load()) }

// Len is how many entries are not void.
func (r *Roster) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// Append keeps a copy of the entry.
func (r *Roster) Append(ctx context.Context, e parley.RosterEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(e.Data) > parley.MaxBusMessage {
		return fmt.Errorf("membus: an entry of %d bytes is too large", len(e.Data))
	}
	if r.cut.Load() {
		return parley.ErrUnavailable
	}
	e.Data = slices.Clone(e.Data)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Whole {
		r.entries = slices.DeleteFunc(r.entries, func(old parley.RosterEntry) bool { return old.Page == e.Page })
	}
	r.entries = append(r.entries, e)
	r.appends.Add(1)
	for w := range r.watchers {
		w.push(e)
	}
	return nil
}

// Watch runs fn on a goroutine of its own until stop is called.
func (r *Roster) Watch(_ context.Context, fn func(parley.RosterEntry)) (func(), error) {
	w := &watcher{wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	w.push(r.entries...)
	if r.watchers == nil {
		r.watchers = map[*watcher]bool{}
	}
	r.watchers[w] = true
	r.mu.Unlock()
	go w.run(fn)
	return func() {
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
		w.end.Do(func() { close(w.quit) })
		<-w.done
	}, nil
}

func (w *watcher) push(entries ...parley.RosterEntry) {
	w.mu.Lock()
	w.queue = append(w.queue, entries...)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) run(fn func(parley.RosterEntry)) {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		queue := w.queue
		w.queue = nil
		w.mu.Unlock()
		for _, e := range queue {
			select {
			case <-w.quit:
				return
			default:
				fn(e)
			}
		}
	}
}
