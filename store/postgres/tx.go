package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

// errTxOver answers a use of a Tx after its function returned.
var errTxOver = errors.New("postgres: transaction is over")

// tx is parley.Tx. PostgreSQL gives a transaction up at the first statement that
// fails, so no statement fails for what a caller may want to go on from: inserts
// leave a row that is taken alone, and say so by the number of rows.
type tx struct {
	ctx  context.Context // Update's
	conn *pgx.Conn
	q    pgx.Tx
	// broken is the first error after which nothing can be kept.
	broken error
	over   bool
}

var _ parley.Tx = (*tx)(nil)

// check translates an error and remembers one that ended the transaction.
func (t *tx) check(op string, err error) error {
	err = translate(op, t.conn, err)
	if err != nil && t.broken == nil && !errors.Is(err, parley.ErrNotFound) {
		t.broken = err
	}
	return err
}

func (t *tx) usable() error {
	if t.over {
		return errTxOver
	}
	return t.broken
}

// exec runs a statement and returns the number of rows it changed.
func (t *tx) exec(op, sql string, args ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	tag, err := t.q.Exec(t.ctx, sql, args...)
	return tag.RowsAffected(), t.check(op, err)
}

// insert runs a statement that leaves a taken row alone; ErrConflict where it did.
func (t *tx) insert(op, sql string, args ...any) error {
	n, err := t.exec(op, sql, args...)
	if err == nil && n == 0 {
		return parley.ErrConflict
	}
	return err
}

// change runs a statement that changes a row; ErrNotFound where there is none.
func (t *tx) change(op, sql string, args ...any) error {
	n, err := t.exec(op, sql, args...)
	if err == nil && n == 0 {
		return parley.ErrNotFound
	}
	return err
}

// get reads a single row within a transaction; ErrNotFound where there is none.
func get[T any](t *tx, op string, scan pgx.RowToFunc[T], sql string, args ...any) (*T, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	v, err := one(t.ctx, t.q, scan, sql, args...)
	if err := t.check(op, err); err != nil {
		return nil, err
	}
	return &v, nil
}

// getAll reads all rows of a query within a transaction; nil where there are none.
func getAll[T any](t *tx, op string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all, err := list(t.ctx, t.q, scan, sql, args...)
	return all, t.check(op, err)
}
