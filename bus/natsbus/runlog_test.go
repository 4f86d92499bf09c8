package natsbus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/bustest"
	"github.com/parley-chat/parley/bus/natsbus"
)

func newRun() parley.RunID { return bustest.NewRunID(time.Now()) }

func appendRun(t *testing.T, l *natsbus.RunLog, run parley.RunID, events ...string) {
	t.Helper()
	var batch []parley.RunRecord
	for _, e := range events {
		batch = append(batch, parley.RunRecord{Run: run, Event: []byte(e)})
	}
	if err := l.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// readRun returns the events of a run, separated by blanks.
func readRun(t *testing.T, l *natsbus.RunLog, run parley.RunID) (string, error) {
	t.Helper()
	var events []string
	err := l.Read(t.Context(), run, func(r parley.RunRecord) error {
		events = append(events, string(r.Event))
		return nil
	})
	return strings.Join(events, " "), err
}

func TestRunLogSurvivesAnOrderlyRestart(t *testing.T) {
	dir, run := t.TempDir(), newRun()
	b := open(t, natsbus.Config{Dir: dir})
	appendRun(t, openRunLog(t, b), run, "one", "two")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	l := openRunLog(t, open(t, natsbus.Config{Dir: dir}))
	appendRun(t, l, run, "three")
	if got, err := readRun(t, l, run); err != nil || got != "one two three" {
		t.Errorf("read %q, %v", got, err)
	}
}

// The age of an existing log follows the configuration.
func TestRunLogAdaptsItsAge(t *testing.T) {
	dir := t.TempDir()
	for _, age := range []time.Duration{time.Hour, time.Minute, 48 * time.Hour} {
		addr := freeAddr(t)
		b := open(t, natsbus.Config{Dir: dir, RunLogAge: age, Listen: addr})
		openRunLog(t, b)
		if got := streamInfo(t, addr).Config.MaxAge; got != age {
			t.Errorf("the stream keeps records for %s, want %s", got, age)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A read leaves nothing behind in the server, and a batch is one message.
func TestRunLogInTheServer(t *testing.T) {
	addr := freeAddr(t)
	l := openRunLog(t, open(t, natsbus.Config{Dir: t.TempDir(), Listen: addr}))
	run := newRun()
	appendRun(t, l, run, "one", "two", "three")
	appendRun(t, l, newRun(), "other")
	if _, err := readRun(t, l, run); err != nil {
		t.Fatal(err)
	}
	info := streamInfo(t, addr)
	if info.State.Msgs != 2 || info.State.Consumers != 0 {
		t.Errorf("the stream has %d messages and %d consumers, want 2 and 0", info.State.Msgs, info.State.Consumers)
	}
}

func streamInfo(t *testing.T, addr string) *jetstream.StreamInfo {
	t.Helper()
	c, err := nats.Connect("nats://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "PARLEY_RUNS")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo()
}

// childDir names the variable that turns this test binary into the process that
// TestRunLogSurvivesKill kills: it appends to a run log there, telling each
// append on its standard output once it is acknowledged.
const childDir = "NATSBUS_TEST_CHILD_DIR"

// childRun is the run the child appends to.
func childRun() parley.RunID { return bustest.NewRunID(time.UnixMilli(1_700_000_000_000)) }

func runChild(dir string) {
	ctx := context.Background()
	b, err := natsbus.Open(ctx, natsbus.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	l, err := b.RunLog(ctx)
	if err != nil {
		panic(err)
	}
	run := childRun()
	fmt.Println(run)
	for n := 0; ; n++ {
		batch := []parley.RunRecord{{Run: run, Event: fmt.Append(nil, n)}, {Run: parley.RunID{1}, Event: []byte("other")}}
		if err := l.Append(ctx, batch); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

func TestRunLogSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for range 3 { // each time over what the last kill has left
		run, acknowledged := killedChild(t, dir)
		b := open(t, natsbus.Config{Dir: dir})
		got, err := readRun(t, openRunLog(t, b), run)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		kept := strings.Fields(got)
		if len(kept) <= acknowledged {
			t.Fatalf("%d records kept, but number %d was acknowledged", len(kept), acknowledged)
		}
		for n, text := range kept {
			if text != fmt.Sprint(n) {
				t.Fatalf("record %d is %q", n, text)
			}
		}
	}
}

// killedChild runs the child, kills it while it appends, and returns the number
// of the last append it was told of.
func killedChild(t *testing.T, dir string) (run parley.RunID, acknowledged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || run.UnmarshalText(lines.Bytes()) != nil {
		t.Fatalf("the child says %q", lines.Text())
	}
	acknowledged = -1
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if acknowledged == 200 {
			_ = cmd.Process.Kill() // and read on: it may have told of more
		}
	}
	_ = cmd.Wait()
	if acknowledged < 200 {
		t.Fatalf("the child ended by itself after %d appends", acknowledged)
	}
	return run, acknowledged
}

// What is expunged is in the log no more; what came later is.
func TestRunLogExpunges(t *testing.T) {
	l := openRunLog(t, open(t, natsbus.Config{Dir: t.TempDir()}))
	run := newRun()
	appendRun(t, l, run, "one", "two")
	if err := l.Expunge(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, err := readRun(t, l, run); err != nil || got != "one two" {
		t.Errorf("before all: read %q, %v", got, err)
	}
	if err := l.Expunge(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	appendRun(t, l, run, "three")
	if got, err := readRun(t, l, run); err != nil || got != "three" {
		t.Errorf("read %q, %v", got, err)
	}
}
