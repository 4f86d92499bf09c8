package sqlite_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/allocs"
)

// Updates that wait while the writer is busy become one group, one commit: what an
// event costs in a group is what a server pays under load. Each row counts the
// event's own bytes, its way through Update, and being handed out to the relay.
func TestAllocationBudget(t *testing.T) {
	const group = 64
	s, ctx := newStore(t), context.Background()
	update := func(fn func(parley.Tx) error) {
		if err := s.Update(ctx, fn); err != nil {
			t.Error(err)
		}
	}
	handOut := func(want int) {
		for want > 0 {
			out, err := s.SequenceEncoded(ctx, want)
			if err != nil || len(out) == 0 {
				t.Fatalf("%d events are missing: %v", want, err)
			}
			want -= len(out)
		}
	}
	one := func(e *parley.Event) func(parley.Tx) error {
		return func(tx parley.Tx) error { return tx.AppendEvent(e) }
	}

	alone := one(event(1))
	var together []*parley.Event
	var work []chan struct{} // one for each goroutine that updates
	var done sync.WaitGroup
	for n := range group {
		e, c := event(n), make(chan struct{})
		together, work = append(together, e), append(work, c)
		t.Cleanup(func() { close(c) })
		go func() {
			for fn := one(e); ; done.Done() {
				if _, more := <-c; !more {
					return
				}
				update(fn)
			}
		}()
	}
	gather := func(parley.Tx) error {
		for _, c := range work {
			c <- struct{}{}
		}
		for s.Queued() < group {
			runtime.Gosched()
		}
		return nil
	}
	allocs.Check(t,
		allocs.Row{Name: "an event alone", Most: 36, Do: func() {
			update(alone)
			handOut(1)
		}},
		allocs.Row{Name: "an event of a group of updates", Most: 11, Events: group, Do: func() {
			done.Add(group)
			update(gather)
			done.Wait()
			handOut(group)
		}},
		allocs.Row{Name: "an event of many in one update", Most: 9, Events: group, Do: func() {
			update(func(tx parley.Tx) error {
				for _, e := range together {
					if err := tx.AppendEvent(e); err != nil {
						return err
					}
				}
				return nil
			})
			handOut(group)
		}},
	)
}
