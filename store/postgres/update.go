package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// maxAttempts bounds how often fn is run for one Update.
	maxAttempts = 8
	// firstPause is waited after the first conflict, twice as long after each other.
	firstPause = 2 * time.Millisecond
	// finishTimeout bounds a commit or a rollback.
	finishTimeout = 10 * time.Second
)

// Update implements parley.Store. fn is run again, at most 8 times in all, where
// nothing was kept: the database gave the transaction up for a deadlock or a
// serialization failure, or the connection broke before the commit was said. Where
// that was not enough the answer is ErrUnavailable. It is also the answer where the
// connection broke during the commit; only then the transaction may have been kept,
// see the package comment. A panic of fn rolls back and goes on.
func (s *Store) Update(ctx context.Context, fn func(tx parley.Tx) error) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 {
			if waitErr := pause(ctx, firstPause<<(attempt-1)); waitErr != nil {
				return unavailable("update", waitErr)
			}
		}
		var again bool
		if again, err = s.attempt(ctx, fn); !again {
			return err
		}
	}
	return unavailable("update", err)
}

// attempt runs fn in one transaction. again says that nothing was kept and that
// another try may go better.
func (s *Store) attempt(ctx context.Context, fn func(tx parley.Tx) error) (again bool, err error) {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, unavailable("begin", err)
	}
	defer c.Release()
	begun, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return s.lost(ctx, c.Conn()), translate("begin", c.Conn(), err)
	}
	defer finish(ctx, begun.Rollback) // does nothing after a commit

	t := &tx{ctx: ctx, conn: c.Conn(), q: begun}
	err = fn(t)
	t.over = true
	switch {
	case isConflict(t.broken), t.broken != nil && s.lost(ctx, c.Conn()):
		return true, t.broken
	case err != nil:
		return false, err
	case t.broken != nil: // fn went on after an error that ended the transaction
		return false, t.broken
	}
	err = finish(ctx, begun.Commit)
	return isConflict(err), translate("commit", c.Conn(), err)
}

// finish ends a transaction without regard to the caller's context, which would
// leave open what became of it.
func finish(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return end(ctx)
}

// pause waits for about d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("conflict with another transaction: %w", ctx.Err())
	}
}
