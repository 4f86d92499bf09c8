package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// SearchByWords makes searches ask the index for words however few messages there
// are.
func (s *Store) SearchByWords() { s.fewMessages = -1 }

// BucketMessages is how many messages a bucket of the search index has.
const BucketMessages = 1 << bucketBits

// FirstSchema gives a database the first schema.
func FirstSchema(ctx context.Context, url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	p, err := newMigrations(db)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, 1)
	return err
}

// SequencerEnded is closed when nothing of Sequence's connection is left.
func (s *Store) SequencerEnded() <-chan struct{} { return s.seq.conn.PgConn().CleanupDone() }
