package hub

import (
	"context"
	"errors"
	"time"

	parley "github.com/parley-chat/parley"
)

// tick asks the store for the head, off the loop, and lets go of what is old.
func (f *feed) tick() {
	now := f.h.cfg.Now()
	for id, at := range f.ended {
		if now.Sub(at) > time.Minute {
			delete(f.ended, id)
		}
	}
	if f.asking {
		return
	}
	f.asking = true
	f.wg.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx, 5*headInterval)
		defer cancel()
		head, err := f.h.cfg.Store.Head(ctx, f.org)
		// What was committed just now is still on its way: it is no hole yet.
		select {
		case <-time.After(headGrace):
		case <-ctx.Done():
		}
		f.post(func() { f.headIs(head, err) })
	})
}

// headIs compares what was applied with what the store says: more means a hole,
// less that the store is not the one it was.
func (f *feed) headIs(head parley.Position, err error) {
	f.asking = false
	switch {
	case err != nil:
		f.stall(err)
	case head.Offset > f.applied.Offset:
		f.fill(head.Offset)
	default:
		// The feed may have gone on meanwhile; only the store can say whether what it
		// applied is still there.
		f.recovered()
		if head != f.applied {
			f.verify()
		}
	}
}

// verify asks the store whether what was applied is still of its log.
func (f *feed) verify() {
	if f.verifying {
		return
	}
	f.verifying = true
	applied := f.applied
	f.wg.Go(func() {
		q := parley.ReplayQuery{Org: f.org}
		err := f.h.cfg.Store.CheckCursor(f.ctx, q, applied)
		head, headErr := f.h.cfg.Store.Head(f.ctx, f.org)
		f.post(func() {
			f.verifying = false
			if errors.Is(err, parley.ErrCursor) && headErr == nil && f.applied == applied {
				f.reload(head, "the log was restored")
			}
		})
	})
}

// reload starts again at the store's head and tells every listener that
// something was lost for good.
func (f *feed) reload(head parley.Position, reason string) {
	f.h.cfg.Logger.Error("the store's log is not the one that was told; every connection is told to reload",
		"org", f.org, "applied", f.applied.Offset, "head", head.Offset)
	f.applied, f.target, f.parked = head, 0, nil
	f.restored++
	f.pages++
	f.clearRing(head)
	f.reach.floor = 0
	for _, m := range f.conversations {
		m.drop(f)
	}
	clear(f.conversations)
	clear(f.loads)
	clear(f.runs)
	clear(f.ended)
	f.forgetBlocks()
	for _, p := range f.present {
		for _, l := range p.listeners {
			l.reload(head, reason)
		}
	}
	f.wg.Go(func() {
		// Where the store is away, the runs are found by their next deltas.
		if runs, err := f.h.cfg.Store.OpenRuns(f.ctx, f.org); err == nil {
			f.post(func() { f.joinRuns(runs) })
		}
	})
}

func (f *feed) stall(err error) {
	if !f.stalled && f.ctx.Err() == nil {
		f.stalled = true
		f.h.StalledOrgs.Add(1)
		f.h.cfg.Logger.Warn("telling of durable events waits for the store", "org", f.org, "error", err)
	}
}

func (f *feed) recovered() {
	if f.stalled {
		f.stalled = false
		f.h.StalledOrgs.Add(-1)
		f.h.cfg.Logger.Info("telling of durable events goes on", "org", f.org)
	}
}
