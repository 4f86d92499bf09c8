package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

var errBoom = errors.New("boom")

func newStore(tb testing.TB) *sqlite.Store {
	return open(tb, filepath.Join(tb.TempDir(), "parley.db"))
}

// event is a custom one, told on a channel.
func event(n int) *parley.Event {
	return &parley.Event{
		ID: parley.EventID(uuid.Must(uuid.NewV7())), Org: "org", Type: "test.ran", Class: parley.Durable,
		Time: time.Unix(int64(n), 0).UTC(), Channel: "ci", Body: &parley.PublishedBody{Data: parley.RawJSON(`{}`)},
	}
}

func appendEvent(tx parley.Tx) error { return tx.AppendEvent(event(1)) }

// held keeps the writer busy until the returned function is called, so that
// updates form a group behind it.
func held(t *testing.T, s *sqlite.Store) (release func()) {
	t.Helper()
	began, gate := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Update(t.Context(), func(parley.Tx) error { close(began); <-gate; return nil })
	}()
	<-began
	return func() {
		t.Helper()
		close(gate)
		if err := <-done; err != nil {
			t.Errorf("the first update: %v", err)
		}
	}
}

// queue starts an update and returns once it waits behind n others.
func queue(t *testing.T, s *sqlite.Store, ctx context.Context, n int, fn func(parley.Tx) error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		err := errors.New("the function ended its goroutine")
		defer func() { done <- err }()
		err = s.Update(ctx, fn)
	}()
	for deadline := time.Now().Add(10 * time.Second); s.Queued() <= n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the update was not queued")
		}
	}
	return done
}

func offsets(t *testing.T, s *sqlite.Store) (list []uint64) {
	t.Helper()
	events, err := s.ReadLog(t.Context(), "org", 0, 1<<40, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		list = append(list, e.Position.Offset)
	}
	return list
}

func TestOneFailsInAGroupAndTheOthersAreKept(t *testing.T) {
	s := newStore(t)
	release := held(t, s)
	var got []<-chan error
	for i, fn := range []func(parley.Tx) error{
		appendEvent,
		func(tx parley.Tx) error { return errors.Join(appendEvent(tx), errBoom) },
		func(tx parley.Tx) error { _ = appendEvent(tx); panic("out of luck") },
		appendEvent,
		func(parley.Tx) error { return errBoom },
	} {
		got = append(got, queue(t, s, t.Context(), i, fn))
	}
	release()
	errs := make([]error, len(got))
	for i := range got {
		errs[i] = <-got[i]
	}
	if errs[0] != nil || errs[3] != nil {
		t.Errorf("the good ones failed: %v, %v", errs[0], errs[3])
	}
	if !errors.Is(errs[1], errBoom) || !errors.Is(errs[4], errBoom) {
		t.Errorf("the bad ones got %v, %v, want their own error", errs[1], errs[4])
	}
	var panicked *sqlite.PanicError
	if !errors.As(errs[2], &panicked) || !strings.Contains(errs[2].Error(), "out of luck") {
		t.Errorf("the panic became %v, want a PanicError that names it", errs[2])
	} else if !strings.Contains(string(panicked.Stack), "writer_test.go") {
		t.Error("the stack does not show where it was")
	}
	if got := offsets(t, s); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("log has %v, want the two events that were kept, without a gap", got)
	}
}

// An update that has to write its event at once writes those of others before it,
// and takes them back with its own where it fails.
func TestWhatAFailingUpdateWroteOfOthersIsKept(t *testing.T) {
	s := newStore(t)
	release := held(t, s)
	inConversation := func(tx parley.Tx) error {
		e := event(1)
		e.Conversation, e.ChangeSeq = parley.ConversationID{1}, 1
		return tx.AppendEvent(e)
	}
	var got []<-chan error
	for i, fn := range []func(parley.Tx) error{
		appendEvent,
		func(tx parley.Tx) error { return errors.Join(appendEvent(tx), inConversation(tx), errBoom) },
		appendEvent,
		inConversation,
		func(tx parley.Tx) error { return errors.Join(appendEvent(tx), inConversation(tx)) }, // its change_seq is taken
		appendEvent,
	} {
		got = append(got, queue(t, s, t.Context(), i, fn))
	}
	release()
	for i, want := range []error{nil, errBoom, nil, nil, parley.ErrConflict, nil} {
		if err := <-got[i]; !errors.Is(err, want) {
			t.Errorf("update %d: %v, want %v", i, err, want)
		}
	}
	if got := offsets(t, s); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		t.Errorf("log has %v, want the four that were kept, without a gap", got)
	}
	for key, want := range map[string]uint64{parley.ChannelKey("ci"): 4, parley.ConversationKey(parley.ConversationID{1}): 3} {
		if last, err := s.LastOffset(t.Context(), "org", key); err != nil || last != want {
			t.Errorf("%s ends at %d (%v), want %d", key, last, err, want)
		}
	}
}

func TestACancelledUpdateThatHasNotBegunIsNotRun(t *testing.T) {
	s := newStore(t)
	release := held(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	done := queue(t, s, ctx, 0, func(parley.Tx) error { ran = true; return nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	release()
	if err := s.Update(t.Context(), appendEvent); err != nil { // the queue has gone past it
		t.Fatal(err)
	}
	if ran {
		t.Error("it was run")
	}
}

func TestACancelledUpdateThatHasBegunTellsItsOutcome(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx parley.Tx) error { cancel(); return appendEvent(tx) })
	if err != nil {
		t.Errorf("error is %v, but it was committed", err)
	}
	if got := offsets(t, s); len(got) != 1 {
		t.Errorf("log has %v, want one event", got)
	}
}

func TestAnUpdateThatEndsItsGoroutineLeavesTheStoreAlive(t *testing.T) {
	s := newStore(t)
	release := held(t, s)
	exited := queue(t, s, t.Context(), 0, func(tx parley.Tx) error { _ = appendEvent(tx); runtime.Goexit(); return nil })
	release()
	if err := <-exited; err == nil {
		t.Error("the update that ended its goroutine was acknowledged")
	}
	if err := s.Update(t.Context(), appendEvent); err != nil {
		t.Fatalf("the next update: %v", err)
	}
	if got := offsets(t, s); !slices.Equal(got, []uint64{1}) {
		t.Errorf("log has %v, want the second event only", got)
	}
}

func TestAFullDiskIsUnavailableAndTakesNothingHalf(t *testing.T) {
	s := newStore(t)
	if err := s.Update(t.Context(), appendEvent); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		if err := sqlite.LimitPages(tx, 1); err != nil { // it is set to what there is
			return err
		}
		for range 10_000 {
			if err := appendEvent(tx); err != nil {
				return nil // the caller's mistake does not make it a success
			}
		}
		return errBoom
	})
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Fatalf("error is %v, want ErrUnavailable", err)
	}
	if err := s.Update(t.Context(), func(tx parley.Tx) error { return sqlite.LimitPages(tx, 0) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), appendEvent); err != nil {
		t.Fatalf("once there is room again: %v", err)
	}
	if got := offsets(t, s); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("log has %v, want 1 and 2", got)
	}
}

func TestATransactionIsOverWithItsFunction(t *testing.T) {
	s := newStore(t)
	var kept parley.Tx
	if err := s.Update(t.Context(), func(tx parley.Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := appendEvent(kept); err == nil {
		t.Error("a transaction was used after its function returned")
	}
}

func TestTheCommitGivesPositionsAndASignal(t *testing.T) {
	s := newStore(t)
	e := event(1)
	if err := s.Update(t.Context(), func(tx parley.Tx) error { return errors.Join(tx.AppendEvent(e), errBoom) }); !errors.Is(err, errBoom) {
		t.Fatal(err)
	}
	if e.Position != (parley.Position{}) {
		t.Errorf("an event that was rolled back has Position %v", e.Position)
	}
	select {
	case <-s.Committed():
		t.Error("a signal came without an event")
	default:
	}
	if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.AppendEvent(e) }); err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(t.Context(), "org"); err != nil || e.Position != head {
		t.Errorf("Position is %v, want the head %v (%v)", e.Position, head, err)
	}
	<-s.Committed()
}

func TestManyWaitingEventsAreNotKeptInMemory(t *testing.T) {
	const more = 500
	s := newStore(t)
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		for n := range sqlite.MaxWaiting + more {
			if err := tx.AppendEvent(event(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if inMemory, all := s.Held(); inMemory != sqlite.MaxWaiting || all != inMemory+more {
		t.Errorf("%d of %d waiting events are in memory, want %d", inMemory, all, sqlite.MaxWaiting)
	}
	for want := uint64(1); want <= sqlite.MaxWaiting+more; {
		events, err := s.Sequence(t.Context(), 999)
		if err != nil || len(events) == 0 {
			t.Fatalf("nothing came at offset %d (%v)", want, err)
		}
		for _, e := range events {
			if e.Position.Offset != want || !e.Time.Equal(time.Unix(int64(want-1), 0)) {
				t.Fatalf("got %v of %v at offset %d", e.Position, e.Time, want)
			}
			want++
		}
	}
	if inMemory, all := s.Held(); inMemory != 0 || all != 0 {
		t.Errorf("%d of %d events still wait", inMemory, all)
	}
}
