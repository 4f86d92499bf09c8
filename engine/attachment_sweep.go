package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	sweepInterval = time.Minute
	sweepBatch    = 64
	// sweepLease is how long others leave alone what a node has begun to delete; where
	// it died meanwhile another goes on then.
	sweepLease = 10 * time.Minute
)

// sweeping lets go of attachments each minute, and when it is woken, until ctx ends.
func (e *Engine) sweeping(ctx context.Context) {
	e.keep(ctx, sweepInterval, e.released, "let go of attachments", e.Sweep)
}

// wakeSweep has attachments that were released just now go at once.
func (e *Engine) wakeSweep() {
	wake(e.released)
}

// Sweep deletes the bytes of attachments that no message carries any longer, or
// that were not sent in time. Any number of nodes may call it at once: each
// attachment is one node's. What fails is tried again later.
func (e *Engine) Sweep(ctx context.Context) error {
	if e.cfg.Blobs == nil {
		return nil
	}
	for {
		due, err := e.claimDue(ctx)
		if err != nil {
			return fmt.Errorf("find attachments that are due: %w", err)
		}
		var failed []error
		for i := range due {
			failed = append(failed, e.letGo(ctx, &due[i]))
		}
		if err := errors.Join(failed...); err != nil || len(due) < sweepBatch {
			return err
		}
	}
}

// claimDue takes attachments that are due for this node. From here on no message
// can carry them.
func (e *Engine) claimDue(ctx context.Context) (due []parley.Attachment, err error) {
	now := e.now()
	err = e.cfg.Store.Update(ctx, func(tx parley.Tx) error {
		if due, err = tx.DueAttachments(now, sweepBatch); err != nil {
			return err
		}
		for i := range due {
			due[i].State, due[i].DueAt = parley.AttachmentGone, now.Add(sweepLease)
			if err := tx.UpdateAttachment(&due[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// letGo deletes the bytes, and then the last that was known of them.
func (e *Engine) letGo(ctx context.Context, a *parley.Attachment) error {
	if err := e.cfg.Blobs.Delete(ctx, a.ID); err != nil {
		return err
	}
	return e.cfg.Store.Update(ctx, func(tx parley.Tx) error { return tx.DeleteAttachment(a.Org, a.ID) })
}
