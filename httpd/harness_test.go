package httpd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/blob/dir"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/directory"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/internal/membus"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/presence"
	"github.com/parley-chat/parley/store/postgres"
	"github.com/parley-chat/parley/store/sqlite"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// counter makes ids 1, 2, 3, …, so that transcripts can name them.
type counter struct{ n atomic.Uint64 }

func (c *counter) NewID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], c.n.Add(1))
	id[0], id[6], id[8] = 1, 0x70, 0x80
	return id
}

// people is an Authenticator that knows its tokens by heart: "ada" is ada's.
type people map[string]*parley.Principal

func (p people) Authenticate(_ context.Context, token string) (*parley.Principal, error) {
	if who, ok := p[token]; ok {
		return who, nil
	}
	return nil, parley.Errorf(parley.CodeUnauthenticated, "the credential is not valid")
}

func everybody() people {
	p := people{}
	for _, id := range []parley.PrincipalID{"ada", "bob", "cyd"} {
		p[string(id)] = &parley.Principal{
			Org: "org_demo", ID: id, Kind: parley.KindUser, Name: strings.ToUpper(string(id)),
			Class: parley.ClassAccess, Scopes: parley.UserScopes,
		}
	}
	mute := *p["ada"]
	mute.Scopes = parley.NewScopes(parley.ScopeMemoryRead)
	p["ada-mute"] = &mute
	socket := *p["ada"]
	socket.Class = parley.ClassMessaging
	p["ada-socket"] = &socket
	p["stranger"] = &parley.Principal{
		Org: "org_other", ID: "ada", Kind: parley.KindUser, Class: parley.ClassAccess, Scopes: parley.UserScopes,
	}
	p["backend"] = &parley.Principal{
		Org: "org_demo", ID: "svc", Kind: parley.KindService, Class: parley.ClassKey,
		Scopes: parley.NewScopes(parley.ScopeEventsPublish, parley.ScopeConversationsRead, parley.ScopeSystemPublish),
	}
	p["admin"] = &parley.Principal{
		Org: "org_demo", ID: "ops", Kind: parley.KindService, Class: parley.ClassKey,
		Scopes: parley.NewScopes(parley.ScopeAdmin),
	}
	p["robot"] = &parley.Principal{
		Org: "org_demo", ID: "robot", Kind: parley.KindService, Class: parley.ClassKey, Scopes: parley.UserScopes,
	}
	return p
}

// desk is an Authenticator that knows besides what the directory minted: the nth
// token is access-n.
type desk struct {
	people
	random steps

	mu     sync.Mutex
	minted []*parley.Principal // nil once revoked
}

func (d *desk) Authenticate(ctx context.Context, token string) (*parley.Principal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, who := range d.minted {
		if who != nil && token == fmt.Sprintf("access-%d", i+1) {
			return who, nil
		}
	}
	return d.people.Authenticate(ctx, token)
}

func (d *desk) mint(who *parley.Principal, ttl time.Duration) (string, time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.minted = append(d.minted, who)
	return fmt.Sprintf("access-%d", len(d.minted)), noon.Add(ttl), nil
}

func (d *desk) revoke(_ context.Context, org parley.OrgID, credential string, _ time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, who := range d.minted {
		if who != nil && who.Org == org && who.Credential == credential {
			d.minted[i] = nil
		}
	}
	return nil
}

// steps is a source of bytes that are not random: each read gets the next number.
type steps struct{ n atomic.Uint64 }

func (s *steps) Read(p []byte) (int, error) {
	clear(p)
	binary.BigEndian.PutUint64(p[len(p)-8:], s.n.Add(1))
	return len(p), nil
}

// house is a server with a real engine and store behind it.
type house struct {
	*httptest.Server
	t      *testing.T
	server *httpd.Server
	log    *syncBuffer
}

// keeper is a store of either kind.
type keeper interface {
	parley.Store
	parley.People
}

// open makes a house on a new SQLite store; changes alter the configuration first.
func open(t *testing.T, changes ...func(*httpd.Config)) *house {
	t.Helper()
	return openOn(t, onSQLite(t), changes...)
}

// onSQLite makes a store in a file.
func onSQLite(t *testing.T) keeper {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(t.TempDir(), "parley.db"), Exclusive: true, Synchronous: sqlite.SyncNormal,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// onPostgres makes a store in a database of its own; the test is skipped where
// there is no server.
func onPostgres(t *testing.T) keeper {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.Start(t)})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// openOn makes a house on a store, which it closes.
func openOn(t *testing.T, store keeper, changes ...func(*httpd.Config)) *house {
	t.Helper()
	desk := &desk{people: everybody()}
	users, err := directory.New(directory.Config{
		Store: store, Org: "org_demo", Open: true, Mint: desk.mint, Revoke: desk.revoke,
		Cost: directory.Cost{MemoryKiB: 8, Passes: 1, Threads: 1}, Random: &desk.random,
		Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	bus := membus.New()
	asked := httpd.Config{Limits: parley.DefaultLimits(), Directory: users}
	for _, change := range changes {
		change(&asked) // for the limits, which are the engine's too
	}
	limits := asked.Limits
	blobs, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Config{
		Blobs: blobs,
		Store: store, Bus: bus, IDs: &counter{}, Limits: limits, Node: "n1", Solo: true,
		Now:    func() time.Time { return noon },
		Agents: []parley.Principal{{ID: "demo", Name: "Demo"}},
	})
	log := &syncBuffer{}
	c := httpd.Config{
		Engine: e, Store: store, Auth: desk, Directory: users, People: store, Limits: limits, Chat: chat.New(), PublicURL: "https://parley.test",
		Now:    func() time.Time { return noon },
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Mint: func(who *parley.Principal) (string, time.Time, error) {
			return "socket-token-of-" + string(who.ID), noon.Add(15 * time.Minute), nil
		},
		MintUser: func(u *parley.Principal, ttl time.Duration) (string, time.Time, error) {
			text, err := json.Marshal(map[string]any{"sub": u.ID, "org": u.Org, "name": u.Name, "scopes": u.Scopes.List()})
			return string(text), noon.Add(ttl), err
		},
		Attachments: &httpd.Attachments{Blobs: blobs, Upload: e.Upload, Key: []byte("the key of this house, 32 bytes.")},
		Agents:      []parley.Principal{{ID: "demo", Kind: parley.KindAgent, Name: "Demo"}},
		Listening:   func(parley.OrgID, *parley.Event) int { return 7 },
		Say:         presence.New(presence.Config{}).Say,
	}
	for _, change := range changes {
		change(&c)
	}
	h := &house{t: t, server: httpd.New(c), log: log}
	h.Server = httptest.NewServer(h.server.Handler())
	t.Cleanup(func() {
		h.Close()
		_ = e.Stop(context.Background())
		_ = bus.Close()
		_ = store.Close()
	})
	return h
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// field reads a field of a JSON answer, "details.field" one of a field.
func (a answer) field(t *testing.T, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		t.Fatalf("answer %d is not JSON: %q", a.status, a.text)
	}
	for key := range strings.SplitSeq(path, ".") {
		o, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("answer has no %s: %s", path, a.text)
		}
		v = o[key]
	}
	return v
}

// send makes a request with a bearer token, empty for none, and a JSON body,
// empty for none. edit may be nil.
func (h *house) send(method, path, token, body string, edit func(*http.Request)) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/json")
	if edit != nil {
		edit(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(bytes.TrimSpace(text))}
}

// must sends and fails the test unless the answer is a success.
func (h *house) must(method, path, token, body string) answer {
	h.t.Helper()
	a := h.send(method, path, token, body, nil)
	if a.status/100 != 2 {
		h.t.Fatalf("%s %s: %d %s", method, path, a.status, a.text)
	}
	return a
}

// group begins a conversation of ada's with others and returns its id.
func (h *house) group(members ...string) string {
	h.t.Helper()
	list, _ := json.Marshal(members)
	a := h.must("POST", "/v1/chat/conversations", "ada", `{"type":"group","participant_ids":`+string(list)+`}`)
	return a.field(h.t, "id").(string)
}

// say posts a message.
func (h *house) say(token, conversation, text string) {
	h.t.Helper()
	h.must("POST", "/v1/chat/messages/send", token, `{"conversation_id":"`+conversation+`","content_text":"`+text+`"}`)
}

// syncBuffer is a bytes.Buffer for a logger.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
