// Package pgtest gives tests a real PostgreSQL: a private server in a temporary
// directory, reached by a unix socket, so that neither a port nor another test
// process can be in its way.
//
// A process has at most one server, shared by its tests; each Start makes a
// database of its own in it. The server ends with the last test that uses it, or
// with Main where the package has one. It also ends where the test process is
// killed (Linux), and the next run removes the directory that was left.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the server of this process and the number of tests that use it.
// kept is set by Main: the server then stays for the next test.
var shared struct {
	mu     sync.Mutex
	server *server
	users  int
	kept   bool
	told   bool
	serial int
}

// Start returns the URL of a fresh, empty database, dropped when the test ends.
// Where no PostgreSQL server is installed the test is skipped, or fails where the
// environment says CI=true. It may be called concurrently and several times by
// one test.
func Start(t testing.TB) string {
	t.Helper()
	binaries, err := Find()
	tell(binaries, err)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("pgtest: %v", err)
		}
		t.Skipf("pgtest: %v", err)
	}
	s, name, err := acquire(binaries)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := release(s, name); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	return s.url(name)
}

// Main runs a package's tests with one server for all of them and exits. A
// package that has many tests calls it from TestMain; without it the server ends
// whenever no test uses it, which costs a second or two each time.
func Main(m interface{ Run() int }) {
	shared.mu.Lock()
	shared.kept = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		if err := shared.server.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// acquire starts the server unless it runs, counts one more user of it, and
// returns a database name that this server has not seen.
func acquire(b Binaries) (*server, string, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		s, err := launch(b)
		if err != nil {
			return nil, "", err
		}
		shared.server = s
	}
	shared.users++
	shared.serial++
	return shared.server, fmt.Sprintf("test_%d", shared.serial), nil
}

// release drops a database and, where its user was the last and no Main waits,
// stops the server.
func release(s *server, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := s.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")

	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.users--
	if shared.users > 0 || shared.kept {
		return err
	}
	shared.server = nil
	if stopErr := s.stop(); stopErr != nil {
		return stopErr
	}
	return err
}

// tell says once per process what was found.
func tell(b Binaries, err error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.told {
		return
	}
	shared.told = true
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return
	}
	fmt.Fprintln(os.Stderr, "pgtest: found", b)
}

// url is how a database of the server is reached.
func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&sslmode=disable", superuser, database, s.dir)
}

// exec runs one statement outside of any test's database.
func (s *server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", strings.ToLower(sql), err)
	}
	return nil
}
