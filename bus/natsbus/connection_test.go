package natsbus_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/natsbus"
)

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("error %v, want parley.ErrUnavailable", err)
	}
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing after %s", patience)
		panic("unreachable")
	}
}

func TestTwoNodesHearEachOther(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	one, two := open(t, natsbus.Config{URL: srv.ClientURL()}), open(t, natsbus.Config{URL: srv.ClientURL()})
	for _, c := range []struct{ from, to *natsbus.Bus }{{one, two}, {two, one}} {
		heard := make(chan string, 1)
		// Once Subscribe has returned, the other node's next message is heard.
		stop, err := c.to.Subscribe("log.*", func(subject, _ string, data []byte) { heard <- subject + " " + string(data) })
		if err != nil {
			t.Fatal(err)
		}
		if err := c.from.Publish("log.org", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, heard); got != "log.org hello" {
			t.Errorf("heard %q", got)
		}
		stop()
	}
	stop, err := two.Subscribe("ask", func(_, reply string, data []byte) { _ = two.Publish(reply, append(data, '!')) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got, err := one.Request(t.Context(), "ask", []byte("you")); err != nil || string(got) != "you!" {
		t.Errorf("Request = %q, %v", got, err)
	}
	run := newRun()
	appendRun(t, openRunLog(t, one), run, "one", "two")
	if got, err := readRun(t, openRunLog(t, two), run); err != nil || got != "one two" {
		t.Errorf("the other node reads %q, %v", got, err)
	}
}

// The existing server goes away and comes back: while it is away everything is
// refused at once, afterwards everything works as before.
func TestServerRestart(t *testing.T) {
	dir := t.TempDir()
	srv := startServer(t, dir, server.RANDOM_PORT)
	port := srv.Addr().(*net.TCPAddr).Port
	var log logBuffer
	b := open(t, natsbus.Config{URL: "nats://127.0.0.1:" + strconv.Itoa(port), Logger: log.logger()})
	l := openRunLog(t, b)
	heard := make(chan string, 1)
	if _, err := b.Subscribe("a", func(_, _ string, data []byte) { heard <- string(data) }); err != nil {
		t.Fatal(err)
	}
	run := newRun()
	appendRun(t, l, run, "before")

	stopServer(srv)
	until(t, "not ready", func() bool { return b.Ready() != nil })
	wantUnavailable(t, b.Ready())
	wantUnavailable(t, b.Publish("a", []byte("lost")))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := b.Request(ctx, "a", nil)
	wantUnavailable(t, err)
	if ctx.Err() != nil {
		t.Error("a request waited for the server to come back")
	}
	wantUnavailable(t, l.Append(t.Context(), []parley.RunRecord{{Run: run}}))
	_, err = readRun(t, l, run)
	wantUnavailable(t, err)
	_, err = b.Subscribe("b", func(string, string, []byte) {})
	wantUnavailable(t, err)

	startServer(t, dir, port)
	until(t, "ready again", func() bool { return b.Ready() == nil })
	if err := b.Publish("a", []byte("after")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, heard); got != "after" {
		t.Errorf("heard %q, want what was sent after the restart", got)
	}
	appendRun(t, l, run, "after")
	if got, err := readRun(t, l, run); err != nil || got != "before after" {
		t.Errorf("read %q, %v", got, err)
	}
}

// A request does not wait for an answer that the lost connection would have
// brought.
func TestALostConnectionEndsRequests(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	b := open(t, natsbus.Config{URL: srv.ClientURL()})
	asked := make(chan struct{}, 1)
	if _, err := b.Subscribe("mute", func(string, string, []byte) { asked <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := b.Request(t.Context(), "mute", nil)
		failed <- err
	}()
	receive(t, asked)
	stopServer(srv)
	wantUnavailable(t, receive(t, failed))
}

// A subscriber that does not come along loses messages, is told so, and goes on
// hearing what comes later.
func TestSlowSubscriberDropsAndCounts(t *testing.T) {
	b := open(t, natsbus.Config{Dir: t.TempDir()})
	began, release := make(chan struct{}, 1), make(chan struct{})
	caughtUp, last := make(chan struct{}), make(chan struct{})
	handled := 0
	stop, err := b.Subscribe("a", func(_, _ string, data []byte) {
		if len(data) == 1 {
			close(last)
			return
		}
		if handled == 0 {
			began <- struct{}{}
			<-release
		}
		if handled++; handled == 60_000 { // there is room again
			close(caughtUp)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<10)
	for range 70_000 { // more than the 64 MiB it may be behind
		if err := b.Publish("a", data); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, began)
	until(t, "messages were dropped", func() bool { return b.Dropped() > 0 })
	close(release)
	receive(t, caughtUp)
	if err := b.Publish("a", []byte("!")); err != nil {
		t.Fatal(err)
	}
	receive(t, last)
	before := b.Dropped()
	stop()
	if after := b.Dropped(); before == 0 || after != before {
		t.Errorf("dropped %d before stop, %d after", before, after)
	}
}

func TestCloseSendsWhatWasPublished(t *testing.T) {
	srv := startServer(t, t.TempDir(), server.RANDOM_PORT)
	one, two := open(t, natsbus.Config{URL: srv.ClientURL()}), open(t, natsbus.Config{URL: srv.ClientURL()})
	heard := make(chan struct{}, 1000)
	if _, err := two.Subscribe("a", func(string, string, []byte) { heard <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	for range cap(heard) {
		if err := one.Publish("a", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	for range cap(heard) {
		receive(t, heard)
	}
}

func TestCloseWithinACallback(t *testing.T) {
	b := open(t, natsbus.Config{Dir: t.TempDir()})
	closed := make(chan error, 1)
	if _, err := b.Subscribe("a", func(string, string, []byte) { closed <- b.Close() }); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, closed); err != nil {
		t.Error(err)
	}
}
