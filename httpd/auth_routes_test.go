package httpd_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-chat/parley/httpd"
)

// Where users come from another issuer, each /auth route says that there are none
// here, in the shape of its surface.
func TestWithoutADirectory(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Directory = nil })
	n := 0
	for _, rt := range httpd.Routes() {
		if !strings.HasPrefix(rt.Path, "/auth/") {
			continue
		}
		n++
		a := h.send(rt.Method, rt.Path, "ada", `{"email":"a@b.example","password":"correct horse","refresh_token":"x"}`, nil)
		refused(t, httpd.SurfaceChat, a)
		if a.status != 404 {
			t.Errorf("%s %s: status %d, want 404", rt.Method, rt.Path, a.status)
		}
	}
	if n != 7 {
		t.Errorf("there are %d /auth routes, want 7", n)
	}
}

// Whoever guesses passwords or refresh tokens has to wait, and so does whoever
// tries which e-mails are taken.
func TestGuessesAreLimited(t *testing.T) {
	for name, guess := range map[string][2]string{
		"passwords":      {"/auth/login", `{"email":"a@b.example","password":"correct horse"}`},
		"refresh tokens": {"/auth/refresh", `{"refresh_token":"x"}`},
		"e-mails":        {"/auth/signup", `{"email":"dora@example.com","password":"correct horse"}`},
		"logouts":        {"/auth/logout", `{"refresh_token":"x"}`},
		"one's own":      {"/auth/change-password", `{"current_password":"wrong horse","new_password":"correct horse"}`},
	} {
		t.Run(name, func(t *testing.T) {
			limit := guesses{}
			h := open(t, func(c *httpd.Config) { c.FailedAuth = limit })
			here := netip.MustParseAddr("127.0.0.1")
			limit[here] = 100
			a := h.must("POST", "/auth/signup", "", `{"email":"dora@example.com","password":"correct horse"}`)
			token, _ := a.field(t, "access_token").(string)
			limit[here] = 2
			for range 2 {
				if a := h.send("POST", guess[0], token, guess[1], nil); a.status == 429 {
					t.Fatalf("limited too early: %s", a.text)
				}
				if guess[0] == "/auth/signup" {
					token = "" // only strangers are counted by the try
				}
			}
			if guess[0] == "/auth/signup" {
				_ = h.send("POST", guess[0], "", guess[1], nil)
			}
			a = h.send("POST", guess[0], token, guess[1], nil)
			refused(t, httpd.SurfaceChat, a)
			if a.status != 429 || a.header.Get("Retry-After") != "2" {
				t.Errorf("status %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.text)
			}
		})
	}
}

// No log line tells a password or a token, whatever is sent where.
func TestAuthKeepsSecretsOutOfTheLog(t *testing.T) {
	h := open(t)
	a := h.must("POST", "/auth/signup", "", `{"email":"dora@example.com","password":"correct horse"}`)
	token, _ := a.field(t, "refresh_token").(string)
	a = h.must("POST", "/auth/refresh", "", `{"refresh_token":"`+token+`"}`)
	next, _ := a.field(t, "refresh_token").(string)
	for _, token := range []string{next, token, next} { // the second is reuse
		_ = h.send("POST", "/auth/refresh", "", `{"refresh_token":"`+token+`"}`, nil)
	}
	_ = h.send("POST", "/auth/login", "", `{"email":"dora@example.com","password":"wrong horse"}`, nil)
	_ = h.send("POST", "/auth/login", "", `{"email":"wrong horse","password":7}`, nil)
	log := h.log.String()
	if !strings.Contains(log, "authentication failed") {
		t.Error("the log does not tell of failures")
	}
	for _, secret := range []string{"horse", token, next} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// A back end makes users of its own org where signing up is closed; a stranger
// cannot, nor can a user.
func TestClosedSignup(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Directory.Open = false })
	body := `{"email":"dora@example.com","password":"correct horse"}`
	for _, token := range []string{"", "ada"} {
		if a := h.send("POST", "/auth/signup", token, body, nil); a.status != 403 {
			t.Errorf("by %q: %d %s", token, a.status, a.text)
		}
	}
	if a := h.send("POST", "/auth/signup", "wrong", body, nil); a.status != 401 {
		t.Errorf("by a wrong credential: %d %s", a.status, a.text)
	}
	if a := h.send("POST", "/auth/signup", "backend", body, nil); a.status != 201 {
		t.Errorf("by a back end: %d %s", a.status, a.text)
	}
}
