package relay

import (
	"context"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/allocs"
	"github.com/parley-chat/parley/internal/membus"
)

// written is a log that hands the same batch out when it is asked the first time
// after a refill.
type written struct {
	parley.Log
	batch []parley.EncodedEvent
	empty bool
}

func (w *written) SequenceEncoded(context.Context, int) ([]parley.EncodedEvent, error) {
	if w.empty = !w.empty; w.empty {
		return w.batch, nil
	}
	return nil, nil
}

// What is relayed is written already: an event goes to the bus as it is, and an
// org's subject is made once for as long as its events follow one another.
func TestAllocationBudget(t *testing.T) {
	log := &written{}
	for range batch {
		log.batch = append(log.batch, encoded(t, event(1, `{"text":"hello"}`)))
	}
	mixed := &written{batch: append([]parley.EncodedEvent(nil), log.batch...)}
	for i := range mixed.batch {
		mixed.batch[i].Org += parley.OrgID([]string{"_a", "_b"}[i%2])
	}
	drain := func(l *written) func() {
		r := New(Config{Store: l, Bus: membus.New()})
		return func() {
			if err := r.drain(context.Background()); err != nil || r.Stats().Failed > 0 {
				t.Fatal("an event was not told", err)
			}
		}
	}
	allocs.Check(t,
		allocs.Row{Name: "events of one org", Most: 0, Events: batch, Do: drain(log)},
		allocs.Row{Name: "events of two orgs by turns", Most: 1, Events: batch, Do: drain(mixed)},
	)
}
