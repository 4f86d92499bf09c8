package auth_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

// memory is a parley.Credentials in memory that can be away.
type memory struct {
	parley.Credentials // nil: what the tests do not use

	mu      sync.Mutex
	keys    []parley.APIKey
	revoked []parley.Revocation
	away    error
	lookups int
	polls   []time.Time // the since of each
}

func (m *memory) InsertKey(_ context.Context, k *parley.APIKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = append(m.keys, *k)
	return m.away
}

func (m *memory) KeyByHash(_ context.Context, hash []byte) (*parley.APIKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lookups++
	if m.away != nil {
		return nil, m.away
	}
	i := slices.IndexFunc(m.keys, func(k parley.APIKey) bool { return bytes.Equal(k.Hash, hash) })
	if i < 0 {
		return nil, parley.ErrNotFound
	}
	k := m.keys[i]
	return &k, nil
}

func (m *memory) Revoke(_ context.Context, r parley.Revocation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	for i := range m.keys {
		if m.keys[i].Org == r.Org && m.keys[i].ID.String() == r.Credential {
			m.keys[i].RevokedAt = r.At
		}
	}
	m.revoked = append(m.revoked, r)
	return nil
}

func (m *memory) Revocations(_ context.Context, since time.Time) ([]parley.Revocation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.polls = append(m.polls, since)
	if m.away != nil {
		return nil, m.away
	}
	var list []parley.Revocation
	for _, r := range m.revoked {
		if !r.At.Before(since) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (m *memory) set(away error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) count() (lookups, polls int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookups, len(m.polls)
}

var ana = auth.Claims{Subject: "user_ana", Org: "org_demo", Name: "Ana", Email: "ana@example.com"}

func openKeys(t testing.TB) *auth.Keys {
	t.Helper()
	keys, err := auth.OpenKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newAuthenticator(t testing.TB, c auth.Config) *auth.Authenticator {
	t.Helper()
	if c.Store == nil {
		c.Store = &memory{}
	}
	a, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mint(t testing.TB, keys *auth.Keys, c auth.Claims) string {
	t.Helper()
	token, err := keys.Mint(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func authenticate(t testing.TB, a *auth.Authenticator, token string) *parley.Principal {
	t.Helper()
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatalf("Authenticate: %v", err)
	}
	return p
}

// refused checks that a token is refused with a code, and with the one sentence
// that code has, whatever was wrong with it.
func refused(t testing.TB, a *auth.Authenticator, token string, code parley.Code) {
	t.Helper()
	p, err := a.Authenticate(context.Background(), token)
	e, ok := err.(*parley.Error)
	if !ok || p != nil {
		t.Fatalf("got %v, %v; want an *Error", p, err)
	}
	if e.Code != code {
		t.Errorf("code %s (%v), want %s", e.Code, err, code)
	}
	if e.Err == nil {
		t.Error("the log is not told why")
	}
	if code == parley.CodeUnauthenticated && e.Message != "the credential is missing, wrong or expired" {
		t.Errorf("the client is told %q", e.Message)
	}
}
