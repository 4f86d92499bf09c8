package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
)

// drain sequences until nothing is left and returns what it was handed.
func drain(t testing.TB, s *postgres.Store) (all []*parley.Event) {
	t.Helper()
	for {
		events := sequence(t, s)
		if len(events) == 0 {
			return all
		}
		all = append(all, events...)
	}
}

func TestAnEventHasNoPlaceBeforeItIsSequenced(t *testing.T) {
	s := open(t, pgtest.Start(t))
	id := begin(t, s)
	mustPost(t, s, id, "c1")
	if head, err := s.Head(t.Context(), org); err != nil || head != (parley.Position{}) {
		t.Errorf("head %v, %v before Sequence", head, err)
	}
	if events, err := s.ReadLog(t.Context(), org, 0, 100, 10); err != nil || len(events) != 0 {
		t.Errorf("log has %d events, %v before Sequence", len(events), err)
	}
	events := sequence(t, s)
	if len(events) != 1 || events[0].Position.Offset != 1 || events[0].Position.Epoch == 0 {
		t.Fatalf("Sequence: %v", events)
	}
	if head, err := s.Head(t.Context(), org); err != nil || head != events[0].Position {
		t.Errorf("head %v, %v; want %v", head, err, events[0].Position)
	}
	if again := sequence(t, s); len(again) != 0 {
		t.Errorf("it was handed out again: %v", again)
	}
}

// Two nodes write to the same conversations and two relays sequence at once.
func TestConcurrentNodesHandOutEachEventOnceAndInOrder(t *testing.T) {
	url := pgtest.Start(t)
	nodes := []*postgres.Store{open(t, url), open(t, url)}
	conversations := []parley.ConversationID{begin(t, nodes[0]), begin(t, nodes[0]), begin(t, nodes[0])}
	const writers, each = 8, 40

	var writing, relaying sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				id := conversations[(w+i)%len(conversations)]
				if _, err := post(t.Context(), nodes[w%2], id, fmt.Sprint(w, "-", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	handed := make([][]*parley.Event, 2)
	for r, node := range nodes {
		relaying.Go(func() {
			for last := false; ; {
				events, err := node.Sequence(t.Context(), 7)
				if err != nil {
					t.Error(err)
					return
				}
				handed[r] = append(handed[r], events...)
				if last && len(events) == 0 {
					return
				}
				select {
				case <-written:
					last = true
				default:
				}
			}
		})
	}
	writing.Wait()
	close(written)
	relaying.Wait()

	log := wholeLog(t, nodes[0])
	if len(log) != writers*each {
		t.Fatalf("the log has %d events, want %d", len(log), writers*each)
	}
	times := map[parley.EventID]int{}
	for _, events := range handed {
		offset := uint64(0)
		for _, e := range events {
			times[e.ID]++
			if e.Position.Offset <= offset {
				t.Errorf("offset %d was handed out after %d", e.Position.Offset, offset)
			}
			offset = e.Position.Offset
			if at := log[offset-1]; at.ID != e.ID || at.Position != e.Position {
				t.Errorf("handed out as %v, kept as %v", e.Position, at.Position)
			}
		}
	}
	for _, e := range log {
		if times[e.ID] != 1 {
			t.Errorf("event at %d was handed out %d times", e.Position.Offset, times[e.ID])
		}
	}
}

// An event that was drawn early and committed late takes a later place, and never
// one that a reader has passed.
func TestASlowTransactionIsNotPassedOver(t *testing.T) {
	s := open(t, pgtest.Start(t))
	slow, quick := begin(t, s), begin(t, s)
	drawn, done := make(chan struct{}), make(chan error)
	go func() {
		done <- s.Update(context.Background(), func(tx parley.Tx) error {
			err := tx.AppendEvent(&parley.Event{
				ID: newID(), Org: org, Type: parley.ConversationUpdated, Class: parley.Durable, Time: now(),
				Conversation: slow, ChangeSeq: 1, Body: &parley.ConversationBody{ID: slow},
			})
			close(drawn)
			<-done
			return err
		})
	}()
	<-drawn
	mustPost(t, s, quick, "c1")
	if events := sequence(t, s); len(events) != 1 || events[0].Conversation != quick {
		t.Fatalf("first: %v", events)
	}
	done <- nil
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if events := sequence(t, s); len(events) != 1 || events[0].Conversation != slow || events[0].Position.Offset != 2 {
		t.Fatalf("second: %v", events)
	}
}

// What one transaction tells of a conversation is not parted by what another told
// meanwhile: no cursor falls between a run's message and its end.
func TestTheEventsOfOneTransactionFollowEachOther(t *testing.T) {
	s := open(t, pgtest.Start(t))
	run, other := begin(t, s), begin(t, s)
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		for changeSeq := range uint64(2) {
			err := tx.AppendEvent(&parley.Event{
				ID: newID(), Org: org, Type: parley.ConversationUpdated, Class: parley.Durable, Time: now(),
				Conversation: run, ChangeSeq: changeSeq + 1, Body: &parley.ConversationBody{ID: run},
			})
			if err != nil {
				return err
			}
			mustPost(t, s, other, fmt.Sprint("c", changeSeq)) // on another connection, in between
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []parley.ConversationID
	for _, e := range sequence(t, s) {
		got = append(got, e.Conversation)
	}
	if want := []parley.ConversationID{run, run, other, other}; !slices.Equal(got, want) {
		t.Errorf("told in the order %v, want %v", got, want)
	}
}

// A node that stops in the middle of Sequence, having asked and never reading the
// answer, keeps nobody waiting; what it was to hand out is in the log.
func TestAPausedSequencerKeepsNobodyWaiting(t *testing.T) {
	direct := pgtest.Start(t)
	p, url := newProxy(t, direct)
	paused, other := open(t, url), open(t, direct)
	id := begin(t, other)
	sequence(t, paused) // it has prepared what it will say
	mustPost(t, other, id, "c1")

	p.hold()
	defer p.release()
	answer := make(chan error, 1)
	go func() {
		events, err := paused.Sequence(context.Background(), 100)
		if err == nil && len(events) != 1 {
			err = fmt.Errorf("the paused node was handed %d events, want 1", len(events))
		}
		answer <- err
	}()
	deadline := time.After(10 * time.Second)
	for head := uint64(0); head == 0; {
		at, err := other.Head(t.Context(), org)
		if err != nil {
			t.Fatal(err)
		}
		head = at.Offset
		select {
		case <-deadline:
			t.Fatal("the paused node did not give a Position")
		case <-time.After(time.Millisecond):
		}
	}
	mustPost(t, other, id, "c2")
	if events := sequence(t, other); len(events) != 1 || events[0].Position.Offset != 2 {
		t.Errorf("the other node was handed %v", events)
	}
	if n := len(wholeLog(t, other)); n != 2 {
		t.Errorf("the log has %d events, want 2", n)
	}
	p.release()
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

// Whoever waits for the lock gives up with its context.
func TestWaitingForTheSequencersLockEndsWithTheContext(t *testing.T) {
	url := pgtest.Start(t)
	s, holder := open(t, url), admin(t, url)
	mustPost(t, s, begin(t, s), "c1")
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1885434476, 2)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Sequence(ctx, 10); !errors.Is(err, parley.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sequence behind a held lock: %v", err)
	}
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Either it comes now, or the database had gone on after its client: then it is in
	// the log.
	drain(t, s)
	if n := len(wholeLog(t, s)); n != 1 {
		t.Errorf("the log has %d events, want 1", n)
	}
}

// Nothing of the store runs after Close: not the end of a connection either, whose
// call was given up just before.
func TestCloseWaitsForAConnectionThatIsEnding(t *testing.T) {
	url := pgtest.Start(t)
	s, holder := open(t, url), admin(t, url)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1885434476, 2)"); err != nil {
		t.Fatal(err)
	}
	ended := s.SequencerEnded()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Sequence(ctx, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Sequence behind a held lock: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Error("its connection is still being closed")
	}
}

// Each opening, and each new connection of a relay, begins an epoch; cursors of
// earlier ones stay good for what was given in them.
func TestANewConnectionBeginsAnEpoch(t *testing.T) {
	url := pgtest.Start(t)
	s, killer := open(t, url), admin(t, url)
	id := begin(t, s)
	mustPost(t, s, id, "c1")
	first := sequence(t, s)[0].Position
	mustPost(t, s, id, "c2")
	second := sequence(t, s)[0].Position
	if second.Epoch != first.Epoch {
		t.Errorf("the epoch changed from %x to %x on one connection", first.Epoch, second.Epoch)
	}

	killAll(t, killer)
	if _, err := s.Sequence(t.Context(), 10); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Sequence on a killed connection: %v, want ErrUnavailable", err)
	}
	drain(t, s)
	if err := postUntilKept(t.Context(), s, id, "c3"); err != nil {
		t.Fatal(err)
	}
	third := sequence(t, s)[0].Position
	if third.Epoch == first.Epoch || third.Offset != 3 {
		t.Errorf("after the connection broke: %v, want offset 3 in an epoch other than %x", third, first.Epoch)
	}

	other := open(t, url)
	mustPost(t, s, id, "c4")
	fourth := sequence(t, s)[0].Position
	if fourth.Epoch == third.Epoch {
		t.Error("another node's opening began no epoch")
	}
	all := parley.ReplayQuery{Org: org, All: true}
	for _, at := range []parley.Position{{}, first, second, third, fourth} {
		if err := other.CheckCursor(t.Context(), all, at); err != nil {
			t.Errorf("cursor %v: %v", at, err)
		}
		if located, err := other.Locate(t.Context(), org, at.Offset); err != nil || located != at {
			t.Errorf("Locate(%d) = %v, %v; want %v", at.Offset, located, err, at)
		}
	}
	for _, at := range []parley.Position{
		{Epoch: first.Epoch, Offset: third.Offset}, // the epoch ended before
		{Epoch: third.Epoch, Offset: first.Offset}, // the epoch began after
		{Epoch: fourth.Epoch, Offset: 5},           // beyond the head
		{Epoch: fourth.Epoch, Offset: 1<<64 - 1},   // beyond what a row can hold
		{Epoch: first.Epoch + 1, Offset: 1},        // no such epoch
		{Epoch: first.Epoch, Offset: 0}, {Offset: 1},
	} {
		if err := other.CheckCursor(t.Context(), all, at); !errors.Is(err, parley.ErrCursor) {
			t.Errorf("cursor %v: %v, want ErrCursor", at, err)
		}
	}
}

// BenchmarkSequence tells what one relay can give: events of 64 conversations that
// wait, taken 256 at a time.
func BenchmarkSequence(b *testing.B) {
	const batch, batches = 256, 40
	url := pgtest.Start(b)
	s, c := open(b, url), admin(b, url)
	mustPost(b, s, begin(b, s), "c1")
	const fill = `INSERT INTO events (org, conversation, change_seq, at, keys, body)
		SELECT org, md5((n % 64)::text)::uuid, n, at, ARRAY['c/' || md5((n % 64)::text)::uuid], body
		FROM (SELECT * FROM events LIMIT 1) e, generate_series($1::bigint, $2) n`
	for i := 0; b.Loop(); i++ {
		if i%batches == 0 {
			b.StopTimer()
			if _, err := c.Exec(b.Context(), fill, i*batch+1, (i+batches)*batch); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		events, err := s.Sequence(b.Context(), batch)
		if err != nil || len(events) != batch {
			b.Fatal(len(events), err)
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "events/s")
}
