package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	maxEndBackoff = time.Second
	forgetTimeout = 5 * time.Second
)

// End ends the run. It waits until all that was appended is kept and told, and
// then writes, in one transaction, the message that the answer became and the
// run's end; an answer without text becomes no message. While the store or the run
// log is away it tries again until ctx ends, and may be called once more then; the
// engine's Recover does so too.
// Nothing can be appended from its call on. It returns nil where the run was ended
// by this node already, and ErrFenced (wrapped) where another took it over.
func (w *RunWriter) End(ctx context.Context, status parley.RunStatus, detail string) error {
	if err := checkOneOf("status", status, parley.RunCompleted, parley.RunCancelled, parley.RunInterrupted, parley.RunFailed); err != nil {
		return err
	}
	select {
	case w.ending <- struct{}{}:
		defer func() { <-w.ending }()
	case <-w.done:
		return w.outcome
	case <-ctx.Done():
		return fmt.Errorf("end run %s: %w", w.run.ID, ctx.Err())
	}
	text, over, err := w.seal(ctx)
	if over {
		return err
	}
	if err == nil {
		err = w.finish(ctx, text, status, cleanText(detail))
		if err == nil || errors.Is(err, parley.ErrFenced) {
			w.leave(err)
			return err
		}
	}
	w.mu.Lock()
	w.givenUp = &runEnd{status, detail}
	w.mu.Unlock()
	return err
}

// runEnd is how a run is to end.
type runEnd struct {
	status parley.RunStatus
	detail string
}

// endAgain ends a run whose End gave up, as it was to be. One that is no longer in
// the store, because a backup was restored, is let go.
func (w *RunWriter) endAgain(ctx context.Context) error {
	w.mu.Lock()
	end := w.givenUp
	w.mu.Unlock()
	if end == nil {
		return nil
	}
	err := w.End(ctx, end.status, end.detail)
	if errors.Is(err, parley.ErrNotFound) {
		w.leave(err)
		return nil
	}
	return err
}

// seal takes no more, waits until what was taken is told, and returns it all.
func (w *RunWriter) seal(ctx context.Context) (text string, over bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.rest = true, nil
	w.notify()
	if err := w.await(ctx, func() bool { return w.pending == 0 || w.isOver() }); err != nil {
		return "", false, fmt.Errorf("end run %s: %w", w.run.ID, err)
	}
	if w.isOver() {
		return "", true, w.outcome
	}
	return string(w.text), false, nil
}

// finish writes the end, again where the store was away.
func (w *RunWriter) finish(ctx context.Context, text string, status parley.RunStatus, detail string) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, maxEndBackoff) {
		err := w.engine.finishRun(ctx, &w.run, text, status, detail)
		if !errors.Is(err, parley.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// isOver reports whether the run is over for this node. w.mu is held.
func (w *RunWriter) isOver() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// leave makes the run over for this node, with what End answers from now on.
func (w *RunWriter) leave(outcome error) {
	w.mu.Lock()
	if w.isOver() {
		w.mu.Unlock()
		return
	}
	w.closed, w.outcome = true, outcome
	close(w.done)
	w.notify()
	stop := w.unserve
	w.mu.Unlock()
	w.engine.dismiss(w)
	if stop != nil {
		stop()
	}
}

// finishRun stores the end of a run as its row stood when it was last owned: the
// message, if there is text, and run.ended, in one transaction. ErrFenced where
// the run has ended or has another owner or epoch. In a conversation that was deleted
// it ends as cancelled, and nobody is told.
func (e *Engine) finishRun(ctx context.Context, run *parley.Run, text string, status parley.RunStatus, detail string) error {
	agent := &parley.Principal{Org: run.Org, ID: run.Agent, Kind: parley.KindAgent, Name: run.Name}
	var c *parley.Conversation
	err := e.transact(ctx, agent, func(w *write) (err error) {
		// The conversation first, as everywhere: locks are taken in one order.
		if c, err = w.Conversation(run.Org, run.Conversation); err != nil {
			return fmt.Errorf("read conversation %s: %w", run.Conversation, err)
		}
		row, err := w.owned(run)
		if err != nil {
			return err
		}
		row.Status, row.EndedAt = status, w.now
		if c.Status == parley.StatusDeleted {
			row.Status = parley.RunCancelled
		}
		if err := w.UpdateRun(row); err != nil {
			return fmt.Errorf("update run: %w", err)
		}
		if c.Status == parley.StatusDeleted {
			return nil
		}
		return w.appendEnd(c, row, text, detail)
	})
	if err != nil {
		return fmt.Errorf("end run %s: %w", run.ID, err)
	}
	e.typing.posted(c, agent)
	e.forget(ctx, run.ID)
	return nil
}

// owned reads a run and holds it; ErrFenced where it is not running, or not in
// the hands in which it is thought to be.
func (w *write) owned(run *parley.Run) (*parley.Run, error) {
	row, err := w.Run(run.Org, run.ID)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", run.ID, err)
	}
	if row.Status != parley.RunRunning || row.Owner != run.Owner || row.Epoch != run.Epoch {
		return nil, parley.ErrFenced
	}
	return row, nil
}

// appendEnd writes the message that a run became, and the run's end.
func (w *write) appendEnd(c *parley.Conversation, run *parley.Run, text, detail string) error {
	body := &parley.RunBody{
		Run: run.ID, Message: run.Message, Agent: run.Agent, Name: run.Name, Status: run.Status,
		Epoch: run.Epoch, After: run.After, Text: text, Detail: detail,
	}
	if text != "" {
		m := &parley.Message{
			ID: run.Message, Conversation: c.ID,
			Sender: run.Agent, SenderKind: parley.KindAgent, SenderName: run.Name,
			Content: text, ContentType: "text", CreatedAt: w.now,
			Run: &parley.RunRef{ID: run.ID, Status: run.Status, After: run.After},
		}
		if _, err := w.insertMessage(c, m); err != nil {
			return err
		}
		body.Seq = m.Seq
	}
	return firstError(w.append(w.event(c, parley.RunEnded, body)), w.save(c))
}

// forget lets go of the run log of a run that has ended; it may be kept longer.
func (e *Engine) forget(ctx context.Context, run parley.RunID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTimeout)
	defer cancel()
	if err := e.cfg.RunLog.Forget(ctx, run); err != nil && e.quiet.speak() {
		e.cfg.Logger.Warn("engine: forget run log", "run", run, "err", err)
	}
}
