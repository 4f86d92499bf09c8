package postgres

import (
	"context"
	"crypto/sha256"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one reads a single row; pgx.ErrNoRows where there is none.
func one[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, _ := q.Query(ctx, sql, args...) // CollectOneRow answers the error
	return pgx.CollectOneRow(rows, scan)
}

// list reads all rows; nil where there are none.
func list[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // AppendRows answers the error
	return pgx.AppendRows([]T(nil), rows, scan)
}

// read is one by a connection of the pool, translated.
func read[T any](ctx context.Context, s *Store, op string, scan pgx.RowToFunc[T], sql string, args ...any) (v T, err error) {
	err = s.withRetry(ctx, op, func(c *pgx.Conn) error {
		v, err = one(ctx, c, scan, sql, args...)
		return err
	})
	return v, err
}

// readAll is list by a connection of the pool, translated.
func readAll[T any](ctx context.Context, s *Store, op string, scan pgx.RowToFunc[T], sql string, args ...any) (v []T, err error) {
	err = s.withRetry(ctx, op, func(c *pgx.Conn) error {
		v, err = list(ctx, c, scan, sql, args...)
		return err
	})
	return v, err
}

// withRetry is with for what may be done twice: where the connection turns out to
// be broken it is done again, once, on a new one.
func (s *Store) withRetry(ctx context.Context, op string, fn func(c *pgx.Conn) error) error {
	lost, err := s.try(ctx, op, fn)
	if lost {
		_, err = s.try(ctx, op, fn)
	}
	return err
}

// write runs one statement by a connection of the pool and returns the number of
// rows it changed.
func (s *Store) write(ctx context.Context, op, sql string, args ...any) (n int64, err error) {
	err = s.with(ctx, op, func(c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sql, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// uuid is an id as an argument.
func uuid[K parley.IDKind](id parley.ID[K]) [16]byte { return id }

// uuidOrNull is an id that may be none as an argument: none is NULL.
func uuidOrNull[K parley.IDKind](id parley.ID[K]) *[16]byte {
	if id.IsZero() {
		return nil
	}
	return (*[16]byte)(&id)
}

// uuids are ids as an argument.
func uuids[K parley.IDKind](ids []parley.ID[K]) [][16]byte {
	all := make([][16]byte, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}

// orZero is what a column that may be NULL held; NULL is the zero value.
func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// intoID is where an id is scanned to.
func intoID[K parley.IDKind](id *parley.ID[K]) *[16]byte { return (*[16]byte)(id) }

// timeOrNull is a time that may be none as an argument: none is NULL.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// textOrNull is a string as an argument: the empty one is NULL.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// digest is what a client's key, of any length and with any bytes, is found by.
func digest(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// bigint is a number of the caller's as an argument: what no row can reach is as
// good as the largest that the database knows.
func bigint(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
