package membus

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/parley-chat/parley"
)

// RunLog is a parley.RunLog in memory. It outlives the engines that write to it,
// as a real one outlives their processes. The zero value is ready.
type RunLog struct {
	mu      sync.Mutex
	m       map[parley.RunID][]parley.RunRecord
	appends atomic.Int64
	cut     atomic.Bool
}

var _ parley.RunLog = (*RunLog)(nil)

// Cut makes Append fail, or work again.
func (l *RunLog) Cut(cut bool) { l.cut.Store(cut) }

// Appends is how many batches were kept.
func (l *RunLog) Appends() int { return int(l.appends.Load()) }

// Append keeps a copy of the batch.
func (l *RunLog) Append(ctx context.Context, batch []parley.RunRecord) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.cut.Load() {
		return parley.ErrUnavailable
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = map[parley.RunID][]parley.RunRecord{}
	}
	for _, r := range batch {
		r.Event = append([]byte(nil), r.Event...)
		l.m[r.Run] = append(l.m[r.Run], r)
	}
	l.appends.Add(1)
	return nil
}

// Read calls fn with what was kept of a run.
func (l *RunLog) Read(_ context.Context, run parley.RunID, fn func(parley.RunRecord) error) error {
	l.mu.Lock()
	records := l.m[run]
	l.mu.Unlock()
	for _, r := range records {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// Forget drops a run's records.
func (l *RunLog) Forget(_ context.Context, run parley.RunID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.m, run)
	return nil
}
