package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/engine"
)

// Causes for which an answer's context ends.
var (
	errCancelled = errors.New("the answer is no longer wanted")
	errTooLong   = errors.New("the answer took too long")
)

// errDraining says that an answer was not begun because the worker drains.
var errDraining = errors.New("no answer is begun any more")

const (
	turnInterval    = 250 * time.Millisecond // between two looks whether another node still answers
	maxStartBackoff = 2 * time.Second
)

// answer starts the run for a question and has the agent write it. It returns
// when the run is over, or was started elsewhere before.
func (w *Worker) answer(ctx context.Context, key laneKey, a Agent, q *question) {
	p := principalIn(key.org, a)
	run, err := w.start(ctx, &p, key, q)
	stopped := ctx.Err() != nil && !errors.Is(context.Cause(ctx), errCancelled)
	if errors.Is(err, errDraining) || err != nil && stopped {
		return // whoever takes over finds the question at the worker's checkpoint
	}
	q.tail.wait(q.offset, -1)
	if err != nil {
		if !errors.Is(err, parley.ErrConflict) {
			w.cfg.Logger.Info("agent: question is not answered", "agent", key.agent, "message", q.message.ID, "err", err)
		}
		return
	}
	status, detail := w.write(ctx, a, &p, run, q)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.endWait(ctx))
	defer cancel()
	if err := run.End(end, status, detail); err != nil && !errors.Is(err, parley.ErrFenced) {
		w.cfg.Logger.Warn("agent: end run", "run", run.ID(), "err", err)
	}
}

// endWait is how long the end of a run is tried: not long where the worker stops.
func (w *Worker) endWait(ctx context.Context) time.Duration {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errCancelled) {
		return stopWait
	}
	return w.cfg.MaxDuration
}

// start waits for its turn and begins the run, again while a part is away. What
// cannot be answered, or was before, is an error.
func (w *Worker) start(ctx context.Context, p *parley.Principal, key laneKey, q *question) (*engine.RunWriter, error) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, maxStartBackoff) {
		err := w.turn(ctx, key)
		if err == nil {
			var run *engine.RunWriter
			if run, err = w.cfg.Engine.StartRun(ctx, p, key.conversation, q.message.ID); err == nil {
				return run, nil
			}
		}
		var refused *parley.Error
		final := errors.Is(err, parley.ErrConflict) ||
			errors.As(err, &refused) && refused.Code != parley.CodeUnavailable
		if final || errors.Is(err, errDraining) || ctx.Err() != nil {
			return nil, err
		}
		if err := w.pause(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// turn waits until no run of the agent is open in the conversation: another node
// may still write the answer to the question before.
func (w *Worker) turn(ctx context.Context, key laneKey) error {
	for {
		runs, err := w.cfg.Store.OpenRuns(ctx, key.org)
		if err != nil {
			return fmt.Errorf("list open runs: %w", err)
		}
		free := true
		for i := range runs {
			if runs[i].Conversation == key.conversation && runs[i].Agent == key.agent {
				free = false
			}
		}
		if free {
			return nil
		}
		if err := w.pause(ctx, turnInterval); err != nil {
			return err
		}
	}
}

// pause waits before an answer is begun; errDraining where it will not be.
func (w *Worker) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.lanes.draining:
		return errDraining
	case <-time.After(d):
		return nil
	}
}

// write lets the agent answer and tells how that ended.
func (w *Worker) write(ctx context.Context, a Agent, p *parley.Principal, run *engine.RunWriter, q *question) (parley.RunStatus, string) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.MaxDuration, errTooLong)
	defer cancel()
	ctx, over := context.WithCancel(ctx)
	defer over()
	go func() { // ends with ctx, which ends with this call
		select {
		case <-run.Done():
			over()
		case <-ctx.Done():
		}
	}()
	in := Input{
		Org: p.Org, Conversation: q.message.Conversation, Run: run.ID(), Message: q.message,
		History: func(ctx context.Context, limit int) ([]parley.Message, error) {
			return w.history(ctx, p, &q.message, limit)
		},
	}
	err := runAgent(ctx, a, in, &emitter{worker: w, run: run, principal: p, conversation: in.Conversation})
	switch cause := context.Cause(ctx); {
	case err == nil:
		return parley.RunCompleted, ""
	case errors.Is(cause, errCancelled):
		return parley.RunCancelled, errCancelled.Error()
	case errors.Is(cause, errTooLong):
		return parley.RunFailed, errTooLong.Error()
	case ctx.Err() != nil:
		return parley.RunInterrupted, "the server was shut down"
	}
	w.cfg.Logger.Warn("agent: failed", "agent", p.ID, "run", run.ID(), "err", err)
	var public *parley.Error
	if errors.As(err, &public) {
		return parley.RunFailed, public.Message
	}
	return parley.RunFailed, "the agent failed"
}

// runAgent turns a panic of an agent into an error.
func runAgent(ctx context.Context, a Agent, in Input, out Emitter) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("agent panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return a.Run(ctx, in, out)
}

// history lists what the agent may see up to a message: what was said in its stay.
func (w *Worker) history(ctx context.Context, p *parley.Principal, upTo *parley.Message, limit int) ([]parley.Message, error) {
	stays, err := w.cfg.Store.Stays(ctx, p.Org, upTo.Conversation)
	if err != nil {
		return nil, fmt.Errorf("read stays: %w", err)
	}
	for i := range stays {
		if stays[i].Principal == p.ID && stays[i].Open() {
			return w.cfg.Store.Messages(ctx, p.Org, upTo.Conversation, stays[i].FromSeq, upTo.Seq, limit, true)
		}
	}
	return nil, parley.Errorf(parley.CodeNotFound, "there is no such conversation")
}

// emitter is the Emitter of one run.
type emitter struct {
	worker       *Worker
	run          *engine.RunWriter
	principal    *parley.Principal
	conversation parley.ConversationID
}

func (e *emitter) Text(ctx context.Context, text string) error { return e.run.Delta(ctx, text) }

func (e *emitter) ToolCalled(ctx context.Context, call, tool string, arguments []byte) error {
	return e.run.ToolCalled(ctx, call, tool, arguments)
}

func (e *emitter) ToolReturned(ctx context.Context, call, tool string, result []byte) error {
	return e.run.ToolReturned(ctx, call, tool, result)
}

func (e *emitter) Typing(ctx context.Context, on bool) error {
	_, err := e.worker.cfg.Engine.Do(ctx, e.principal, parley.SetTyping{Conversation: e.conversation, On: on})
	return err
}
