package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

const org = parley.OrgID("org_test")

// binary builds the server once per test process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parley-tests-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "parley")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/parley").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if args := os.Getenv(childVariable); args != "" {
		fmt.Fprintln(os.Stderr, postAndDie(args)) // it does not come back where all is well
		os.Exit(1)
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is a parley process on an address of its own, over any number of lives.
type server struct {
	t       testing.TB
	address string
	args    []string
	dir     string
	keys    *auth.Keys
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	log     *bytes.Buffer
}

// newServer prepares a server on a fresh data directory; start gives it life.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	keys, err := auth.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, address: freeAddress(t), dir: dir, keys: keys}
	s.args = append([]string{
		"serve", "--data", dir, "--listen", s.address, "--admin-listen", "127.0.0.1:0", "--log-level", "warn",
		"--messages-per-second", "100000", "--messages-burst", "100000",
	}, args...)
	t.Cleanup(func() {
		s.kill()
		s.checkLog()
	})
	return s
}

// freeAddress is where nobody listens. A server that is dead for a while must not
// lose its port to a client of another: on Linux, clients of 127.0.0.2 come from
// 127.0.0.1.
func freeAddress(t testing.TB) string {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = "127.0.0.2"
	}
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// launch runs the process and does not wait for it.
func (s *server) launch() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(path, s.args...)
	s.cmd.Stderr = s.log
	// The server must not outlive a test that was killed.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { defer close(ended); _ = cmd.Wait() }()
}

// start runs the process and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	s.launch()
	ended := s.ended
	for deadline := time.Now().Add(30 * time.Second); ; {
		if r, err := http.Get(s.url("/readyz")); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			s.t.Fatalf("the server ended: %s", s.log)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the server did not become ready")
		}
	}
}

// kill is kill -9.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
		s.cmd = nil
	}
}

// checkLog fails the test where the process that ended last broke inside: what a
// client was told of it says less.
func (s *server) checkLog() {
	if s.log == nil {
		return
	}
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "panic:") || strings.Contains(line, "DATA RACE") {
			s.t.Errorf("the server's log says: %s", line)
		}
	}
}

// stop is SIGTERM; it returns the exit code.
func (s *server) stop() int {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
	code := s.cmd.ProcessState.ExitCode()
	s.cmd = nil
	return code
}

func (s *server) url(path string) string { return "http://" + s.address + path }

// token makes an access token for a user.
func (s *server) token(user string, scopes ...parley.Scope) string {
	s.t.Helper()
	token, err := s.keys.Mint(auth.Claims{Subject: parley.PrincipalID(user), Org: org, Scopes: scopes, TTL: time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// call makes a request and reads the answer into out; the status is -1 where the
// server could not be reached.
func (s *server) call(ctx context.Context, method, path, token string, body, out any) (status int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return -1, err
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url(path), bytes.NewReader(text))
	if err != nil {
		return -1, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return -1, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return -1, err
	}
	if response.StatusCode/100 != 2 {
		return response.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(answer)))
	}
	if out == nil {
		return response.StatusCode, nil
	}
	return response.StatusCode, json.Unmarshal(answer, out)
}

// must is call where a failure ends the test.
func (s *server) must(method, path, token string, body, out any) {
	s.t.Helper()
	if _, err := s.call(context.Background(), method, path, token, body, out); err != nil {
		s.t.Fatal(err)
	}
}

// conversation begins one among users; the token's user is its owner.
func (s *server) conversation(token, kind string, members ...string) string {
	s.t.Helper()
	var created struct {
		ID string `json:"id"`
	}
	s.must("POST", "/v1/chat/conversations", token, map[string]any{"type": kind, "name": "test", "participant_ids": members}, &created)
	return created.ID
}

// wait is for polling what another process does, which no channel can tell.
func wait(d time.Duration) { <-time.After(d) }

// eventually polls until ok holds.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); wait(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
