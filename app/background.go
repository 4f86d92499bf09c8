package app

import (
	"context"
	"time"
)

// background starts what runs beside the requests.
func (a *App) background() {
	run := func(name string, fn func(context.Context) error) (stop context.CancelFunc, done chan struct{}) {
		ctx, cancel := context.WithCancel(context.Background())
		done = make(chan struct{})
		a.wg.Go(func() {
			defer close(done)
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("a part of the server ended", "part", name, "error", err)
			}
		})
		return cancel, done
	}
	a.stopRelay, _ = run("relay", a.relay.Run)
	a.stopEngine, _ = run("engine", func(ctx context.Context) error {
		a.wg.Go(func() { a.auth.Watch(ctx) })
		a.wg.Go(func() { a.trim(ctx) })
		a.wg.Go(func() { a.tidy(ctx) })
		return a.engine.Run(ctx)
	})
	a.stopPresence, _ = run("presence", a.presence.Run)
	a.stopWorker, a.workerDone = run("agents", a.worker.Run)
}

const trimInterval = time.Hour

// trim lets go of events that are older than they are kept: once now, then every
// hour.
func (a *App) trim(ctx context.Context) {
	ticker := time.NewTicker(trimInterval)
	defer ticker.Stop()
	for {
		if n, err := a.store.TrimLog(ctx, time.Now().Add(-a.cfg.Limits.LogRetention)); err != nil && ctx.Err() == nil {
			a.log.Warn("trim the log", "error", err)
		} else if n > 0 {
			a.log.Info("the log was trimmed", "events", n)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
