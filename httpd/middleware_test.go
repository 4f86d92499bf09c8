package httpd_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// broken is an engine that fails in a way nobody foresaw.
type broken struct{ panics bool }

func (b broken) Do(context.Context, *parley.Principal, parley.Command) (parley.Result, error) {
	if b.panics {
		panic("the secret cause")
	}
	return parley.Result{}, errors.New("the secret cause")
}

// What nobody foresaw is answered with an id, under which the log has the cause.
func TestUnexpectedFailures(t *testing.T) {
	for name, engine := range map[string]broken{"an error": {false}, "a panic": {true}} {
		t.Run(name, func(t *testing.T) {
			h := open(t, func(c *httpd.Config) { c.Engine = engine })
			a := h.send("POST", "/api/sessions", "ada", "", nil)
			id := a.header.Get("X-Request-Id")
			if a.status != http.StatusInternalServerError || id == "" || a.field(t, "error.code") != "INTERNAL_ERROR" {
				t.Fatalf("status %d, id %q: %s", a.status, id, a.text)
			}
			if !strings.Contains(a.text, id) || strings.Contains(a.text, "secret") {
				t.Errorf("the answer lacks the id or tells the cause: %s", a.text)
			}
			h.Close() // the log is complete once the handlers returned
			if log := h.log.String(); !strings.Contains(log, "the secret cause") || !strings.Contains(log, id) {
				t.Errorf("the log lacks the cause or the id: %s", log)
			}
		})
	}
}

// The log tells who asked for what, and never a query, a token or a body.
func TestAccessLog(t *testing.T) {
	h := open(t)
	h.send("GET", "/v1/chat/conversations?token=query-secret&limit=3", "ada", "", nil)
	h.send("GET", "/v1/chat/conversations", "wrong-secret", "", nil)
	h.send("GET", "/v1/messaging/token", "ada", "", nil)
	h.send("POST", "/api/sessions", "ada", `{"title":"body-secret"}`, nil)
	h.Close()
	log := h.log.String()
	for _, secret := range []string{"query-secret", "wrong-secret", "socket-token-of", "body-secret", "limit=3"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log tells %s:\n%s", secret, log)
		}
	}
	for _, want := range []string{`"path":"/v1/chat/conversations"`, `"status":200`, `"status":401`, `"principal":"ada"`, `"ip":"127.0.0.1"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/v1/messaging/token", "/v1/chat/nothing", "/healthz"} {
		a := h.send("GET", path, "ada", "", nil)
		if a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s lacks the security headers: %v", path, a.header)
		}
	}
	if got := h.send("GET", "/v1/messaging/token", "ada", "", nil).header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of a token is %q", got)
	}
}

// Pages of allowed origins may read answers and use every method; others get no
// header that would let them. Credentials are never allowed.
func TestCORS(t *testing.T) {
	const friend, enemy = "https://app.example.com", "https://evil.example"
	listed := open(t, func(c *httpd.Config) { c.AllowedOrigins = []string{friend} })
	anyone := open(t, func(c *httpd.Config) { c.AllowedOrigins = []string{"*"} })
	for _, test := range []struct {
		name, origin  string
		house         *house
		preflight     bool
		status        int
		allowedOrigin string
	}{
		{"a listed page reads", friend, listed, false, 200, friend},
		{"a listed page asks first", friend, listed, true, 204, friend},
		{"another page reads", enemy, listed, false, 200, ""},
		{"another page asks first", enemy, listed, true, 403, ""},
		{"the server's own page", listed.URL, listed, true, 204, listed.URL},
		{"any page where all are allowed", enemy, anyone, true, 204, "*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, token := "GET", "ada"
			if test.preflight {
				method, token = "OPTIONS", ""
			}
			a := test.house.send(method, "/v1/chat/conversations", token, "", func(r *http.Request) {
				r.Header.Set("Origin", test.origin)
				if test.preflight {
					r.Header.Set("Access-Control-Request-Method", "DELETE")
				}
			})
			if a.status != test.status || a.header.Get("Access-Control-Allow-Origin") != test.allowedOrigin {
				t.Errorf("status %d, allowed %q", a.status, a.header.Get("Access-Control-Allow-Origin"))
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("headers are %v", a.header)
			}
			if a.status == http.StatusNoContent {
				for header, want := range map[string]string{
					"Access-Control-Allow-Methods": "PATCH", "Access-Control-Allow-Headers": "Authorization",
				} {
					if !strings.Contains(a.header.Get(header), want) {
						t.Errorf("%s is %q", header, a.header.Get(header))
					}
				}
			}
		})
	}
}

// Wrong methods name the right ones.
func TestAllow(t *testing.T) {
	h := open(t)
	for path, want := range map[string]string{
		"/v1/chat/conversations":   "GET, HEAD, POST",
		"/api/events/publish":      "POST",
		"/v1/chat/messages/send":   "POST",
		"/api/sessions/x/history":  "GET, HEAD",
		"/v1/messaging/token":      "GET, HEAD",
		"/v1/chat/conversations/x": "DELETE, GET, HEAD, PATCH",
		"/v1/chat/elsewhere":       "",
	} {
		a := h.send("PUT", path, "ada", "{}", nil)
		if got := a.header.Get("Allow"); got != want {
			t.Errorf("%s: Allow is %q, want %q", path, got, want)
		}
	}
}

// Sockets get the request as it came: the writer that was made by net/http, and
// no header of the routes.
func TestSockets(t *testing.T) {
	seen := map[string]http.Handler{}
	for _, path := range []string{"/realtime", "/ws", "/ws/"} {
		seen[path] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(http.Hijacker); !ok {
				t.Errorf("%s: the writer is a %T", path, w)
			}
			_, _ = w.Write([]byte(path))
		})
	}
	h := open(t, func(c *httpd.Config) { c.Sockets = seen })
	for path, want := range map[string]string{"/realtime?token=x": "/realtime", "/ws": "/ws", "/ws/demo": "/ws/"} {
		if a := h.send("GET", path, "", "", nil); a.text != want || a.header.Get("X-Request-Id") != "" {
			t.Errorf("%s was answered by %q", path, a.text)
		}
	}
}

func TestReady(t *testing.T) {
	reason := errors.New("the bus is away")
	h := open(t, func(c *httpd.Config) { c.Ready = func() error { return reason } })
	a := h.send("GET", "/readyz", "", "", nil)
	if a.status != http.StatusServiceUnavailable || a.field(t, "reason") != "the bus is away" {
		t.Errorf("status %d: %s", a.status, a.text)
	}
	if a := h.send("GET", "/healthz", "", "", nil); a.status != http.StatusOK {
		t.Errorf("live: status %d", a.status)
	}
}

// Operators see the counters; what labels them is the route, never the path.
func TestAdmin(t *testing.T) {
	h := open(t)
	h.send("GET", "/api/sessions/11111111-2222-3333-4444-555555555555", "ada", "", nil)
	h.send("BREW", "/made/up/path", "ada", "", nil)
	h.Close()
	get := func(path string) string {
		w := httptest.NewRecorder()
		h.server.AdminHandler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, w.Code)
		}
		return w.Body.String()
	}
	metrics := get("/metrics")
	for _, want := range []string{
		`parley_http_requests_total{class="4xx",method="GET",route="/api/sessions/{id}"} 1`,
		`parley_http_requests_total{class="4xx",method="other",route="other"} 1`,
		`parley_http_request_seconds_count{route="/api/sessions/{id}"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, "11111111") || strings.Contains(metrics, "BREW") || strings.Contains(metrics, "made/up") {
		t.Error("a label holds what a stranger sent")
	}
	get("/healthz")
	get("/readyz")
	get("/debug/pprof/")
	get("/debug/pprof/goroutine?debug=1")
}

// A header without bound is refused before a route sees it.
func TestHTTPServerBoundsHeaders(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config = httpd.NewHTTPServer(http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler))
	s.Start()
	defer s.Close()
	for size, want := range map[int]int{8 << 10: http.StatusNotFound, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", strings.Repeat("x", size))
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a header of %d bytes: status %d, want %d", size, resp.StatusCode, want)
		}
	}
}
