package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"parley": main})
}

// TestScripts runs the binary: testdata/script is its manual.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true})
}

// nobody is a store of credentials that knows of none.
type nobody struct{ parley.Credentials }

func (nobody) Revocations(context.Context, time.Time) ([]parley.Revocation, error) { return nil, nil }

// subject is whom a token speaks for, as the server would see it.
func subject(t *testing.T, keys *auth.Keys, token string) parley.PrincipalID {
	t.Helper()
	a, err := auth.New(auth.Config{Keys: keys, Store: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func TestTokenIsTheOneTheServerTakes(t *testing.T) {
	dir := t.TempDir()
	var out, notes bytes.Buffer
	if code := run([]string{"token", "--user", "user_ana", "--data", dir}, nil, &out, &notes, nil); code != 0 {
		t.Fatalf("exit %d: %s", code, &notes)
	}
	keys, err := auth.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := subject(t, keys, strings.TrimSpace(out.String())); got != "user_ana" || notes.Len() != 0 {
		t.Errorf("a token for %s, and %q on stderr", got, &notes)
	}
}

func TestAKeyLivesUntilItIsRevoked(t *testing.T) {
	dir := t.TempDir()
	key := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, notes bytes.Buffer
		if code := run(append([]string{"key"}, append(args, "--data", dir)...), nil, &out, &notes, nil); code != 0 {
			t.Fatalf("key %s: exit %d: %s", args, code, &notes)
		}
		return out.String(), notes.String()
	}
	secret, notes := key("create", "--name", "billing")
	id, _, _ := strings.Cut(notes, " ")

	store, err := openStore(t.Context(), &config.Config{Data: dir, SQLiteSynchronous: "full"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	authenticate := func() (*parley.Principal, error) {
		a, err := auth.New(auth.Config{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		return a.Authenticate(t.Context(), strings.TrimSpace(secret))
	}
	p, err := authenticate()
	if err != nil || p.Credential != id || p.Org != "org_demo" || p.Kind != parley.KindService {
		t.Fatalf("%s speaks for %+v, %v", id, p, err)
	}
	for range 2 { // revoking is idempotent
		key("revoke", id)
	}
	if _, err := authenticate(); !errors.Is(err, &parley.Error{Code: parley.CodeUnauthenticated}) {
		t.Errorf("after it was revoked: %v", err)
	}
	if list, _ := key("list"); !strings.Contains(list, id) || strings.Contains(list, " - ") {
		t.Errorf("the list does not say that it is revoked:\n%s", list)
	}
}

// fakeApp is a server that notes what is done to it.
type fakeApp struct {
	cfg      *config.Config
	startErr error
	stopErr  error
	started  chan struct{}
	deadline time.Duration // how long Stop was given
	slow     bool          // Start goes on until it is called off
}

func (a *fakeApp) Start(ctx context.Context) error {
	close(a.started)
	if a.slow {
		<-ctx.Done()
		return ctx.Err()
	}
	return a.startErr
}
func (a *fakeApp) Addr() string { return "127.0.0.1:1" }
func (a *fakeApp) Stop(ctx context.Context) error {
	at, _ := ctx.Deadline()
	a.deadline = time.Until(at)
	return a.stopErr
}

// serve runs parley serve with a fake server and sends itself a signal.
func serve(t *testing.T, a *fakeApp, args ...string) (code int, log string) {
	t.Helper()
	a.started = make(chan struct{})
	var out, notes bytes.Buffer
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &notes,
		newServer: func(c *config.Config, _ *slog.Logger) (server, error) { a.cfg = c; return a, nil }}
	done := make(chan int)
	go func() { done <- p.run(append([]string{"serve"}, args...)) }()
	select {
	case code := <-done:
		return code, notes.String()
	case <-a.started:
	}
	if a.startErr == nil {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	code = <-done
	if out.Len() != 0 {
		t.Errorf("printed %q", &out)
	}
	return code, notes.String()
}

func TestServeDrainsOnSIGTERM(t *testing.T) {
	a := &fakeApp{}
	code, log := serve(t, a, "--drain-timeout", "3s", "--no-demo-agent", "--limits-frame-bytes", "32KiB", "--trusted-proxy", "10.0.0.0/8")
	if code != 0 || a.deadline > 3*time.Second || a.deadline < 2*time.Second {
		t.Errorf("exit %d, Stop had %s: %s", code, a.deadline, log)
	}
	if a.cfg.DemoAgent || a.cfg.Limits.FrameBytes != 32<<10 || len(a.cfg.TrustedProxies) != 1 {
		t.Errorf("configured %+v", a.cfg)
	}
	if !strings.Contains(log, "msg=serving address=127.0.0.1:1") {
		t.Errorf("logged %s", log)
	}
}

func TestServeEndsWellWhereItIsStoppedBeforeItStarted(t *testing.T) {
	if code, log := serve(t, &fakeApp{slow: true}); code != 0 || !strings.Contains(log, "stopped before it had started") {
		t.Errorf("exit %d: %s", code, log)
	}
}

func TestServeSaysWhatWentWrong(t *testing.T) {
	for name, c := range map[string]struct {
		app  *fakeApp
		args []string
		code int
		want string
	}{
		"it does not start":        {&fakeApp{startErr: errors.New("address in use")}, nil, 1, "parley: start: address in use\n"},
		"it does not stop well":    {&fakeApp{stopErr: errors.New("disk full")}, nil, 1, "parley: stop: disk full\n"},
		"it does not stop in time": {&fakeApp{stopErr: context.DeadlineExceeded}, nil, 0, "stopped before everyone was done"},
		"it is configured wrong":   {&fakeApp{}, []string{"--ping-interval", "0s"}, 2, "parley: limits.ping_interval: 0s is not allowed (from --ping-interval)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, log := serve(t, c.app, c.args...); code != c.code || !strings.Contains(log, c.want) {
				t.Errorf("exit %d: %s, want %d: %s", code, log, c.code, c.want)
			}
		})
	}
}

func TestVersionLine(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v0.1.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
	}}
	if got := versionLine(info); !strings.HasPrefix(got, "parley v0.1.0 (commit abc, modified, go1") {
		t.Errorf("got %s", got)
	}
	if got := versionLine(nil); !strings.HasPrefix(got, "parley (devel) (commit unknown, go1") {
		t.Errorf("got %s", got)
	}
}
