package bustest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// RunLog runs the suite of parley.RunLog.
func RunLog(t *testing.T, open func(t *testing.T) parley.RunLog) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, l parley.RunLog)
	}{
		{"an unknown run has no records", testRunUnknown},
		{"records of many runs in one batch keep each run's order", testRunMixed},
		{"records of many batches keep their order", testRunMany},
		{"an empty batch is nothing", testRunEmpty},
		{"a batch over the bus's limit is kept whole", testRunLarge},
		{"a record over the bus's limit is refused", testRunTooLarge},
		{"the batch is the caller's again", testRunNotRetained},
		{"records may be kept by the reader", testRunKept},
		{"an error of the reader ends the reading", testRunReaderError},
		{"many may append and read at once", testRunConcurrent},
		{"ids that are no UUIDv7, or are of tomorrow, are found", testRunOddIDs},
		{"forgetting one run leaves the others", testRunForget},
		{"an ended context is unavailable", testRunCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// NewRunID makes an id as a node does: a UUIDv7 of the given time.
func NewRunID(at time.Time) parley.RunID {
	var id parley.RunID
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

func newRuns(n int) []parley.RunID {
	runs := make([]parley.RunID, n)
	for i := range runs {
		runs[i] = NewRunID(time.Now())
	}
	return runs
}

func record(run parley.RunID, event string) parley.RunRecord {
	return parley.RunRecord{Run: run, Event: []byte(event)}
}

func appendRun(t *testing.T, l parley.RunLog, batch ...parley.RunRecord) {
	t.Helper()
	if err := l.Append(within(t), batch); err != nil {
		t.Fatalf("Append of %d records: %v", len(batch), err)
	}
}

func wantRun(t *testing.T, l parley.RunLog, run parley.RunID, want ...string) {
	t.Helper()
	var got []string
	err := l.Read(within(t), run, func(r parley.RunRecord) error {
		if r.Run != run {
			t.Errorf("reading %s gave a record of %s", run, r.Run)
		}
		got = append(got, string(r.Event))
		return nil
	})
	if err != nil {
		t.Fatalf("Read(%s): %v", run, err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s has %d records %.200q, want %d %.200q", run, len(got), got, len(want), want)
	}
}

func testRunUnknown(t *testing.T, l parley.RunLog) {
	runs := newRuns(2)
	wantRun(t, l, runs[0])
	appendRun(t, l, record(runs[1], "x"))
	wantRun(t, l, runs[0])
	wantRun(t, l, parley.RunID{})
}

func testRunMixed(t *testing.T, l parley.RunLog) {
	runs := newRuns(3)
	appendRun(t, l,
		record(runs[0], "a1"), record(runs[1], "b1"), record(runs[0], "a2"),
		record(runs[1], "b2"), record(runs[0], ""), record(runs[1], "b2"))
	wantRun(t, l, runs[0], "a1", "a2", "")
	wantRun(t, l, runs[1], "b1", "b2", "b2")
	wantRun(t, l, runs[2])
}

func testRunMany(t *testing.T, l parley.RunLog) {
	const batches = 300
	runs := newRuns(3)
	var want []string
	for n := range batches {
		batch := []parley.RunRecord{record(runs[1], "other")}
		if n%3 != 1 {
			text := fmt.Sprint(n)
			batch = append(batch, record(runs[0], text), record(runs[0], text+"+"))
			want = append(want, text, text+"+")
		}
		appendRun(t, l, batch...)
	}
	wantRun(t, l, runs[0], want...)
	appendRun(t, l, record(runs[0], "more"))
	wantRun(t, l, runs[0], append(want, "more")...)
}

func testRunEmpty(t *testing.T, l parley.RunLog) {
	appendRun(t, l)
	run := newRuns(1)[0]
	appendRun(t, l, record(run, "x"))
	appendRun(t, l)
	wantRun(t, l, run, "x")
}

func testRunLarge(t *testing.T, l parley.RunLog) {
	runs := newRuns(2)
	var batch []parley.RunRecord
	var want []string
	for n := range 40 {
		text := strings.Repeat(string(rune('a'+n%26)), 90_000) + fmt.Sprint(n)
		want = append(want, text)
		batch = append(batch, record(runs[0], text), record(runs[1], "small"))
	}
	appendRun(t, l, batch...)
	wantRun(t, l, runs[0], want...)
}

func testRunTooLarge(t *testing.T, l parley.RunLog) {
	run := newRuns(1)[0]
	batch := []parley.RunRecord{record(run, "before"), {Run: run, Event: make([]byte, parley.MaxBusMessage)}}
	if err := l.Append(within(t), batch); err == nil || errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Append = %v, want an error that is not about availability", err)
	}
	wantRun(t, l, run)
}

func testRunNotRetained(t *testing.T, l parley.RunLog) {
	run := newRuns(1)[0]
	event := []byte("before")
	batch := []parley.RunRecord{{Run: run, Event: event}}
	appendRun(t, l, batch...)
	copy(event, "after!")
	batch[0] = parley.RunRecord{}
	wantRun(t, l, run, "before")
}

func testRunKept(t *testing.T, l parley.RunLog) {
	run := newRuns(1)[0]
	appendRun(t, l, record(run, "one"), record(run, "two"))
	appendRun(t, l, record(run, "three"))
	var kept [][]byte
	err := l.Read(within(t), run, func(r parley.RunRecord) error {
		kept = append(kept, r.Event)
		_ = append(r.Event, "!!!!!!!!"...) // must not reach into the next record
		return nil
	})
	if err != nil || fmt.Sprintf("%s", kept) != "[one two three]" {
		t.Errorf("kept %s, error %v", kept, err)
	}
}

func testRunReaderError(t *testing.T, l parley.RunLog) {
	run := newRuns(1)[0]
	for range 10 {
		appendRun(t, l, record(run, "x"), record(run, "y"))
	}
	enough := errors.New("enough")
	calls := 0
	err := l.Read(within(t), run, func(parley.RunRecord) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if err != enough || calls != 3 {
		t.Errorf("Read = %v after %d calls, want the reader's own error after 3", err, calls)
	}
}

func testRunConcurrent(t *testing.T, l parley.RunLog) {
	const each = 60
	runs := newRuns(6)
	want := make([]string, each)
	for n := range want {
		want[n] = fmt.Sprint(n)
	}
	ctx := within(t)
	var wg sync.WaitGroup
	for i, run := range runs {
		wg.Go(func() {
			for n, text := range want {
				if err := l.Append(ctx, []parley.RunRecord{record(run, text)}); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				if n%20 != i {
					continue
				}
				seen := 0
				err := l.Read(ctx, run, func(parley.RunRecord) error { seen++; return nil })
				if err != nil || seen != n+1 {
					t.Errorf("after %d appends Read gave %d records, error %v", n+1, seen, err)
				}
			}
		})
	}
	wg.Wait()
	for _, run := range runs {
		wantRun(t, l, run, want...)
	}
}

func testRunOddIDs(t *testing.T, l parley.RunLog) {
	appendRun(t, l, record(newRuns(1)[0], "other"))
	for _, run := range []parley.RunID{
		{1}, {15: 1},
		NewRunID(time.Now().Add(24 * time.Hour)),
		NewRunID(time.Now().Add(-24 * time.Hour)),
		NewRunID(time.Now().Add(2 * time.Second)),
	} {
		appendRun(t, l, record(run, "x"))
		wantRun(t, l, run, "x")
	}
}

func testRunForget(t *testing.T, l parley.RunLog) {
	runs := newRuns(3)
	appendRun(t, l, record(runs[0], "a"), record(runs[1], "b"))
	for _, run := range []parley.RunID{runs[0], runs[0], runs[2]} {
		if err := l.Forget(within(t), run); err != nil {
			t.Errorf("Forget: %v", err)
		}
	}
	wantRun(t, l, runs[1], "b")
}

func testRunCancelled(t *testing.T, l parley.RunLog) {
	run := newRuns(1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantUnavailable(t, "Append", l.Append(ctx, []parley.RunRecord{record(run, "x")}))
	wantUnavailable(t, "Read", l.Read(ctx, run, func(parley.RunRecord) error { return nil }))
}
