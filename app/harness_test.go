package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// onBothStores runs a test on SQLite and on PostgreSQL.
func onBothStores(t *testing.T, fn func(t *testing.T, cfg *config.Config)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, newConfig(t)) })
	t.Run("postgres", func(t *testing.T) {
		url := pgtest.Start(t)
		cfg := newConfig(t)
		cfg.StoreURL = url
		fn(t, cfg)
	})
}

// newConfig is a node on ports of its own, in a directory that ends with the test.
// Whatever the test leaves running when it ends is an error.
func newConfig(t *testing.T) *config.Config {
	leakCheck(t)
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.AdminListen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	return cfg
}

// leakCheck compares the goroutines at the end of the test with those now.
func leakCheck(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
}

// node is an App that runs.
type node struct {
	*app.App
	t      *testing.T
	client *http.Client
	scheme string // http or https; ws or wss follow from it
}

// start starts a node; it is stopped with the test, unless the test stops it.
func start(t *testing.T, cfg *config.Config) *node {
	t.Helper()
	n := &node{app.New(cfg, nil), t, http.DefaultClient, "http"}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop(timeout(t, 5*time.Second)) })
	return n
}

// timeout is a context that ends after d, and not with the test: cleanups use it.
func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (n *node) stop(within time.Duration) {
	n.t.Helper()
	if err := n.Stop(timeout(n.t, within)); err != nil {
		n.t.Errorf("stop: %v", err)
	}
}

func (n *node) token(user parley.PrincipalID) string {
	n.t.Helper()
	token, err := n.Mint(auth.Claims{Subject: user, Org: "org_demo"})
	if err != nil {
		n.t.Fatal(err)
	}
	return token
}

// call makes a request; body nil makes it a GET.
func (n *node) call(path, token string, body any) (status int, answer string) {
	n.t.Helper()
	method := http.MethodGet
	var text []byte
	if body != nil {
		method = http.MethodPost
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(n.t.Context(), method, n.scheme+"://"+n.Addr()+path, bytes.NewReader(text))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := n.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

// session begins a session of ann and the demo agent.
func (n *node) session() (id string) {
	n.t.Helper()
	status, answer := n.call("/api/sessions", n.token("ann"), map[string]string{"bot_id": "demo"})
	var created struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &created); err != nil || status != http.StatusCreated {
		n.t.Fatalf("begin a session: %d %s", status, answer)
	}
	return created.ID
}

// say posts a message.
func (n *node) say(session, text string) {
	n.t.Helper()
	status, answer := n.call("/api/sessions/"+session+"/messages", n.token("ann"), map[string]string{"content": text})
	if status != http.StatusOK {
		n.t.Fatalf("post a message: %d %s", status, answer)
	}
}

// socket reads the bot surface.
type socket struct {
	t      *testing.T
	frames chan string // closed when the connection ends; room for all of a test
	closed error       // why it ended, once frames is closed
}

// dial connects with a token and subscribes to a session; an empty one does not.
func (n *node) dial(token, session string, secured *tls.Config) (*socket, error) {
	dialer := ws.Dialer{Timeout: 5 * time.Second, TLSConfig: secured}
	url := strings.Replace(n.scheme, "http", "ws", 1) + "://" + n.Addr() + "/ws?token=" + token
	conn, buffered, _, err := dialer.Dial(n.t.Context(), url)
	if err != nil {
		return nil, err
	}
	if session != "" {
		subscribe, _ := json.Marshal(map[string]string{"type": "subscribe", "session_id": session})
		if err := wsutil.WriteClientText(conn, subscribe); err != nil {
			return nil, err
		}
	}
	if err := wsutil.WriteClientText(conn, []byte(`{"type":"ping"}`)); err != nil {
		return nil, err
	}
	s := &socket{t: n.t, frames: make(chan string, 4096)}
	rw := struct {
		io.Reader
		io.Writer
	}{conn, conn}
	if buffered != nil {
		rw.Reader = io.MultiReader(buffered, conn)
	}
	n.t.Cleanup(func() { conn.Close() })
	go func() {
		defer close(s.frames)
		for {
			frame, err := wsutil.ReadServerText(rw)
			if err != nil {
				s.closed = err
				return
			}
			s.frames <- string(frame)
		}
	}()
	s.hear(`"pong"`) // commands are carried out in order: the subscription stands
	return s, nil
}

// mustDial is dial where a failure ends the test.
func (n *node) mustDial(token, session string) *socket {
	n.t.Helper()
	s, err := n.dial(token, session, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// hear waits for a frame that holds a text.
func (s *socket) hear(text string) string {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case frame, ok := <-s.frames:
			if !ok {
				s.t.Fatalf("the connection ended before %s: %v", text, s.closed)
			}
			if strings.Contains(frame, text) {
				return frame
			}
		case <-late:
			s.t.Fatalf("did not hear %s", text)
		}
	}
}

// end waits for the end of the connection and returns why it ended.
func (s *socket) end(within time.Duration) error {
	s.t.Helper()
	late := time.After(within)
	for {
		select {
		case _, ok := <-s.frames:
			if !ok {
				return s.closed
			}
		case <-late:
			s.t.Fatalf("the connection lives after %s", within)
		}
	}
}

// eventually polls until ok holds.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(within); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
