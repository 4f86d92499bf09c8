package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/parley-chat/parley"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is parley.Store in one SQLite file. All methods may be called
// concurrently; after Close they answer parley.ErrUnavailable.
type Store struct {
	lock    *os.File // nil where not exclusive
	writeDB *sql.DB
	readDB  *sql.DB
	// truncate has a connection only while a scrubbing cuts the WAL off.
	truncate *sql.DB
	reads    *stmts
	writer   *writer
	queue    *queue
	closing  atomic.Bool

	fewMessages int // see the constant
}

var (
	_ parley.Store      = (*Store)(nil)
	_ parley.EncodedLog = (*Store)(nil)
)

// Open opens the file, making it and its directory where they do not exist, and
// brings its schema up to date. Where cfg.Exclusive is set and another server
// has it, the error is ErrLocked.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: data directory: %w", err)
	}
	s := &Store{queue: newQueue(), fewMessages: fewMessages}
	defer func() {
		if err != nil {
			_ = s.release() // err says what went wrong
		}
	}()
	if cfg.Exclusive {
		if s.lock, err = lockFile(cfg.Path + ".lock"); err != nil {
			return nil, err
		}
	}
	if err := s.connect(&cfg); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.writeDB, filepath.Dir(cfg.Path)); err != nil {
		return nil, err
	}
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", cfg.Path, translate(err))
	}
	s.reads = newStmts(s.readDB)
	s.writer = newWriter(conn, newEpoch(), s.queue, cfg.Exclusive)
	return s, nil
}

// makePrivate makes the file, where there is none, readable by its owner only;
// its companions take its mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	return f.Close()
}

func (s *Store) connect(cfg *Config) error {
	dsn, err := cfg.dsn(false)
	if err != nil {
		return err
	}
	if err := makePrivate(cfg.Path); err != nil {
		return err
	}
	if s.writeDB, err = sql.Open("sqlite", dsn); err != nil {
		return fmt.Errorf("sqlite: open %s: %w", cfg.Path, err)
	}
	s.writeDB.SetMaxOpenConns(1)
	if s.truncate, err = sql.Open("sqlite", dsn); err != nil {
		return fmt.Errorf("sqlite: open %s: %w", cfg.Path, err)
	}
	s.truncate.SetMaxIdleConns(-1)
	if dsn, err = cfg.dsn(true); err != nil {
		return err
	}
	if s.readDB, err = sql.Open("sqlite", dsn); err != nil {
		return fmt.Errorf("sqlite: open %s: %w", cfg.Path, err)
	}
	readers := cfg.Readers
	if readers == 0 {
		readers = 4
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	return nil
}

// migrate brings the schema up to date, one process at a time. It writes nothing
// where it is.
func migrate(ctx context.Context, db *sql.DB, dir string) error {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("sqlite: migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(searchMigration()))
	if err != nil {
		return fmt.Errorf("sqlite: migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("sqlite: migrate: %w", translate(err))
	}
	return nil
}

// newEpoch draws the id of this opening.
func newEpoch() parley.Epoch {
	for {
		if e := parley.Epoch(rand.Uint64()); e != 0 {
			return e
		}
	}
}

// Update implements parley.Store: fn runs once, in the order in which updates
// were queued. Where ctx ends before fn began, fn is not run and the error is
// ctx's; afterwards the outcome is waited for. A panic of fn is returned as a
// *PanicError. fn must not call Update.
func (s *Store) Update(ctx context.Context, fn func(tx parley.Tx) error) error {
	return s.writer.do(ctx, func(t *tx) error { return fn(t) })
}

// Committed has a value after commits that had events, so that a relay need not
// poll: one value stands for any number of commits.
func (s *Store) Committed() <-chan struct{} { return s.queue.signal }

// Ping implements parley.Store.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	return s.readError(ctx, one(ctx, s.reads, `SELECT 1`, nil, &n))
}

// Close finishes the updates that are queued and ends the store.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		return nil
	}
	s.writer.close()
	return s.release()
}

// release lets go of whatever was taken.
func (s *Store) release() error {
	var errs []error
	if s.reads != nil {
		s.reads.close()
	}
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	if s.truncate != nil {
		errs = append(errs, s.truncate.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
