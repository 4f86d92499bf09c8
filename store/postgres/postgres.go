package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/parley-chat/parley"
)

// Config says which database to open and how.
type Config struct {
	// URL names the database, `postgres://user:password@host/database?…`; the
	// parameters are those of libpq and pgxpool. Required. It holds a secret and is
	// in no error.
	URL string
	// MaxConns bounds the connections for reads and updates, 16 where zero unless the
	// URL has pool_max_conns. One more is used for Sequence.
	MaxConns int
	// TransactionTimeout ends a transaction whose node has fallen silent, so that a
	// node that was paused holds no conversation; 10 s where zero. It is the
	// session's idle_in_transaction_session_timeout.
	TransactionTimeout time.Duration
}

const (
	defaultMaxConns           = 16
	defaultTransactionTimeout = 10 * time.Second
	// connectTimeout bounds one attempt to connect unless the URL says so.
	connectTimeout = 10 * time.Second
)

// Validate reports the first setting that cannot be used.
func (c *Config) Validate() error {
	switch {
	case c.URL == "":
		return errors.New("postgres: url is empty")
	case c.MaxConns < 0:
		return fmt.Errorf("postgres: max conns is %d, must not be negative", c.MaxConns)
	case c.TransactionTimeout < 0:
		return fmt.Errorf("postgres: transaction timeout is %s, must not be negative", c.TransactionTimeout)
	}
	return nil
}

// pool is the configuration of the pool's connections.
func (c *Config) pool() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("postgres: url cannot be read; want postgres://user:password@host/database")
	}
	switch {
	case c.MaxConns > 0:
		cfg.MaxConns = int32(c.MaxConns)
	case !strings.Contains(c.URL, "pool_max_conns"):
		cfg.MaxConns = defaultMaxConns
	}
	timeout := c.TransactionTimeout
	if timeout == 0 {
		timeout = defaultTransactionTimeout
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	params := cfg.ConnConfig.RuntimeParams
	params["default_transaction_isolation"] = "read committed"
	params["idle_in_transaction_session_timeout"] = fmt.Sprint(max(1, timeout.Milliseconds()))
	if params["application_name"] == "" {
		params["application_name"] = "parley"
	}
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		scanUTC(conn)
		return nil
	}
	return cfg, nil
}

// scanUTC makes a connection return times in UTC.
func scanUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name:  "timestamptz",
		OID:   pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

// Store is parley.Store in one PostgreSQL database. All methods may be called
// concurrently, by any number of nodes.
type Store struct {
	pool        *pgxpool.Pool
	seq         *sequencer
	fewMessages int // see fewMessages
}

var _ parley.Store = (*Store)(nil)

// Open connects, brings the schema up to date (several nodes may do so at once)
// and begins an epoch. parley.ErrUnavailable where the database cannot be reached.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	poolConfig, err := cfg.pool()
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, poolConfig.ConnConfig); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, unavailable("open", err)
	}
	s := &Store{pool: pool, seq: newSequencer(poolConfig.ConnConfig), fewMessages: fewMessages}
	if err := s.seq.open(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Ping implements parley.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.withRetry(ctx, "ping", func(c *pgx.Conn) error { return c.Ping(ctx) })
}

// Close waits for what is under way and ends the store.
func (s *Store) Close() error {
	s.seq.close()
	s.pool.Close()
	return nil
}

// with runs fn with a connection and translates its error. Every use of the pool
// but Update comes through here: that no connection was to be had, or that it broke,
// is what parley.ErrUnavailable means.
func (s *Store) with(ctx context.Context, op string, fn func(c *pgx.Conn) error) error {
	_, err := s.try(ctx, op, fn)
	return err
}

// try is with; lost says that the connection was found broken, and that another
// may not be.
func (s *Store) try(ctx context.Context, op string, fn func(c *pgx.Conn) error) (lost bool, err error) {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, unavailable(op, err)
	}
	defer c.Release()
	if err := fn(c.Conn()); err != nil {
		return s.lost(ctx, c.Conn()), translate(op, c.Conn(), err)
	}
	return false, nil
}

// lost reports whether a connection broke by itself. What ended it, a restart or a
// failover, will have ended the pool's others too: they are made anew.
func (s *Store) lost(ctx context.Context, c *pgx.Conn) bool {
	if !c.IsClosed() || ctx.Err() != nil {
		return false
	}
	s.pool.Reset()
	return true
}
