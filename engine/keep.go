package engine

import (
	"context"
	"time"
)

// keep does a job in the background until ctx ends: at once, each time an interval
// has passed, and when it is woken. What fails is logged and tried again the next
// time.
func (e *Engine) keep(ctx context.Context, interval time.Duration, woken <-chan struct{}, what string, job func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := job(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("engine: "+what, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-woken:
		}
	}
}

// wake has a job that keep does begin again, unless it was woken already. The
// channel has room for one.
func wake(job chan<- struct{}) {
	select {
	case job <- struct{}{}:
	default:
	}
}
