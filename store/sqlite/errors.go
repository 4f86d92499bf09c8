package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// PanicError is what Update returns where its function panicked: the
// transaction was rolled back, the store goes on.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where, as debug.Stack prints it
}

// Error names the panic; the stack is left to the log.
func (e *PanicError) Error() string { return fmt.Sprintf("update panicked: %v", e.Value) }

var (
	errClosed = fmt.Errorf("sqlite: store is closed: %w", parley.ErrUnavailable)
	errTxOver = errors.New("sqlite: transaction used after its function returned")
	errExited = errors.New("sqlite: update ended its goroutine")
)

// translate gives a driver's error its meaning: parley.ErrNotFound,
// parley.ErrConflict, parley.ErrUnavailable, or none.
func translate(err error) error {
	var se *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return parley.ErrNotFound
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone):
		return fmt.Errorf("%w: %w", parley.ErrUnavailable, err)
	case !errors.As(err, &se):
		return err
	}
	switch se.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", parley.ErrConflict, err)
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", parley.ErrUnavailable, err)
	}
	return err
}

// readError is translate for reads outside of a transaction: a context that
// ended, or a store that was closed meanwhile, is the reason whatever the driver
// made of it.
func (s *Store) readError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closing.Load():
		return errClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return translate(err)
}
