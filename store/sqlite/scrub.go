package sqlite

import (
	"context"
	"fmt"
	"time"
)

const (
	selectFree  = `PRAGMA freelist_count`
	insertZeros = `INSERT INTO zeros (data) VALUES (zeroblob(?))`
	deleteZeros = `DELETE FROM zeros`

	// A piece of zeros takes so many free pages: others wait no longer for it.
	zeroPages = 256
	pageBytes = 4096

	checkpointTries = 100
	checkpointPause = 50 * time.Millisecond
)

var _ interface{ Scrub(context.Context) error } = (*Store)(nil)

// Scrub implements parley.Scrubber. What is deleted is overwritten at once, and so are
// pages that are given up whole (secure_delete); what may remain is in those that were
// given up before that was so and in what pages do not use, which is overwritten here,
// and in the WAL, whose content is brought into the file and cut off. It looks at every
// page of the file, once.
func (s *Store) Scrub(ctx context.Context) error {
	err := s.renewSearch(ctx)
	for left := -1; left != 0 && err == nil; {
		left, err = s.fill(ctx, left)
	}
	if err == nil {
		err = s.writer.do(ctx, func(t *tx) error {
			_, err := t.exec(deleteZeros)
			return err
		})
	}
	if err == nil {
		err = s.cleanGaps(ctx)
	}
	if err == nil {
		err = s.checkpoint(ctx)
	}
	if err != nil {
		return fmt.Errorf("scrub the file: %w", err)
	}
	return nil
}

// fill puts zeros into free pages, and returns how many are still to be filled: at
// first all, which is what -1 says, and then no more than before, whatever others give
// up meanwhile.
func (s *Store) fill(ctx context.Context, most int) (left int, err error) {
	err = s.writer.do(ctx, func(t *tx) error {
		var free int
		if err := t.one(selectFree, nil, &free); err != nil {
			return err
		}
		if most >= 0 {
			free = min(free, most)
		}
		n := min(free, zeroPages)
		left = free - n
		if n == 0 {
			return nil
		}
		_, err := t.exec(insertZeros, n*pageBytes)
		return err
	})
	return left, err
}

// checkpoint brings the WAL into the file and cuts it off. Readers of an older state
// hold it up: it is tried again.
func (s *Store) checkpoint(ctx context.Context) error {
	for range checkpointTries {
		var busy, pages, moved int
		// The one connection of writeDB is the writer's: this one is made for it.
		if err := s.truncate.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
			return translate(err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-time.After(checkpointPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("readers held the WAL for all of %v", checkpointTries*checkpointPause)
}
