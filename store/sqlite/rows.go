package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// preparer is a *sql.DB or a *sql.Conn.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// stmts are the prepared statements of one side of the store, each made at its
// first use. May be used concurrently.
type stmts struct {
	on preparer
	mu sync.RWMutex
	m  map[string]*sql.Stmt
}

func newStmts(on preparer) *stmts { return &stmts{on: on, m: map[string]*sql.Stmt{}} }

// get returns the statement of a query, which must be a constant.
func (s *stmts) get(query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.m[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt = s.m[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	s.m[query] = stmt
	return stmt, nil
}

func (s *stmts) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.m {
		_ = stmt.Close()
	}
	clear(s.m)
}

// row is a *sql.Row or the current row of *sql.Rows.
type row interface{ Scan(dest ...any) error }

// one reads a single row; sql.ErrNoRows where there is none.
func one(ctx context.Context, s *stmts, query string, args []any, dest ...any) error {
	stmt, err := s.get(query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(dest...)
}

// each calls fn with every row of a query.
func each(ctx context.Context, s *stmts, query string, args []any, fn func(row) error) error {
	stmt, err := s.get(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// limitOrAll is how many rows there are at most; none is all.
func limitOrAll(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// list collects the rows of a query; dest says where the columns of one go.
func list[T any](ctx context.Context, s *stmts, query string, args []any, dest func(*T) []any) ([]T, error) {
	var all []T
	err := each(ctx, s, query, args, func(r row) error {
		var v T
		if err := r.Scan(dest(&v)...); err != nil {
			return err
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// rowsInsert inserts any number of rows in few statements: what a statement costs
// by itself is about what a row costs.
type rowsInsert struct {
	columns int
	queries [7]string // of 1, 2, 4, … 64 rows
}

func newRowsInsert(head string, columns int) rowsInsert {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	r := rowsInsert{columns: columns}
	for i := range r.queries {
		r.queries[i] = head + row + strings.Repeat(", "+row, 1<<i-1)
	}
	return r
}

// exec inserts the rows whose values lie one behind the other in args, and
// returns how many it has inserted, also with an error.
func (r *rowsInsert) exec(ctx context.Context, s *stmts, args []any) (rows int, err error) {
	for size := len(r.queries) - 1; size >= 0; {
		n := r.columns << size
		if len(args) < n {
			size--
			continue
		}
		stmt, err := s.get(r.queries[size])
		if err != nil {
			return rows, err
		}
		if _, err := stmt.ExecContext(ctx, args[:n]...); err != nil {
			return rows, err
		}
		args = args[n:]
		rows += 1 << size
	}
	return rows, nil
}

// micros is how a time is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// optID is how an id that may be none is stored: none is NULL.
func optID[K parley.IDKind](id parley.ID[K]) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// idInto scans an id; NULL is the zero id.
type idInto[K parley.IDKind] struct{ id *parley.ID[K] }

func into[K parley.IDKind](id *parley.ID[K]) idInto[K] { return idInto[K]{id} }

// Scan implements sql.Scanner.
func (i idInto[K]) Scan(src any) error {
	switch b := src.(type) {
	case nil:
		*i.id = parley.ID[K]{}
		return nil
	case []byte:
		if copy(i.id[:], b) == len(i.id) && len(b) == len(i.id) {
			return nil
		}
	}
	return fmt.Errorf("an id's column holds %T, want 16 bytes", src)
}

// timeInto scans a time; 0 is the zero time.
type timeInto struct{ t *time.Time }

// Scan implements sql.Scanner.
func (i timeInto) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time's column holds %T, want microseconds", src)
	}
	*i.t = time.Time{}
	if us != 0 {
		*i.t = time.UnixMicro(us).UTC()
	}
	return nil
}

// uintInto scans a counter, which is stored as the signed number of the same bits.
type uintInto struct{ n *uint64 }

// Scan implements sql.Scanner.
func (i uintInto) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a counter's column holds %T, want a number", src)
	}
	*i.n = uint64(n)
	return nil
}

// jsonIDs are ids as a statement takes a list of them: unhex makes ids of its
// values.
func jsonIDs[K parley.IDKind](ids []parley.ID[K]) string {
	out := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = jsonID(out, id)
	}
	return string(append(out, ']'))
}

func jsonID[K parley.IDKind](dst []byte, id parley.ID[K]) []byte {
	return append(hex.AppendEncode(append(dst, '"'), id[:]), '"')
}
