package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
)

// Trimming takes several transactions where there is much, and leaves what has no
// Position yet, however old: nobody has heard it.
func TestTrimmingTakesAllThatIsOldAndSequenced(t *testing.T) {
	const old = 1100 // more than two batches
	s := open(t, pgtest.Start(t))
	appendOld := func(n int) {
		t.Helper()
		err := s.Update(t.Context(), func(tx parley.Tx) error {
			for range n {
				err := tx.AppendEvent(&parley.Event{
					ID: newID(), Org: org, Type: "build.done", Class: parley.Durable, Channel: "ci",
					Time: now().AddDate(0, -1, 0), Body: &parley.PublishedBody{Data: parley.RawJSON(`{}`)},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	appendOld(old)
	drain(t, s)
	appendOld(1)

	deleted, err := s.TrimLog(t.Context(), now().Add(-time.Hour))
	if err != nil || deleted != old {
		t.Errorf("deleted %d, %v; want %d", deleted, err, old)
	}
	ci := parley.ReplayQuery{Org: org, Keys: []string{parley.ChannelKey("ci")}}
	if err := s.CheckCursor(t.Context(), ci, parley.Position{}); !errors.Is(err, parley.ErrGone) {
		t.Errorf("a cursor from before: %v, want ErrGone", err)
	}
	kept := sequence(t, s)
	if len(kept) != 1 || kept[0].Position.Offset != old+1 {
		t.Fatalf("what waited came as %v", kept)
	}
	if err := s.CheckCursor(t.Context(), ci, kept[0].Position); err != nil {
		t.Errorf("a cursor from after: %v", err)
	}
}
