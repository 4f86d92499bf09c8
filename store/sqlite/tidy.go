package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// shrink gives back the pages that a connection keeps.
const shrink = `PRAGMA shrink_memory`

// Tidy gives back what the connections keep of the file, up to 16 MiB each, and what
// the writer knows of it by heart: for a time in which nobody asks. Who asks next
// reads it again from the kernel's cache. It waits for the queue of writes, as an update does.
func (s *Store) Tidy(ctx context.Context) (err error) {
	if s.closing.Load() {
		return errClosed
	}
	if err := s.catchUp(ctx); err != nil {
		return fmt.Errorf("sqlite: tidy: %w", err)
	}
	err = s.writer.do(ctx, func(t *tx) error {
		t.w.keys.forget()
		return t.w.exec(shrink)
	})
	if err != nil {
		return fmt.Errorf("sqlite: tidy: %w", err)
	}
	var taken []*sql.Conn // all that are idle: one that was given back would be taken again
	defer func() {
		for _, c := range taken {
			err = errors.Join(err, c.Close())
		}
	}()
	for range s.readDB.Stats().Idle {
		c, err := s.readDB.Conn(ctx)
		if err != nil {
			return fmt.Errorf("sqlite: tidy: %w", translate(err))
		}
		taken = append(taken, c)
		if _, err := c.ExecContext(ctx, shrink); err != nil {
			return fmt.Errorf("sqlite: tidy: %w", translate(err))
		}
	}
	return nil
}
