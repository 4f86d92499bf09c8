package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

const (
	heartbeatInterval = 2 * time.Second
	heartbeatTTL      = 6 * time.Second
	// leaseTime is how long after a heartbeat this node may tell what its runs say.
	// It is shorter than the heartbeat's life, so that the node falls silent before
	// another takes its runs over.
	leaseTime = heartbeatTTL - time.Second
)

// shutDown is the detail of runs that Stop ends.
const shutDown = "the server was shut down"

func errStopping() error {
	return parley.Errorf(parley.CodeUnavailable, "the server is shutting down")
}

// Run says every 2 s that this node lives, and ends the runs of those that do not,
// until ctx ends; it returns nil then. Meanwhile it lets go of attachments (Sweep) and
// goes on with erasures, and empties messages that were kept long enough. The one never waits for the other: a node that is long at
// ending the runs of the dead would be taken for dead itself.
func (e *Engine) Run(ctx context.Context) error {
	var recovery sync.WaitGroup
	recovery.Go(func() { e.repeat(ctx, "recover runs", e.Recover) })
	recovery.Go(func() { e.keepErasing(ctx) })
	recovery.Go(func() { e.keepRetaining(ctx) })
	if e.cfg.Blobs != nil {
		recovery.Go(func() { e.sweeping(ctx) })
	}
	e.repeat(ctx, "heartbeat", e.renewLease)
	recovery.Wait()
	return nil
}

// repeat does something at once and then every 2 s until ctx ends.
func (e *Engine) repeat(ctx context.Context, what string, do func(context.Context) error) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("engine: "+what, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Stop ends the runs of this node as interrupted, with what they have said, and
// everything else the engine does by itself. Commands in the air go on; new runs
// are refused. The error joins those of runs that could not be ended before ctx
// ended; another node, or the next start, ends them.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	open := e.open()

	failed := make([]error, len(open))
	var ends sync.WaitGroup
	for i, w := range open {
		ends.Go(func() {
			err := w.End(ctx, parley.RunInterrupted, shutDown)
			// One that is not stored yet is ended by StartRun.
			if !errors.Is(err, parley.ErrFenced) && !errors.Is(err, parley.ErrNotFound) {
				failed[i] = err
			}
		})
	}
	ends.Wait()
	e.cancel()
	e.tape.stop()
	e.typing.stop()
	for i, w := range open {
		w.leave(failed[i])
	}
	return errors.Join(failed...)
}

// open lists the runs of this node.
func (e *Engine) open() []*RunWriter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.runs))
}

func (e *Engine) isStopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopping
}

// enlist makes a run one of this node's; false while the engine stops.
func (e *Engine) enlist(w *RunWriter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return false
	}
	e.runs[w.run.ID] = w
	return true
}

func (e *Engine) dismiss(w *RunWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.runs, w.run.ID)
}

// writes reports whether a run is written here.
func (e *Engine) writes(run parley.RunID) bool { return e.writer(run) != nil }

// writer returns the pen of a run that is written here, else nil.
func (e *Engine) writer(run parley.RunID) *RunWriter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.runs[run]
}

// holdLease makes sure that the other nodes take this one for alive.
func (e *Engine) holdLease(ctx context.Context) error {
	if e.cfg.Solo {
		return nil
	}
	e.mu.Lock()
	held := time.Now().Before(e.lease)
	e.mu.Unlock()
	if held {
		return nil
	}
	return e.renewLease(ctx)
}

// renewLease sends a heartbeat. Where the last one had run out, the runs that
// others took over meanwhile are let go.
func (e *Engine) renewLease(ctx context.Context) error {
	start := time.Now()
	if err := e.cfg.Store.Heartbeat(ctx, e.cfg.Node, heartbeatTTL); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	e.mu.Lock()
	lapsed := !e.cfg.Solo && !e.lease.IsZero() && start.After(e.lease)
	open := make([]*RunWriter, 0, len(e.runs))
	if lapsed {
		for _, w := range e.runs {
			open = append(open, w)
		}
	}
	e.mu.Unlock()
	for _, w := range open {
		if err := e.checkOwned(ctx, w); err != nil {
			return err
		}
	}
	e.mu.Lock()
	e.lease = start.Add(leaseTime)
	e.mu.Unlock()
	return nil
}

// checkOwned lets go of a run that is no longer this node's.
func (e *Engine) checkOwned(ctx context.Context, w *RunWriter) error {
	row, err := e.cfg.Store.Run(ctx, w.run.Org, w.run.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return nil // about to be stored
	}
	if err != nil {
		return fmt.Errorf("read run %s: %w", w.run.ID, err)
	}
	if row.Status == parley.RunRunning && (row.Owner != w.run.Owner || row.Epoch != w.run.Epoch) {
		w.leave(fmt.Errorf("run %s: %w", w.run.ID, parley.ErrFenced))
	} else if row.Status != parley.RunRunning {
		// Ended by another, or by an End whose answer was lost.
		w.leave(fmt.Errorf("run %s has ended: %w", w.run.ID, parley.ErrFenced))
	}
	return nil
}
