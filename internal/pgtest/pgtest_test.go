package pgtest_test

import (
	"bufio"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/parley-chat/parley/internal/pgtest"
)

// helperEnv makes this test binary a process that starts a server and waits to
// be killed.
const helperEnv = "PGTEST_HELPER"

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestEachStartIsAnEmptyDatabaseOfOneServer(t *testing.T) {
	one, two := connect(t, pgtest.Start(t)), connect(t, pgtest.Start(t))
	if _, err := one.Exec(t.Context(), "CREATE TABLE mine (id int)"); err != nil {
		t.Fatal(err)
	}
	var tables int
	const count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
	if err := two.QueryRow(t.Context(), count).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("the other database has %d tables, %v; want 0", tables, err)
	}
	socket := func(c *pgx.Conn) string { return c.Config().Host }
	if socket(one) != socket(two) {
		t.Errorf("two servers in one process: %s and %s", socket(one), socket(two))
	}
}

func TestConcurrentStartsDoNotCollide(t *testing.T) {
	if _, err := pgtest.Find(); err != nil {
		t.Skip(err)
	}
	var wg sync.WaitGroup
	urls := make([]string, 4)
	for i := range urls {
		wg.Go(func() { urls[i] = pgtest.Start(t) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, u := range urls {
		if u == "" || seen[u] {
			t.Errorf("url %q came twice or is empty", u)
		}
		seen[u] = true
	}
}

func TestTheServerEndsWithItsLastTest(t *testing.T) {
	var dir string
	if _, err := pgtest.Find(); err != nil {
		t.Skip(err)
	}
	t.Run("user", func(t *testing.T) { dir = socketDir(t, pgtest.Start(t)) })
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

// The server of a test process that is killed, with no chance to clean up, ends
// too, and the next process removes what it left.
func TestAKilledProcessLeavesNoServer(t *testing.T) {
	if _, err := pgtest.Find(); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs a server and Linux")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$", "-test.v")
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		_, dir, _ = strings.Cut(lines.Text(), "socket in ")
	}
	if !listens(dir) {
		t.Fatalf("no server listens in %q", dir)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	// A server removes its pid file last: until then it may write, and what it
	// writes could not be swept away.
	deadline := time.After(20 * time.Second)
	for exists(filepath.Join(dir, "data", "postmaster.pid")) {
		select {
		case <-deadline:
			t.Fatal("the server outlived its test process")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if listens(dir) {
		t.Error("the server has ended and still listens")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "lock"), old, old); err != nil {
		t.Fatal(err)
	}
	pgtest.Start(t)
	if exists(dir) {
		t.Errorf("the next start left %s", dir)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !os.IsNotExist(err)
}

// listens reports whether a server accepts connections in a directory.
func listens(dir string) bool {
	conn, err := net.Dial("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// TestHelper is the process that TestAKilledProcessLeavesNoServer kills.
func TestHelper(t *testing.T) {
	if os.Getenv(helperEnv) == "" {
		t.Skip("only run by another test")
	}
	t.Log("socket in " + socketDir(t, pgtest.Start(t)))
	select {}
}

func socketDir(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("host")
}
