package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/parley-chat/parley"
)

// Classes and codes of SQLSTATE that mean something here.
const (
	classConnection = "08"
	classResources  = "53" // out of disk, memory or connections
	classShutdown   = "57P"

	codeCanceled      = "57014"
	codeReadOnly      = "25006" // a standby, during a failover
	codeIdleTimeout   = "25P03"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeLockTimeout   = "55P03"

	codeBadText       = "22021" // not UTF-8, or U+0000
	codeUntranslated  = "22P05"
	codeIndexTooLarge = "54000"
)

// translate gives an error its meaning among the errors of the ports and says what
// was being done. conn is the connection it came from; nil where that is not known.
// Nil stays nil, and errors that have a meaning already are left as they are.
func translate(op string, conn *pgx.Conn, err error) error {
	var meant *parley.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, parley.ErrNotFound), errors.Is(err, parley.ErrConflict), errors.Is(err, parley.ErrCursor),
		errors.Is(err, parley.ErrGone), errors.Is(err, parley.ErrUnavailable), errors.As(err, &meant):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return parley.ErrNotFound
	case conn != nil && conn.IsClosed(), isAway(err):
		return unavailable(op, err)
	case hasCode(err, codeBadText, codeUntranslated):
		return &parley.Error{Code: parley.CodeInvalidArgument, Message: "text must be UTF-8 without U+0000", Err: err}
	case hasCode(err, codeIndexTooLarge):
		return &parley.Error{Code: parley.CodeInvalidArgument, Message: "a name or id is too long", Err: err}
	}
	return fmt.Errorf("postgres: %s: %w", op, err)
}

// unavailable wraps an error as parley.ErrUnavailable; the cause can still be
// asked for with errors.Is.
func unavailable(op string, err error) error {
	return fmt.Errorf("postgres: %s: %w: %w", op, parley.ErrUnavailable, err)
}

// isAway reports whether an error means that the database cannot be reached, or
// not in time, rather than that it refused.
func isAway(err error) bool {
	var code *pgconn.PgError
	if errors.As(err, &code) {
		for _, class := range []string{classConnection, classResources, classShutdown} {
			if strings.HasPrefix(code.Code, class) {
				return true
			}
		}
		return hasCode(err, codeCanceled, codeReadOnly, codeIdleTimeout, codeLockTimeout)
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isConflict reports whether the database gave a transaction up in favour of
// another: it was not kept and may be run again.
func isConflict(err error) bool { return hasCode(err, codeSerialization, codeDeadlock) }

func hasCode(err error, codes ...string) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}
