package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable keeps which migrations were applied.
const versionTable = "parley_migrations"

// The advisory locks of a database that are ours: the class is "parl" in ASCII.
const (
	lockMigrate   = `SELECT pg_advisory_lock(1885434476, 1)`
	unlockMigrate = `SELECT pg_advisory_unlock(1885434476, 1)`
	lockSequence  = `SELECT pg_advisory_xact_lock(1885434476, 2)`
	lockTrim      = `SELECT pg_advisory_xact_lock(1885434476, 3)`
)

// migrate brings the schema up to date; of several nodes that start at once, one
// does and the others wait for it.
func migrate(ctx context.Context, cfg *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return unavailable("open", err)
	}
	p, err := newMigrations(db)
	if err != nil {
		return fmt.Errorf("postgres: migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return translate("migrate", nil, err)
	}
	return nil
}

// newMigrations are all migrations, for a database.
func newMigrations(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName(versionTable), goose.WithSessionLocker(migrationLock{}),
		goose.WithGoMigrations(searchMigration()))
}

// migrationLock is goose's SessionLocker; unlike its own it waits in the database,
// so that whoever waits goes on at once.
type migrationLock struct{}

func (migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, lockMigrate)
	return err
}

func (migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, unlockMigrate)
	return err
}
