package httpd_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// Every route but health asks for a credential, and refuses a wrong one in the
// shape of its surface, before it looks at anything else.
func TestEveryRouteAuthenticates(t *testing.T) {
	h := open(t)
	for _, rt := range httpd.Routes() {
		path := strings.NewReplacer("{id}", "conv_00000000000000000000000009", "{userId}", "bob").Replace(rt.Path)
		for _, test := range []struct {
			name, token string
			edit        func(*http.Request)
		}{
			{"without a credential", "", nil},
			{"with a wrong one", "wrong", nil},
			{"with one in the URL", "", func(r *http.Request) { r.URL.RawQuery = "token=ada" }},
			{"with a messaging token", "ada-socket", nil},
			{"with another scheme", "", func(r *http.Request) { r.SetBasicAuth("ada", "ada") }},
		} {
			t.Run(rt.Method+" "+rt.Path+" "+test.name, func(t *testing.T) {
				a := h.send(rt.Method, path, test.token, "null", test.edit)
				open := rt.Open && !strings.HasSuffix(rt.Path, "/content") // whose URL may be signed instead
				if open && rt.Body != httpd.NoBody {
					refused(t, rt.Surface, a)
					if a.status != http.StatusBadRequest { // for the body: it is looked at
						t.Errorf("status %d, want 400", a.status)
					}
					return
				}
				if open {
					if a.status != http.StatusOK {
						t.Errorf("status %d, want 200", a.status)
					}
					return
				}
				refused(t, rt.Surface, a)
				if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("status %d, WWW-Authenticate %q", a.status, a.header.Get("WWW-Authenticate"))
				}
			})
		}
	}
}

func TestAPIKeyInItsOwnHeader(t *testing.T) {
	h := open(t)
	a := h.send("GET", "/v1/chat/conversations", "", "", func(r *http.Request) { r.Header.Set("X-API-Key", "backend") })
	if a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.text)
	}
}

// A store that is away is no reason to call a credential wrong.
func TestAuthenticatorAway(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Auth = away{} })
	a := h.send("GET", "/v1/chat/conversations", "ada", "", nil)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.text)
	}
}

type away struct{}

func (away) Authenticate(context.Context, string) (*parley.Principal, error) {
	return nil, parley.ErrUnavailable
}

// guesses allows a number of failures.
type guesses map[netip.Addr]int

func (g guesses) Allow(ip netip.Addr) (time.Duration, bool) {
	return 1500 * time.Millisecond, g[ip] > 0
}
func (g guesses) Failed(ip netip.Addr) { g[ip]-- }

// Who guesses has to wait; who has no credential guesses nothing.
func TestFailedAuthenticationsAreLimited(t *testing.T) {
	limiter := guesses{netip.MustParseAddr("127.0.0.1"): 2}
	h := open(t, func(c *httpd.Config) { c.FailedAuth = limiter })
	for _, test := range []struct {
		token  string
		status int
	}{
		{"", 401}, {"ada", 200}, {"wrong", 401}, {"ada", 200}, {"wrong", 401}, {"wrong", 429}, {"ada", 429}, {"", 401},
	} {
		a := h.send("GET", "/api/sessions", test.token, "", nil)
		if a.status != test.status {
			t.Fatalf("token %q: status %d, want %d", test.token, a.status, test.status)
		}
		if a.status == http.StatusTooManyRequests {
			refused(t, httpd.SurfaceBot, a)
			if got := a.header.Get("Retry-After"); got != "2" {
				t.Errorf("Retry-After is %q, want 2", got)
			}
		}
	}
}

// Over the publish limit the headers say which it is and when it opens again
// (contracts.md 1.3).
func TestPublishLimit(t *testing.T) {
	h := open(t)
	publish := func() answer {
		return h.send("POST", "/api/events/publish", "ada", `{"type":"a.b","channel":"c"}`, nil)
	}
	for i := range 20 {
		if a := publish(); a.status != http.StatusOK {
			t.Fatalf("publish %d: %d %s", i+1, a.status, a.text)
		}
	}
	a := publish()
	refused(t, httpd.SurfaceEvents, a)
	for name, want := range map[string]string{"Retry-After": "3", "X-Ratelimit-Limit": "20", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1795262403"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a.status != http.StatusTooManyRequests {
		t.Errorf("status %d", a.status)
	}
}

// A batch that the limit cuts says so in the headers too, and takes no key for
// the whole.
func TestPublishLimitOfABatch(t *testing.T) {
	h := open(t)
	body := `{"events":[` + strings.Repeat(`{"type":"a.b","channel":"c"},`, 21) + `{"type":"a.b","channel":"c"}]}`
	a := h.must("POST", "/api/events/publish/batch", "ada", body)
	for name, want := range map[string]string{"Retry-After": "3", "X-Ratelimit-Limit": "20", "X-Ratelimit-Remaining": "0"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if published, refused := a.field(t, "published"), a.field(t, "refused"); published != 20.0 || refused != 2.0 {
		t.Errorf("%v published, %v refused", published, refused)
	}
	a = h.send("POST", "/api/events/publish/batch", "backend", body, func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") })
	if a.status != http.StatusUnprocessableEntity {
		t.Errorf("with a key for the whole: %d %s", a.status, a.text)
	}
}
