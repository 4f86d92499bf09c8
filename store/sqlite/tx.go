package sqlite

import (
	"database/sql"
	"errors"
	"runtime/debug"
)

// tx is one update within the writer's transaction. Its savepoint is set by its
// first write, so that an update that only reads costs no statement of its own.
type tx struct {
	w     *writer
	mark  int // of the events of others before it
	noted int // the same of what they noted for the search index
	saved bool
	// storedBefore is how many events were in the table when the savepoint was set:
	// undoing it takes away what was stored since, of others too.
	storedBefore int
	over         bool
	// broken is a failure of the file: the whole batch is given up.
	broken error
}

// run runs fn and keeps or undoes what it wrote.
func (t *tx) run(fn func(*tx) error) error {
	t.mark, t.noted = t.w.log.mark(), t.w.index.noted()
	err := t.call(fn)
	t.over = true
	switch {
	case t.broken != nil:
		return t.broken
	case err != nil:
		t.w.log.rollback(t.mark)
		t.w.index.rollback(t.noted)
		if t.saved {
			t.end(`ROLLBACK TO fn`)
			t.w.log.stored = min(t.w.log.stored, t.storedBefore)
		}
	}
	if t.saved {
		t.end(`RELEASE fn`)
	}
	return err
}

// call runs fn, and makes an error of its panic.
func (t *tx) call(fn func(*tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	return fn(t)
}

// end ends the savepoint. Where that fails nothing is known of the transaction.
func (t *tx) end(statement string) {
	if err := t.w.exec(statement); err != nil && t.broken == nil {
		t.broken = err
	}
}

// exec runs a statement that writes, and returns the number of rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	res, err := t.write(query, args)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return n, t.check(err)
}

// insert runs a statement that inserts a row, and returns the row's number.
func (t *tx) insert(query string, args ...any) (int64, error) {
	res, err := t.write(query, args)
	if err != nil {
		return 0, err
	}
	n, err := res.LastInsertId()
	return n, t.check(err)
}

func (t *tx) write(query string, args []any) (sql.Result, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if err := t.save(); err != nil {
		return nil, err
	}
	stmt, err := t.w.stmts.get(query)
	if err != nil {
		return nil, t.check(err)
	}
	res, err := stmt.ExecContext(t.w.ctx, args...)
	return res, t.check(err)
}

// save sets the savepoint, once.
func (t *tx) save() error {
	if t.saved {
		return nil
	}
	if err := t.w.exec(`SAVEPOINT fn`); err != nil {
		t.broken = err
		return err
	}
	t.saved, t.storedBefore = true, t.w.log.stored
	return nil
}

// one reads a single row; parley.ErrNotFound where there is none.
func (t *tx) one(query string, args []any, dest ...any) error {
	if err := t.usable(); err != nil {
		return err
	}
	return t.check(one(t.w.ctx, t.w.stmts, query, args, dest...))
}

// each calls fn with every row.
func (t *tx) each(query string, args []any, fn func(row) error) error {
	if err := t.usable(); err != nil {
		return err
	}
	return t.check(each(t.w.ctx, t.w.stmts, query, args, fn))
}

func (t *tx) usable() error {
	if t.over {
		return errTxOver
	}
	return t.broken
}

// check translates an error and remembers one after which nothing can be written.
func (t *tx) check(err error) error {
	err = translate(err)
	if fatal(err) {
		t.broken = errors.Join(t.broken, err)
	}
	return err
}
