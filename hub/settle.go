package hub

import (
	"context"
	"time"
)

const settlePause = 2 * time.Millisecond

// Settle waits until every feed has applied what the store holds now, or ctx
// ends: what is committed before it is called is then owed to its listeners.
func (h *Hub) Settle(ctx context.Context) {
	h.mu.Lock()
	feeds := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		feeds = append(feeds, f)
	}
	h.mu.Unlock()
	for _, f := range feeds {
		f.settle(ctx)
	}
}

func (f *feed) settle(ctx context.Context) {
	head, err := f.h.cfg.Store.Head(ctx, f.org)
	if err != nil {
		return
	}
	ticker := time.NewTicker(settlePause)
	defer ticker.Stop()
	for {
		reached := true
		f.do(func() { reached = f.applied.Offset >= head.Offset })
		if reached {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
