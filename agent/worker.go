package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/engine"
)

const (
	checkpointName     = "agents"
	pollInterval       = 500 * time.Millisecond // between two looks at the log where nothing woke the worker
	checkpointInterval = time.Second            // between two writes of how far it has come
	pageSize           = 256
	// freshness bounds the age of messages that are answered in an org this worker
	// sees for the first time: agents that are switched on do not answer the past.
	freshness = time.Minute
	stopWait  = 5 * time.Second // for the end of a run when the worker stops
)

// Config is what a Worker is made of. Store, Bus and Engine are needed.
type Config struct {
	Store  parley.Store
	Bus    parley.Bus
	Engine *engine.Engine
	// Agents are those that answer; engine.Config.Agents knows the same ones.
	Agents []Agent
	// MaxRuns bounds how many answer at once; 256 where zero. Others wait.
	MaxRuns int
	// MaxDuration bounds one answer; 10 minutes where zero.
	MaxDuration time.Duration
	// Logger hears of trouble; nil discards.
	Logger *slog.Logger
}

// Worker starts runs. It reads each org's log from its checkpoint; a message is
// answered once per agent however often it is read, and on however many nodes,
// since (message, agent) has one run.
type Worker struct {
	cfg    Config
	agents map[parley.PrincipalID]Agent
	wake   chan struct{}
	slots  chan struct{} // one token for each answer at work
	lanes  lanes
	passed passed
	orgs   map[parley.OrgID]*tail // Run's own
}

// New makes a Worker; Run makes it work.
func New(c Config) *Worker {
	if c.MaxRuns <= 0 {
		c.MaxRuns = 256
	}
	if c.MaxDuration <= 0 {
		c.MaxDuration = 10 * time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Worker{
		cfg:    c,
		agents: map[parley.PrincipalID]Agent{},
		wake:   make(chan struct{}, 1),
		slots:  make(chan struct{}, c.MaxRuns),
		orgs:   map[parley.OrgID]*tail{},
	}
	w.lanes.worker, w.lanes.draining, w.lanes.idle = w, make(chan struct{}), make(chan struct{})
	for _, a := range c.Agents {
		w.agents[a.Principal().ID] = a
	}
	return w
}

// Run follows the logs of all orgs until ctx ends; then it ends the answers at
// work as interrupted, waits for their agents to return, and returns nil. The
// error is that of the bus where it cannot subscribe. Without agents it only waits.
func (w *Worker) Run(ctx context.Context) error {
	if len(w.agents) == 0 {
		<-ctx.Done()
		return nil
	}
	stop, err := w.cfg.Bus.Subscribe("log.*", func(_, _ string, data []byte) {
		if w.passed.hear(data) {
			w.poke()
		}
	})
	if err != nil {
		return fmt.Errorf("agent worker: %w", err)
	}
	defer stop()
	defer w.lanes.wait()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	saved := time.Now()
	for {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Logger.Warn("agent: follow the log", "err", err)
		}
		if time.Since(saved) >= checkpointInterval {
			saved = time.Now()
			w.save(ctx)
		}
		select {
		case <-ctx.Done():
			w.lanes.wait()
			w.saveLast(ctx)
			return nil
		case <-w.wake:
		case <-ticker.C:
		}
	}
}

// Drain begins no answer from now on and waits until those at work have ended, or
// for ctx: the error is ctx's then, and they go on. What is not begun is left to
// another node, or to the next worker, in its turn. An answer that is no longer
// wanted is still cancelled. Drain may be called more than once, and concurrently
// with Run, which ends the rest when its own context does.
func (w *Worker) Drain(ctx context.Context) error {
	select {
	case <-w.lanes.drain():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("agent: wait for answers at work: %w", ctx.Err())
	}
}

func (w *Worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// follow reads what is new in every org.
func (w *Worker) follow(ctx context.Context) error {
	heads, err := w.cfg.Store.Heads(ctx)
	if err != nil {
		return fmt.Errorf("read heads: %w", err)
	}
	for org, head := range heads {
		t := w.orgs[org]
		if t != nil {
			lost, err := t.lost(ctx, head)
			if err != nil {
				return err
			}
			if lost {
				w.cfg.Logger.Warn("agent: the log was restored; following it from its checkpoint", "org", org)
				t = nil
			}
		}
		if t == nil {
			if t, err = w.begin(ctx, org, head); err != nil {
				return err
			}
			w.orgs[org] = t
		}
		t.at = w.passed.after(org, t.at, head)
		if err := t.read(ctx, head); err != nil {
			return fmt.Errorf("org %s: %w", org, err)
		}
	}
	return nil
}

// begin takes an org up where its checkpoint is.
func (w *Worker) begin(ctx context.Context, org parley.OrgID, head parley.Position) (*tail, error) {
	saved, err := w.cfg.Store.Checkpoint(ctx, checkpointName, org)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	at, err := w.cfg.Store.Locate(ctx, org, saved)
	switch {
	case errors.Is(err, parley.ErrNotFound): // a node wrote it that had not noticed yet
		at = head
	case err != nil:
		return nil, fmt.Errorf("locate checkpoint: %w", err)
	}
	t := &tail{worker: w, org: org, at: at, head: head, saved: saved, answering: map[parley.ConversationID][]Agent{}}
	if saved == 0 {
		t.notBefore = time.Now().Add(-freshness)
	}
	return t, nil
}

// save writes how far each org was answered, where that moved.
func (w *Worker) save(ctx context.Context) {
	for org, t := range w.orgs {
		done := t.done()
		if done <= t.saved {
			continue
		}
		if err := w.cfg.Store.SetCheckpoint(ctx, checkpointName, org, done); err != nil {
			if ctx.Err() == nil {
				w.cfg.Logger.Warn("agent: save checkpoint", "org", org, "err", err)
			}
			return
		}
		t.saved = done
	}
}

// saveLast saves once more when the worker's own context has ended.
func (w *Worker) saveLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	w.save(ctx)
}
