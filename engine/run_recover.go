package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// Recover ends the runs whose owner is gone: it takes each over, reads from the
// run log exactly what its listeners may have seen, and ends it as interrupted
// with that. Runs of this node whose End gave up are ended as they were to be. It
// may be called any time, on any number of nodes at once.
func (e *Engine) Recover(ctx context.Context) error {
	e.recovering.Lock()
	defer e.recovering.Unlock()
	return errors.Join(e.endGivenUp(ctx), e.endOrphans(ctx))
}

// endGivenUp tries once more to end the runs of this node whose End gave up.
func (e *Engine) endGivenUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endAgainTimeout)
	defer cancel()
	var failed []error
	for _, w := range e.open() {
		if err := w.endAgain(ctx); err != nil && !errors.Is(err, parley.ErrFenced) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// endAgainTimeout bounds one round of endGivenUp.
const endAgainTimeout = heartbeatInterval

func (e *Engine) endOrphans(ctx context.Context) error {
	runs, err := e.cfg.Store.OpenRuns(ctx, "")
	if err != nil {
		return fmt.Errorf("list open runs: %w", err)
	}
	// Read after the runs: a node lives before it owns one.
	live, err := e.liveNodes(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for i := range runs {
		run := &runs[i]
		if e.writes(run.ID) || run.Owner != e.cfg.Node && live[run.Owner] {
			continue
		}
		if err := e.recoverRun(ctx, run); err != nil && !errors.Is(err, parley.ErrFenced) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// liveNodes are those whose runs are left alone; none but this one where it is
// alone with the store.
func (e *Engine) liveNodes(ctx context.Context) (map[string]bool, error) {
	live := map[string]bool{}
	if e.cfg.Solo {
		return live, nil
	}
	nodes, err := e.cfg.Store.LiveNodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list live nodes: %w", err)
	}
	for _, n := range nodes {
		live[n] = true
	}
	return live, nil
}

func (e *Engine) recoverRun(ctx context.Context, run *parley.Run) error {
	if err := e.takeOver(ctx, run); err != nil {
		return err
	}
	text, err := e.runText(ctx, run.ID)
	if err != nil {
		return err
	}
	err = e.finishRun(ctx, run, text, parley.RunInterrupted, "the server that wrote the answer stopped")
	if err == nil {
		e.cfg.Logger.Info("engine: ended an orphaned run", "run", run.ID, "org", run.Org, "bytes", len(text))
	}
	return err
}

// takeOver makes this node the owner, under the next epoch, and changes run
// accordingly. ErrFenced where somebody was faster.
func (e *Engine) takeOver(ctx context.Context, run *parley.Run) error {
	agent := &parley.Principal{Org: run.Org, ID: run.Agent, Kind: parley.KindAgent, Name: run.Name}
	var taken parley.Run
	err := e.transact(ctx, agent, func(w *write) error {
		row, err := w.owned(run)
		if err != nil {
			return err
		}
		row.Owner = e.cfg.Node
		row.Epoch++
		taken = *row
		return w.UpdateRun(row)
	})
	if err != nil {
		return fmt.Errorf("take over run %s: %w", run.ID, err)
	}
	*run = taken
	return nil
}

// runText assembles what the run log has of a run's answer, up to a hole or what
// cannot be read: what is lost does not keep a run from ending. Only where the log
// is away for now is it an error. An append that was tried twice may be there twice.
func (e *Engine) runText(ctx context.Context, run parley.RunID) (string, error) {
	var text []byte
	err := e.cfg.RunLog.Read(ctx, run, func(r parley.RunRecord) error {
		ev, err := parley.UnmarshalEvent(r.Event)
		if err != nil {
			return err
		}
		d, ok := ev.Body.(*parley.DeltaBody)
		if !ok || d.Offset+len(d.Text) <= len(text) {
			return nil
		}
		if d.Offset > len(text) {
			return fmt.Errorf("the piece at offset %d is missing", len(text))
		}
		text = append(text, d.Text[len(text)-d.Offset:]...)
		return nil
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, parley.ErrUnavailable) {
		e.cfg.Logger.Error("engine: run is ended with less than was told", "run", run, "bytes", len(text), "err", err)
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("read log of run %s: %w", run, err)
	}
	return string(text), nil
}
