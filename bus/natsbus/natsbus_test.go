package natsbus_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/bustest"
	"github.com/parley-chat/parley/bus/natsbus"
)

// patience is how long something that must happen may take on a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestEmbedded(t *testing.T) {
	bustest.Run(t, func(t *testing.T) parley.Bus { return open(t, natsbus.Config{Dir: t.TempDir()}) })
}

func TestByURL(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	bustest.Run(t, func(t *testing.T) parley.Bus { return open(t, natsbus.Config{URL: srv.ClientURL()}) })
}

func TestTwoByURL(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	bustest.Pair(t, func(t *testing.T) (one, two parley.Bus) {
		return open(t, natsbus.Config{URL: srv.ClientURL()}), open(t, natsbus.Config{URL: srv.ClientURL()})
	})
}

func TestEmbeddedAndOneByURL(t *testing.T) {
	bustest.Pair(t, func(t *testing.T) (one, two parley.Bus) {
		addr := freeAddr(t)
		one = open(t, natsbus.Config{Dir: t.TempDir(), Listen: addr})
		return one, open(t, natsbus.Config{URL: "nats://" + addr})
	})
}

func TestEmbeddedThatListens(t *testing.T) {
	bustest.Run(t, func(t *testing.T) parley.Bus {
		return open(t, natsbus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	})
}

func TestEmbeddedRunLog(t *testing.T) {
	bustest.RunLog(t, func(t *testing.T) parley.RunLog {
		return openRunLog(t, open(t, natsbus.Config{Dir: t.TempDir()}))
	})
}

func TestRunLogByURL(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	bustest.RunLog(t, func(t *testing.T) parley.RunLog {
		return openRunLog(t, open(t, natsbus.Config{URL: srv.ClientURL()}))
	})
}

func TestEmbeddedRoster(t *testing.T) {
	bustest.Roster(t, func(t *testing.T) parley.Roster {
		return openRoster(t, open(t, natsbus.Config{Dir: t.TempDir()}))
	})
}

func TestRosterByURL(t *testing.T) {
	bustest.Roster(t, func(t *testing.T) parley.Roster {
		srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
		return openRoster(t, open(t, natsbus.Config{URL: srv.ClientURL()}))
	})
}

func openRoster(t testing.TB, b *natsbus.Bus) *natsbus.Roster {
	t.Helper()
	r, err := b.Roster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, cfg natsbus.Config) *natsbus.Bus {
	t.Helper()
	b, err := natsbus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func openRunLog(t testing.TB, b *natsbus.Bus) *natsbus.RunLog {
	t.Helper()
	l, err := b.RunLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startServer runs a NATS server of its own with a loopback listener: the
// existing cluster.
func startServer(t testing.TB, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the existing server does not start")
	}
	t.Cleanup(func() { stopServer(s) })
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// until polls, as no event tells of what happens within another server.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestConfigIsRefused(t *testing.T) {
	const secret = "s3cret"
	cluster := natsbus.Cluster{Name: "c", Listen: "127.0.0.1:0"}
	for name, cfg := range map[string]natsbus.Config{
		"nothing":                     {},
		"a URL and a directory":       {URL: "nats://127.0.0.1:1", Dir: "d"},
		"a URL and a listener":        {URL: "nats://127.0.0.1:1", Listen: ":0"},
		"a URL and a cluster":         {URL: "nats://127.0.0.1:1", Cluster: cluster},
		"a URL that cannot be read":   {URL: "nats://me:" + secret + "@[::1"},
		"one URL of two":              {URL: "nats://127.0.0.1:1,"},
		"credentials without a URL":   {Dir: "d", Credentials: "f"},
		"a listener without a port":   {Dir: "d", Listen: "127.0.0.1"},
		"a listener with a word":      {Dir: "d", Listen: "127.0.0.1:nats"},
		"a cluster without a name":    {Dir: "d", ServerName: "a", Cluster: natsbus.Cluster{Listen: ":0"}},
		"a cluster of nameless nodes": {Dir: "d", Cluster: cluster},
		"a route without a port":      {Dir: "d", ServerName: "a", Cluster: natsbus.Cluster{Name: "c", Listen: ":0", Routes: []string{"b"}}},
		"a negative age":              {Dir: "d", RunLogAge: -1},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := natsbus.Open(t.Context(), cfg)
			if err == nil {
				_ = b.Close()
				t.Fatal("it was taken")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b, err := natsbus.Open(ctx, natsbus.Config{URL: "nats://127.0.0.1:1"})
	if err == nil {
		_ = b.Close()
	}
	wantUnavailable(t, err)
}
