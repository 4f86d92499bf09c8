package conn_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/events"
	"github.com/parley-chat/parley/dialect/topics"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/relay"
	"github.com/parley-chat/parley/store/sqlite"
)

const org = parley.OrgID("org_demo")

func dialects() []parley.Dialect {
	return []parley.Dialect{events.New(), bot.New(), topics.New(), chat.New()}
}

// tokens is an Authenticator whose tokens are made by the test.
type tokens struct {
	mu    sync.Mutex
	known map[string]parley.Principal
}

func (k *tokens) Authenticate(_ context.Context, token string) (*parley.Principal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.known[token]
	if !ok || !p.ExpiresAt.IsZero() && !time.Now().Before(p.ExpiresAt) {
		return nil, parley.Errorf(parley.CodeUnauthenticated, "the credential is missing, wrong or expired")
	}
	return &p, nil
}

// mint makes a token for a user; changes alter who it speaks for.
func (k *tokens) mint(id parley.PrincipalID, changes ...func(*parley.Principal)) string {
	p := parley.Principal{
		Org: org, ID: id, Kind: parley.KindUser, Name: strings.ToUpper(string(id)),
		Class: parley.ClassAccess, Credential: rand.Text(), Scopes: parley.UserScopes,
	}
	for _, change := range changes {
		change(&p)
	}
	token := string(id) + "-secret-" + rand.Text()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[token] = p
	return token
}

func messaging(p *parley.Principal) { p.Class = parley.ClassMessaging }

func scopes(list ...parley.Scope) func(*parley.Principal) {
	return func(p *parley.Principal) { p.Scopes = parley.NewScopes(list...) }
}

func expiresIn(d time.Duration) func(*parley.Principal) {
	return func(p *parley.Principal) { p.ExpiresAt = time.Now().Add(d) }
}

func credential(id string) func(*parley.Principal) {
	return func(p *parley.Principal) { p.Credential = id }
}

// house is a whole server: store, bus, engine, relay, hub and doors.
type house struct {
	*tokens
	t      testing.TB
	store  *sqlite.Store
	engine *engine.Engine
	hub    *hub.Hub
	server *conn.Server
	addr   string // of a Front
	plain  string // of net/http alone
	log    *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type ids struct{}

func (ids) NewID() [16]byte { return uuid.Must(uuid.NewV7()) }

// openHouse starts a server; changes alter its limits first.
func openHouse(t testing.TB, changes ...func(*parley.Limits)) *house {
	t.Helper()
	return openHouseWith(t, func(*conn.Config) {}, changes...)
}

// openHouseWith is openHouse with a change to what the server is made of.
func openHouseWith(t testing.TB, configure func(*conn.Config), changes ...func(*parley.Limits)) *house {
	t.Helper()
	limits := parley.DefaultLimits()
	for _, change := range changes {
		change(&limits)
	}
	h := &house{t: t, tokens: &tokens{known: map[string]parley.Principal{}}, log: new(safeBuffer)}
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	h.store, err = sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(t.TempDir(), "parley.db"), Exclusive: true, Synchronous: sqlite.SyncNormal,
	})
	if err != nil {
		t.Fatal(err)
	}
	bus, err := natsbus.Open(t.Context(), natsbus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	runLog, err := bus.RunLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := relay.New(relay.Config{Store: h.store, Bus: bus, Logger: logger})
	h.engine = engine.New(engine.Config{
		Store: h.store, Bus: bus, RunLog: runLog, IDs: ids{}, Limits: limits, Node: "n1", Solo: true, Committed: told.Poke,
		Agents: []parley.Principal{{ID: "demo", Name: "Demo"}}, Logger: logger,
	})
	h.hub = hub.New(hub.Config{Store: h.store, Bus: bus, Dialects: dialects(), Frame: conn.AppendText, Limits: limits, Logger: logger})
	cfg := conn.Config{
		Hub: h.hub, Engine: h.engine, Auth: h.tokens, Store: h.store, Dialects: dialects(), Limits: limits, Logger: logger, Node: "n1",
	}
	configure(&cfg)
	h.server = conn.New(cfg)
	mux := http.NewServeMux()
	for path, door := range h.server.Doors() {
		mux.Handle(path, door)
	}
	web := httptest.NewServer(mux)
	h.plain = web.Listener.Addr().String()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = tcp.Addr().String()
	fronted := &http.Server{Handler: mux, ErrorLog: web.Config.ErrorLog}
	var parts sync.WaitGroup
	parts.Go(func() { _ = fronted.Serve(h.server.Front(tcp, nil)) })

	ctx, cancel := context.WithCancel(context.Background())
	parts.Go(func() { _ = told.Run(ctx) })
	parts.Go(func() { _ = h.engine.Run(ctx) })
	t.Cleanup(func() {
		h.server.Close()
		web.Close()
		_ = fronted.Close()
		h.hub.Close()
		_ = h.engine.Stop(context.Background())
		cancel()
		parts.Wait()
		_ = bus.Close()
		_ = h.store.Close()
		if n := h.server.Counted(); n != 0 {
			t.Errorf("%d places of limits are still taken", n)
		}
		if strings.Contains(h.log.String(), "-secret-") {
			t.Errorf("a token is in the log:\n%s", h.log.String())
		}
	})
	return h
}

// dial opens a socket that must be let in.
func (h *house) dial(path string, header ...http.Header) *client {
	h.t.Helper()
	var all http.Header
	if len(header) > 0 {
		all = header[0]
	}
	c, resp := dialRaw(h.t, h.addr, path, all)
	if c == nil {
		body, _ := io.ReadAll(resp.Body)
		h.t.Fatalf("%s was refused: %s %s", path, resp.Status, body)
	}
	return c
}

// do has a user carry out a command.
func (h *house) do(id parley.PrincipalID, cmd parley.Command) parley.Result {
	h.t.Helper()
	p := parley.Principal{Org: org, ID: id, Kind: parley.KindUser, Class: parley.ClassAccess, Scopes: parley.NewScopes(parley.ScopeAdmin)}
	result, err := h.engine.Do(h.t.Context(), &p, cmd)
	if err != nil {
		h.t.Fatalf("%T: %v", cmd, err)
	}
	return result
}

// talk makes a group of people.
func (h *house) talk(owner parley.PrincipalID, others ...parley.PrincipalID) parley.ConversationID {
	h.t.Helper()
	// A user is known once it has done something.
	for _, id := range others {
		h.do(id, parley.PublishEvent{Type: "app.hello", Channel: "app", Data: parley.RawJSON(`{}`)})
	}
	return h.do(owner, parley.CreateConversation{Kind: parley.KindGroup, Title: "Talk", Members: others}).Conversation.ID
}

func (h *house) post(id parley.PrincipalID, to parley.ConversationID, content string) {
	h.t.Helper()
	h.do(id, parley.PostMessage{Conversation: to, Content: content})
}

// eventually waits for something that happens on another goroutine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}
