package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

// crash ends an engine as the death of its process would.
func crash(e *Engine) {
	e.cancel()
	e.tape.stop()
}

// lastEnd is the last event of the log, which must be a run's end.
func (w *world) lastEnd() *parley.RunBody {
	w.t.Helper()
	events := w.log()
	body, ok := events[len(events)-1].Body.(*parley.RunBody)
	if !ok {
		w.t.Fatalf("log ends with %v", types(events))
	}
	return body
}

func TestTheNextStartEndsWhatACrashLeft(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "told 😀 ")
	ear.next(parley.RunStarted)
	ear.next(parley.StreamStarted)
	ear.next(parley.StreamDelta)
	w.runlog.Cut(true)
	say(t, run, "never told")
	crash(w.Engine)
	w.runlog.Cut(false)

	next := w.node("node-2", func(c *Config) { c.Solo = true })
	for range 2 { // idempotent
		if err := next.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "told 😀 " || e.Run != run.ID() || e.Epoch != 2 || e.Seq != 2 {
		t.Errorf("end is %+v", e)
	}
	if n := len(w.log()); n != 4 {
		t.Errorf("log holds %v", types(w.log()))
	}
	// The one that was taken for dead is not heard any more.
	if err := next.finishRun(t.Context(), &run.run, "other text", parley.RunCompleted, ""); !errors.Is(err, parley.ErrFenced) {
		t.Errorf("the old owner ended it: %v", err)
	}
}

func TestOnlyTheRunsOfTheDeadAreTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		conversation, trigger := w.question()
		run := w.start(w.Engine, conversation, trigger) // sends a heartbeat
		say(t, run, "hello")
		synctest.Wait()
		other := w.node("node-2")
		if err := other.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if row, _ := w.store.Run(t.Context(), org, run.ID()); row.Status != parley.RunRunning || row.Epoch != 1 {
			t.Fatalf("a living node lost its run: %+v", row)
		}
		// The owner hangs for longer than its heartbeat lives.
		time.Sleep(heartbeatTTL + time.Second)
		if err := other.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "hello" {
			t.Errorf("end is %+v", e)
		}
		// When it wakes up it finds out before it tells another word.
		ear := w.listen()
		say(t, run, " again")
		synctest.Wait()
		w.silent(ear)
		select {
		case <-run.Done():
		default:
			t.Error("the old owner goes on")
		}
		if err := run.End(context.Background(), parley.RunCompleted, ""); !errors.Is(err, parley.ErrFenced) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestANodeThatLivesKeepsItsRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- w.Engine.Run(ctx) }()
		other := w.node("node-2")
		go func() { done <- other.Run(ctx) }()
		conversation, trigger := w.question()
		run := w.start(w.Engine, conversation, trigger)
		for range 30 {
			say(t, run, "tick ")
			time.Sleep(time.Second)
		}
		end(t, run, parley.RunCompleted)
		if e := w.lastEnd(); e.Status != parley.RunCompleted || len(e.Text) != 150 {
			t.Errorf("end is %+v", e)
		}
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// slowLog is a run log that takes long to read, or to append to.
type slowLog struct {
	parley.RunLog
	read, append time.Duration
}

func (l *slowLog) Read(ctx context.Context, run parley.RunID, fn func(parley.RunRecord) error) error {
	time.Sleep(l.read)
	return l.RunLog.Read(ctx, run, fn)
}

func (l *slowLog) Append(ctx context.Context, batch []parley.RunRecord) error {
	time.Sleep(l.append)
	return l.RunLog.Append(ctx, batch)
}

func TestANodeThatEndsTheRunsOfTheDeadStaysAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		for range 3 {
			conversation, trigger := w.question()
			say(t, w.start(w.Engine, conversation, trigger), "hello")
		}
		synctest.Wait()
		crash(w.Engine)
		time.Sleep(heartbeatTTL + time.Second)

		other := w.node("node-2", func(c *Config) { c.RunLog = &slowLog{RunLog: w.runlog, read: 2 * heartbeatTTL} })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- other.Run(ctx) }()
		defer func() { cancel(); <-done }()
		for range 30 {
			time.Sleep(time.Second)
			if nodes, err := w.store.LiveNodes(t.Context()); err != nil || len(nodes) != 1 {
				t.Fatalf("live nodes are %v, %v", nodes, err)
			}
		}
		time.Sleep(time.Minute)
		if open, err := w.store.OpenRuns(t.Context(), org); err != nil || len(open) != 0 {
			t.Errorf("%d runs are open, %v", len(open), err)
		}
	})
}

func TestWhatIsKeptTooLateIsNotTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		conversation, trigger := w.question()
		slow := w.node("node-2", func(c *Config) { c.RunLog = &slowLog{RunLog: w.runlog, append: heartbeatTTL + 2*time.Second} })
		run := w.start(slow, conversation, trigger) // sends its only heartbeat
		say(t, run, "hello")
		ear := w.listen()
		time.Sleep(heartbeatTTL + time.Second)
		if err := w.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "" {
			t.Errorf("end is %+v", e)
		}
		time.Sleep(time.Minute)
		w.silent(ear)
	})
}

func TestStopEndsRunsWithWhatTheySaid(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "half a sen")
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "half a sen" || e.Detail == "" {
		t.Errorf("end is %+v", e)
	}
	<-run.Done()
	if err := run.End(t.Context(), parley.RunCompleted, ""); err != nil {
		t.Errorf("ended after Stop: %v", err)
	}
	if _, err := w.StartRun(t.Context(), &demo, conversation, parley.MessageID{}); !errors.Is(err, &parley.Error{Code: parley.CodeUnavailable}) {
		t.Errorf("started after Stop: %v", err)
	}
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	w.runlog.Cut(true)
	run := w.start(w.Engine, conversation, trigger)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped with %v", err)
	}
	<-run.Done()
	w.runlog.Cut(false)
	next := w.node("node-2", func(c *Config) { c.Solo = true })
	if err := next.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "" {
		t.Errorf("end is %+v", e)
	}
}

func TestARunWhoseEndWasGivenUpIsEndedLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		conversation, trigger := w.question()
		run := w.start(w.Engine, conversation, trigger)
		say(t, run, "all of it")
		synctest.Wait()
		w.runlog.Cut(true)
		say(t, run, ", and more")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := run.End(ctx, parley.RunCompleted, "done"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("ended with %v", err)
		}
		if err := w.Recover(t.Context()); err == nil { // the run log is still away
			t.Error("nobody hears that a run cannot be ended")
		}
		w.runlog.Cut(false)
		time.Sleep(2 * maxTapeBackoff)
		if err := w.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := w.lastEnd(); e.Status != parley.RunCompleted || e.Text != "all of it, and more" || e.Detail != "done" {
			t.Errorf("end is %+v", e)
		}
		<-run.Done()
	})
}

// restored is a store that a backup without the latest runs can be put in place of.
type restored struct {
	parley.Store
	lost atomic.Bool
}

func (s *restored) Update(ctx context.Context, fn func(parley.Tx) error) error {
	if s.lost.Load() {
		return parley.ErrNotFound
	}
	return s.Store.Update(ctx, fn)
}

func TestARunThatABackupDoesNotHoldIsLetGo(t *testing.T) {
	w := newWorld(t)
	store := &restored{Store: w.store}
	e := w.node("node-2", func(c *Config) { c.Store = store })
	conversation, trigger := w.question()
	run := w.start(e, conversation, trigger)
	store.lost.Store(true)
	if err := run.End(t.Context(), parley.RunCompleted, ""); !errors.Is(err, parley.ErrNotFound) {
		t.Fatalf("ended with %v", err)
	}
	if err := e.endGivenUp(t.Context()); err != nil {
		t.Error(err)
	}
	if e.writes(run.ID()) {
		t.Error("it is tried for ever")
	}
}

func TestTheRunLogMayRepeatOrLose(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "abc")
	ear.next(parley.RunStarted)
	ear.next(parley.StreamStarted)
	ear.next(parley.StreamDelta)
	say(t, run, "def")
	ear.next(parley.StreamDelta)
	var records []parley.RunRecord
	w.runlog.Read(t.Context(), run.ID(), func(r parley.RunRecord) error { records = append(records, r); return nil })
	kept := func(records ...parley.RunRecord) string {
		t.Helper()
		w.runlog.Forget(t.Context(), run.ID())
		if err := w.runlog.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		text, err := w.runText(t.Context(), run.ID())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if text := kept(append(records, records...)...); text != "abcdef" {
		t.Errorf("kept twice: read %q", text)
	}
	broken := parley.RunRecord{Run: run.ID(), Event: []byte("?")}
	if text := kept(records[0], records[1], records[2], broken, records[3]); text != "abc" {
		t.Errorf("a record is broken: read %q", text)
	}
	if text := kept(records[0], records[1], records[3]); text != "" {
		t.Errorf("the first piece is lost: read %q", text)
	}
}
