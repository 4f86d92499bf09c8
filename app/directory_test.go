package app_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/parley-chat/parley/config"
)

// Who signs up can use what it gets on every surface; a refresh token that comes a
// second time ends the login, the sockets that it opened included.
func TestSignUpAndReuse(t *testing.T) {
	onBothStores(t, func(t *testing.T, cfg *config.Config) {
		cfg.OpenSignup = true
		n := start(t, cfg)
		var first, second struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
		}
		n.auth("/auth/signup", map[string]string{"email": "dora@example.com", "password": "correct horse"}, http.StatusCreated, &first)
		socket := n.mustDial(first.AccessToken, "")
		n.auth("/auth/refresh", map[string]string{"refresh_token": first.RefreshToken}, http.StatusOK, &second)
		if status, text := n.call("/api/sessions", second.AccessToken, map[string]string{"bot_id": "demo"}); status != http.StatusCreated {
			t.Fatalf("begin a session: %d %s", status, text)
		}
		n.auth("/auth/refresh", map[string]string{"refresh_token": second.RefreshToken}, http.StatusOK, nil)
		n.auth("/auth/refresh", map[string]string{"refresh_token": first.RefreshToken}, http.StatusUnauthorized, nil)
		_ = socket.end(10 * time.Second)
		for _, token := range []string{first.AccessToken, second.AccessToken} {
			if status, text := n.call("/api/sessions", token, map[string]string{"bot_id": "demo"}); status != http.StatusUnauthorized {
				t.Errorf("a token of the login that ended: %d %s", status, text)
			}
		}
		n.auth("/auth/login", map[string]string{"email": "dora@example.com", "password": "correct horse"}, http.StatusOK, &first)
	})
}

// Unless it is asked for, nobody signs up, and the directory can be switched off.
func TestSignUpIsClosedUnlessOpened(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		status int
	}{
		"by default":            {func(*config.Config) {}, http.StatusForbidden},
		"without the directory": {func(cfg *config.Config) { cfg.Directory = false }, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newConfig(t)
			c.change(cfg)
			start(t, cfg).auth("/auth/signup", map[string]string{"email": "dora@example.com", "password": "correct horse"}, c.status, nil)
		})
	}
}

// auth posts without a credential and reads the answer; v may be nil.
func (n *node) auth(path string, body any, want int, v any) {
	n.t.Helper()
	status, text := n.call(path, "", body)
	if status != want {
		n.t.Fatalf("%s: %d %s, want %d", path, status, text, want)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		n.t.Fatal(err)
	}
}
