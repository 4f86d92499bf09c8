package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
)

// slow says a word at once and another after 3 s.
func slow(ctx context.Context, _ agent.Input, out agent.Emitter) error {
	if err := out.Text(ctx, "well… "); err != nil {
		return err
	}
	select {
	case <-time.After(3 * time.Second):
		return out.Text(ctx, "yes")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain calls Drain for at most d and says how long it took.
func drain(worker *agent.Worker, d time.Duration) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	began := time.Now()
	err = worker.Drain(ctx)
	return time.Since(began), err
}

func TestADrainLetsAnswersFinishAndBeginsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: slow}
		w := newWorld(t, bot)
		worker, stop := w.worker(w.engine)
		id, other := w.session("bot"), w.session("bot")
		w.ask(id, "first")
		w.ask(id, "second")
		time.Sleep(time.Second)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			time.Sleep(time.Second)
			w.ask(other, "late")
		}()
		if took, err := drain(worker, time.Minute); err != nil || took > 3*time.Second || took < time.Second {
			t.Errorf("drained in %s: %v", took, err)
		}
		<-asked
		time.Sleep(5 * time.Second)
		if n := bot.calls.Load(); n != 1 {
			t.Errorf("%d answers were begun, want the one that was at work", n)
		}
		w.wantSaid(id, "ann: first", "ann: second", "bot: well… yes")
		stop()

		w.work(w.engine) // the next life
		time.Sleep(10 * time.Second)
		w.wantSaid(id, "ann: first", "ann: second", "bot: well… yes", "bot: well… yes")
		w.wantSaid(other, "ann: late", "bot: well… yes")
	})
}

func TestADrainEndsWithItsContextAndTheRestIsInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, &scripted{id: "bot", run: slow})
		worker, stop := w.worker(w.engine)
		id := w.session("bot")
		w.ask(id, "well?")
		time.Sleep(time.Second)
		if took, err := drain(worker, time.Second); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("drained in %s: %v", took, err)
		}
		if n := len(w.ends()); n != 0 {
			t.Errorf("%d answers were ended by the drain", n)
		}
		stop()
		if e := w.ends(); len(e) != 1 || e[0].Status != parley.RunInterrupted || e[0].Text != "well… " {
			t.Errorf("ended with %+v", e)
		}
	})
}

func TestAnAnswerIsCancelledWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, &scripted{id: "bot", run: slow})
		worker, _ := w.worker(w.engine)
		id := w.session("bot")
		w.ask(id, "well?")
		time.Sleep(time.Second)
		go w.do(ann, parley.CloseConversation{Conversation: id})
		if took, err := drain(worker, time.Minute); err != nil || took > time.Second {
			t.Errorf("drained in %s: %v", took, err)
		}
		if e := w.ends(); len(e) != 1 || e[0].Status != parley.RunCancelled {
			t.Errorf("ended with %+v", e)
		}
	})
}

// Who waits for another node's answer, or for a free place, is not begun either.
func TestADrainDoesNotWaitForWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: slow}
		w := newWorld(t, bot)
		id := w.session("bot")
		run, err := w.engine.StartRun(t.Context(), &parley.Principal{Org: org, ID: "bot", Kind: parley.KindAgent, Scopes: parley.UserScopes}, id, parley.MessageID{})
		if err != nil {
			t.Fatal(err)
		}
		worker, _ := w.worker(w.newEngine("node-2"), func(c *agent.Config) { c.MaxRuns = 1 })
		w.ask(id, "waits for its turn")
		time.Sleep(time.Second) // it has the one place before the next comes
		w.ask(w.session("bot"), "waits for a place")
		time.Sleep(time.Second)
		for range 2 { // again is as well
			if took, err := drain(worker, time.Minute); err != nil || took > time.Second {
				t.Errorf("drained in %s: %v", took, err)
			}
		}
		if n := bot.calls.Load(); n != 0 {
			t.Errorf("%d answers were begun", n)
		}
		if err := run.End(t.Context(), parley.RunCompleted, ""); err != nil {
			t.Error(err)
		}
	})
}
