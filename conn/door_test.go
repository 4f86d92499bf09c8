package conn_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
)

// Whatever can be refused is refused before the upgrade, in the surface's shape
// (contracts.md 4.1 and section 6).
func TestRefusals(t *testing.T) {
	h := openHouse(t)
	user, chatty := h.mint("ada"), h.mint("ada", messaging)
	stale := h.mint("ada", expiresIn(-time.Minute))
	mute := h.mint("ada", scopes(parley.ScopeMemoryRead))
	page := func(origin string) http.Header { return http.Header{"Origin": {origin}} }
	for _, test := range []struct {
		name, path string
		header     http.Header
		status     int
		code       string
	}{
		{"events without a token", "/realtime?channels=system&client_id=a", nil, 401, "unauthenticated"},
		{"events with a wrong one", "/realtime?channels=system&client_id=a&token=nonsense", nil, 401, "unauthenticated"},
		{"events with one that has expired", "/realtime?channels=system&client_id=a&token=" + stale, nil, 401, "unauthenticated"},
		{"events with a messaging token", "/realtime?channels=system&client_id=a&token=" + chatty, nil, 401, "unauthenticated"},
		{"events without channels", "/realtime?client_id=a&token=" + user, nil, 422, "invalid_argument"},
		{"events without client_id", "/realtime?channels=system&token=" + user, nil, 422, "invalid_argument"},
		{"events with a channel without a name", "/realtime?channels=system,,&client_id=a&token=" + user, nil, 422, "invalid_argument"},
		{"events with a forbidden channel", "/realtime?channels=memory,conversation&client_id=a&token=" + mute, nil, 403, "forbidden"},
		{"events from a foreign page", "/realtime?channels=system&client_id=a&token=" + user, page("https://evil.example"), 403, "forbidden"},
		{"events without an upgrade", "/realtime?channels=system&client_id=a&token=" + user, http.Header{"Upgrade": {""}}, 400, "invalid_format"},

		{"topics with a wrong token", "/ws/topics?token=nonsense", nil, 401, "unauthenticated"},
		{"topics with an empty one", "/ws/topics?token=", nil, 401, "unauthenticated"},
		{"topics with a messaging token", "/ws/topics?token=" + chatty, nil, 401, "unauthenticated"},

		{"the shared path with a wrong token", "/ws?token=nonsense", nil, 401, "AUTH_FAILED"},
		{"the shared path with one that has expired", "/ws?token=" + stale, nil, 401, "AUTH_FAILED"},
		{"a visitor without a token", "/ws?session_id=1&user_id=2", nil, 401, "AUTH_FAILED"},
		{"the shared path from a foreign page", "/ws?token=" + user, page("https://evil.example"), 403, "FORBIDDEN"},
		{"the shared path without an upgrade", "/ws?token=" + user, http.Header{"Connection": {"close"}}, 400, "INVALID_FORMAT"},
		{"the shared path with a short key", "/ws?token=" + user, http.Header{"Sec-Websocket-Key": {"abc"}}, 400, "INVALID_FORMAT"},
		{"meetings", "/ws/meet?token=" + user, nil, 404, "NOT_FOUND"},
		{"a reserved name", "/ws/chat?token=" + user, nil, 404, "NOT_FOUND"},
		{"a reserved name", "/ws/notifications", nil, 404, "NOT_FOUND"},
		{"a reserved name", "/ws/attendant", nil, 404, "NOT_FOUND"},
		{"a reserved name", "/ws/dev", nil, 404, "NOT_FOUND"},
		{"a reserved name", "/ws/task-progress", nil, 404, "NOT_FOUND"},
		{"a path below a bot's", "/ws/demo/more?token=" + user, nil, 404, "NOT_FOUND"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, addr := range []string{h.addr, h.plain} {
				c, resp := dialRaw(t, addr, test.path, test.header)
				if c != nil {
					t.Fatal("was let in")
				}
				refusedWith(t, resp, test.status, test.code)
			}
		})
	}
	if n := h.server.Counted(); n != 0 {
		t.Errorf("%d places are taken by those who were refused", n)
	}
}

// refusedWith holds a response against a status and a code, wherever its shape
// has that.
func refusedWith(t *testing.T, resp *http.Response, status int, code string) {
	t.Helper()
	body, _ := io.ReadAll(resp.Body)
	var nested struct {
		Success *bool
		Error   struct{ Code, Message string }
		// problem+json
		Code, Detail string
		Status       int
	}
	if err := json.Unmarshal(body, &nested); err != nil {
		t.Fatalf("%s: %v in %s", resp.Status, err, body)
	}
	got, sentence := nested.Code, nested.Detail
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		got, sentence = nested.Error.Code, nested.Error.Message
	} else if nested.Status != status {
		t.Errorf("the problem says status %d", nested.Status)
	}
	if resp.StatusCode != status || got != code || sentence == "" {
		t.Errorf("%s %s, want %d %s with a sentence", resp.Status, body, status, code)
	}
	if strings.Contains(string(body), "-secret-") {
		t.Errorf("the body tells a token: %s", body)
	}
}

// Version 13 is the only one there is; the answer to another says so.
func TestOtherVersionIsRefused(t *testing.T) {
	h := openHouse(t)
	for _, addr := range []string{h.addr, h.plain} {
		c, resp := dialRaw(t, addr, "/ws?token="+h.mint("ada"), http.Header{"Sec-Websocket-Version": {"8"}})
		if c != nil || resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("got %v", resp)
		}
	}
	eventually(t, "the place is free", func() bool { return h.server.Counted() == 0 })
}

// Who is let in where; a bot's name in the path means the bot surface's door.
func TestAdmissions(t *testing.T) {
	h := openHouse(t)
	for _, path := range []string{"/ws", "/ws/", "/ws/demo", "/ws/demo?token=" + h.mint("ada"), "/ws/topics", "/ws/topics?token=" + h.mint("ada")} {
		h.dial(path).alive()
	}
	// A page of our own host, and a client that offers extensions we do not have.
	h.dial("/ws", http.Header{"Origin": {"http://" + h.addr}, "Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"}}).alive()
}

// Limits of sockets (contracts.md 1.3, 2.1, C27) answer 429 before the upgrade,
// with Retry-After, and count only what lives.
func TestSocketLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits func(*parley.Limits)
		path   func(h *house, i int) string
		code   string
		n      int
	}{
		{"events sockets of a user", nil, func(h *house, i int) string {
			return "/realtime?channels=system&client_id=c" + string(rune('a'+i)) + "&token=" + h.mint("ada")
		}, "rate_limited", 10},
		{"sockets of an address", nil, func(*house, int) string { return "/ws" }, "RATE_LIMITED", 100},
		{"sockets of a principal over all surfaces", nil, func(h *house, i int) string {
			return []string{"/ws?token=", "/ws/topics?token="}[i%2] + h.mint("ada")
		}, "RATE_LIMITED", 50},
		{"sockets elsewhere that have not authenticated", func(l *parley.Limits) { l.IPSockets = 3 }, func(*house, int) string {
			return "/ws/topics"
		}, "rate_limited", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := openHouse(t, func(l *parley.Limits) {
				if test.limits != nil {
					test.limits(l)
				}
			})
			var all []*client
			for i := range test.n {
				all = append(all, h.dial(test.path(h, i)))
			}
			c, resp := dialRaw(t, h.addr, test.path(h, test.n), nil)
			if c != nil {
				t.Fatal("one too many was let in")
			}
			refusedWith(t, resp, 429, test.code)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("there is no Retry-After")
			}
			all[0].raw(closeFrame(1000, ""))
			all[0].closed(1000)
			eventually(t, "the end of one", func() bool { return h.server.Len() == test.n-1 })
			h.dial(test.path(h, test.n)).alive()
		})
	}
}

// Topics sockets that authenticate give back the place they took by address.
func TestAuthenticatedSocketsAreNotStrangers(t *testing.T) {
	h := openHouse(t, func(l *parley.Limits) { l.IPSockets = 1 })
	for range 3 {
		c := h.dial("/ws/topics")
		c.send(`{"op":"auth","token":"` + h.mint("ada") + `"}`)
		c.want(`{"op":"authenticated"}`)
	}
}

// A newer socket of the same client takes over, even where the user has no place
// left (contracts.md section 10).
func TestTakeOver(t *testing.T) {
	h := openHouse(t, func(l *parley.Limits) { l.EventsSocketsUser, l.PrincipalSockets = 2, 2 })
	path := func(user parley.PrincipalID, client string) string {
		return "/realtime?channels=system&client_id=" + client + "&token=" + h.mint(user)
	}
	phone, laptop := h.dial(path("ada", "phone")), h.dial(path("ada", "laptop"))
	bobs := h.dial(path("bob", "phone"))
	again := h.dial(path("ada", "phone"))
	phone.closed(4401)
	again.alive()
	laptop.alive()
	bobs.alive() // another user's client of the same name
	third := h.dial(path("ada", "phone"))
	again.closed(4401)
	third.alive()
	// Those who were taken over from count no more, and not less than that.
	eventually(t, "the end of the older two", func() bool { return h.server.Len() == 3 })
	if c, _ := dialRaw(t, h.addr, path("ada", "tablet"), nil); c != nil {
		t.Error("a third client was let in")
	}
	// A request that cannot be upgraded takes nothing over.
	if c, _ := dialRaw(t, h.addr, path("ada", "phone"), http.Header{"Upgrade": {""}}); c != nil {
		t.Fatal("was let in")
	}
	third.alive()
}

// Sockets with a revoked credential close at once with a code that says: do not
// come back.
func TestRevoke(t *testing.T) {
	h := openHouse(t)
	lost := h.mint("ada", credential("lost"))
	other := h.dial("/ws?token=" + h.mint("ada", credential("kept")))
	undecided, decided := h.dial("/ws?token="+lost), h.dial("/ws?token="+lost)
	decided.send(`{"type":"typing_start","session_id":"01a1fef1-77c4-7000-8000-000000000009"}`)
	decided.want(`{"type":"error","code":"SESSION_NOT_FOUND"}`)
	h.server.Revoke(org, "lost")
	for _, c := range []*client{undecided, decided} {
		c.want(`{"type":"error","code":"AUTH_FAILED"}`)
		c.closed(4501)
	}
	other.alive()
	// The token is still good to the authenticator here, as if it had been looked at
	// just before.
	late := h.dial("/ws?token=" + lost)
	late.want(`{"type":"error","code":"AUTH_FAILED"}`)
	late.closed(4501)
	early := h.dial("/ws")
	early.send(`{"type":"auth","token":"` + lost + `"}`)
	early.want(`{"type":"error","code":"AUTH_FAILED"}`)
	early.closed(4501)
}

// A server that goes away refuses who comes, tells who is there, and is done when
// all are gone.
func TestDrain(t *testing.T) {
	h := openHouse(t)
	all := []*client{
		h.dial("/ws"), h.dial("/ws/topics?token=" + h.mint("ada")),
		h.dial("/realtime?channels=system&client_id=a&token=" + h.mint("ada")),
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		h.server.Drain(t.Context())
	}()
	for _, c := range all {
		c.closed(4012)
	}
	<-drained
	c, resp := dialRaw(t, h.addr, "/ws", nil)
	if c != nil {
		t.Fatal("was let in")
	}
	refusedWith(t, resp, 503, "DRAINING")
}

// A server that refuses who comes answers in each surface's shape and counts it;
// who is there lives on.
func TestRefuse(t *testing.T) {
	h := openHouse(t)
	c := h.dial("/ws?token=" + h.mint("ada"))
	h.server.Refuse()
	for i, test := range []struct{ path, code string }{
		{"/ws?token=" + h.mint("ada"), "DRAINING"},
		{"/ws/topics?token=" + h.mint("ada"), "draining"},
		{"/realtime?channels=system&client_id=a&token=" + h.mint("ada"), "draining"},
	} {
		late, resp := dialRaw(t, h.addr, test.path, nil)
		if late != nil {
			t.Fatal("was let in")
		}
		refusedWith(t, resp, 503, test.code)
		if resp.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
		}
		if n := h.server.Refused.Load(); n != uint64(i+1) {
			t.Errorf("%d refusals are counted, want %d", n, i+1)
		}
	}
	c.settle()
}

// Sockets are counted by network, so that who has a /64 of addresses has no more
// than others.
func TestSocketsAreCountedByNetwork(t *testing.T) {
	proxied := func(c *conn.Config) {
		c.Policy.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	h := openHouseWith(t, proxied, func(l *parley.Limits) { l.IPSockets = 1 })
	from := func(addr string) http.Header { return http.Header{"X-Forwarded-For": {addr}} }
	for _, path := range []string{"/ws", "/ws/topics"} {
		h.dial(path, from("2001:db8::1"))
		if c, _ := dialRaw(t, h.addr, path, from("2001:db8::ffff:2")); c != nil {
			t.Errorf("%s: a second one of the same network was let in", path)
		}
		h.dial(path, from("2001:db8:0:1::1"))
		h.dial(path, from("192.0.2.1"))
		h.dial(path, from("192.0.2.2"))
	}
	// Who authenticates gives the network's place back.
	c := h.dial("/ws/topics", from("2001:db8:1::1"))
	c.send(`{"op":"auth","token":"` + h.mint("ada") + `"}`)
	c.want(`{"op":"authenticated"}`)
	h.dial("/ws/topics", from("2001:db8:1::2"))
}

// Close ends those who do not listen, too.
func TestCloseEndsAll(t *testing.T) {
	addr, s := openCage(t)
	for range 20 {
		talkTo(t, addr)
	}
	// Some come while it closes.
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		for range 20 {
			if nc, err := net.Dial("tcp", addr); err == nil {
				_, _ = nc.Write([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
				defer nc.Close()
			}
		}
	}()
	s.Close()
	<-arrived
	eventually(t, "the end of all", func() bool { return s.Len() == 0 && s.Counted() == 0 })
}
