package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// process is a parley that runs on its own, as a user's would.
type process struct {
	*exec.Cmd
	t      *testing.T
	lines  chan string // of stdout; closed at its end
	stderr bytes.Buffer
	tmp    string // where it makes temporary directories
}

// command starts parley with a private directory for temporary files. It is
// killed with the test.
func command(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	// The test's own binary is parley where it is called so: see TestMain.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "parley")
	if err := os.Symlink(self, name); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	p := &process{Cmd: exec.Command(name, args...), t: t, lines: make(chan string, 1024), tmp: t.TempDir()}
	p.Env = append(append(os.Environ(), "TMPDIR="+p.tmp), env...)
	p.Cmd.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	return p
}

// until reads the output up to a line that holds a text, and returns it all.
func (p *process) until(text string) string {
	p.t.Helper()
	var read strings.Builder
	late := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the output ended before %q:\n%s\n%s", text, &read, &p.stderr)
			}
			read.WriteString(line + "\n")
			if strings.Contains(line, text) {
				return read.String()
			}
		case <-late:
			p.t.Fatalf("no %q after 30s in:\n%s", text, &read)
		}
	}
}

// stop sends signals and returns the exit code, -1 where a signal ended it.
func (p *process) stop(within time.Duration, signals ...os.Signal) int {
	p.t.Helper()
	for _, s := range signals {
		_ = p.Process.Signal(s)
	}
	rest := make(chan string, 1)
	go func() {
		var all strings.Builder
		for line := range p.lines { // Wait closes the pipe, so that it is read to its end first
			all.WriteString(line + "\n")
		}
		rest <- all.String()
	}()
	select {
	case <-rest:
	case <-time.After(within):
		p.t.Fatalf("it has not ended after %s: %s", within, &p.stderr)
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// find is what a pattern's group matches in a text.
func find(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("there is no %s in:\n%s", pattern, text)
	}
	return m[len(m)-1]
}

// occupy takes the default ports, where nobody has them, so that the demo must
// use others.
func occupy(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:9090"} {
		if l, err := net.Listen("tcp", address); err == nil {
			t.Cleanup(func() { l.Close() })
		}
	}
}

func TestTheDemoShowsAMessageOnEverySurfaceAndGoesOnServing(t *testing.T) {
	t.Parallel()
	occupy(t)
	p := command(t, []string{"COLUMNS=80"}, "demo", "--drain-timeout", "3s")
	began := time.Now()
	shown := p.until("Serving until Ctrl-C.")
	t.Logf("shown after %s", time.Since(began))

	for _, want := range []string{
		`"type": "message.new"`, `"type": "message"`, `"eventName": "message_posted"`, `"type": "message.created"`,
		"─ events  /realtime ─", "─ bot  /ws ─", "─ topics  /ws/topics ─", "─ chat  /ws ─",
		`  → search_orders {"order_id":"12345"}`, "I found order 12345: it is shipped",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("it does not show %q", want)
		}
	}
	if n := strings.Count(shown, `"Where is my order 12345?"`); n != 4 { // once said, three surfaces tell the text
		t.Errorf("the message is shown %d times", n)
	}
	for line := range strings.Lines(shown) {
		if strings.ContainsAny(line, "│┌└") && utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) != 80 {
			t.Errorf("a box is not as wide as the terminal: %q", line)
		}
	}
	base := find(t, shown, `Parley is up at (http://127\.0\.0\.1:\d+)\.`)
	if strings.HasSuffix(base, ":8080") {
		t.Error("it says that it listens where somebody else does")
	}
	metrics := find(t, shown, `Metrics are at (http://\S+/metrics)\.`)

	// What is printed for a shell works in one.
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("there is no curl")
	}
	script := shown[strings.Index(shown, "\nANN="):strings.Index(shown, "Serving until")]
	posted, err := exec.Command("sh", "-c", script+"\ncurl -s -o /dev/null -w ' %{http_code}' "+metrics).CombinedOutput()
	if err != nil || !strings.Contains(string(posted), `"id":"msg_`) || !strings.HasSuffix(string(posted), " 200") {
		t.Errorf("%s\nanswers %s, %v", script, posted, err)
	}
	find(t, script, `(?m)^BEN=(eyJ\S+)$`)

	if code := p.stop(5*time.Second, syscall.SIGTERM); code != 0 || p.stderr.Len() > 0 {
		t.Errorf("exit code %d: %s", code, &p.stderr)
	}
	p.leftNothing()
}

// leftNothing checks that no temporary file is left.
func (p *process) leftNothing() {
	p.t.Helper()
	left, err := os.ReadDir(p.tmp)
	if err != nil || len(left) > 0 {
		p.t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheDemoPutsBoxesSideBySideWhereTheyFit(t *testing.T) {
	t.Parallel()
	p := command(t, []string{"COLUMNS=130"}, "demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--message", "hello")
	shown := p.until("The agent answers")
	find(t, shown, `┌─ events  /realtime ─+┐ ┌─ topics  /ws/topics ─+┐`)
	find(t, shown, `┌─ bot  /ws ─+┐ ┌─ chat  /ws ─+┐`)
	// A stop in the middle of the show is one as well; a second one hurries it.
	if code := p.stop(5*time.Second, syscall.SIGINT, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d: %s", code, &p.stderr)
	}
	p.leftNothing()
}

// Whenever a signal comes, the process ends well, and without a trace of its
// stack.
func TestASignalDuringTheStartEndsIt(t *testing.T) {
	t.Parallel()
	for i, after := range []time.Duration{60, 100, 150, 200, 250, 300} {
		name := []string{"serve", "demo"}[i%2]
		p := command(t, nil, name, "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
		<-time.After(after * time.Millisecond)
		// Before the program has begun to listen for signals, the system ends it.
		if code := p.stop(15*time.Second, syscall.SIGTERM); code != 0 && code != -1 {
			t.Errorf("%s after %dms: exit code %d", name, after, code)
		}
		if log := p.stderr.String(); strings.Contains(log, "goroutine ") || strings.Contains(log, "ERROR") {
			t.Errorf("%s after %dms: %s", name, after, log)
		}
	}
}

func TestServeSaysThatItsAddressIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := command(t, nil, "serve", "--data", t.TempDir(), "--listen", l.Addr().String(), "--admin-listen", "127.0.0.1:0")
	code := p.stop(15 * time.Second)
	want := "parley: start: another process listens on " + l.Addr().String() + " already (listen): address already in use\n"
	if code != 1 || p.stderr.String() != want {
		t.Errorf("exit code %d: %swant %s", code, &p.stderr, want)
	}
}

func TestFramesAreLaidOutToFit(t *testing.T) {
	frame := `{"type":"a","deep":{"list":[1,2,{"x":"a, \"b\": c"}],"none":{}},"text":"0123456789012345678901234567890123456789"}`
	want := `{
 "type": "a",
 "deep": {
  "list": [1, 2, {"x": "a, \"b\": c"}],
  "none": {}
 },
 "text": "0123456789012345678901234567890123456789"
}`
	if got := strings.Join(layOut("", []byte(frame), "", 44), "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestAnAnswerFlowsBetweenWords(t *testing.T) {
	lines := flow{indent: "  ", width: 12}
	var got strings.Builder
	for _, piece := range []string{"one ", "two three", " four\nfive ", "six seven"} {
		got.WriteString(lines.add(piece))
	}
	if want := "  one two \n  three four\n  five six \n  seven"; got.String() != want {
		t.Errorf("got  %q\nwant %q", &got, want)
	}
}
