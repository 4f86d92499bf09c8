package webreq_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/webreq"
)

func TestClientAddr(t *testing.T) {
	behind := webreq.Policy{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}}
	for _, test := range []struct {
		name      string
		policy    webreq.Policy
		peer      string
		forwarded []string
		want      string
	}{
		{"the peer, where no proxy is trusted", webreq.Policy{}, "10.0.0.1:5", []string{"198.51.100.7"}, "10.0.0.1"},
		{"the peer, where it is no proxy", behind, "203.0.113.9:5", []string{"198.51.100.7"}, "203.0.113.9"},
		{"what the proxy saw", behind, "10.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"never what the client claimed", behind, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		{"through two proxies", behind, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"over two header lines", behind, "10.0.0.1:5", []string{"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"a client within the trusted network", behind, "10.0.0.1:5", []string{"10.0.0.9"}, "10.0.0.9"},
		{"the proxy itself without a header", behind, "10.0.0.1:5", nil, "10.0.0.1"},
		{"up to an entry that is no address", behind, "10.0.0.1:5", []string{"1.1.1.1, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"with a port", behind, "10.0.0.1:5", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"IPv6 in brackets", behind, "[fd00::1]:5", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"IPv4 within IPv6", behind, "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a Unix socket", behind, "@", []string{"198.51.100.7"}, "invalid IP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			r.Header["X-Forwarded-For"] = test.forwarded
			if got := test.policy.ClientAddr(r).String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestOriginAllowed(t *testing.T) {
	listed := webreq.Policy{AllowedOrigins: []string{"https://app.example.com/"}, PublicURL: "https://chat.example.com/x"}
	for _, test := range []struct {
		name   string
		policy webreq.Policy
		origin string
		want   bool
	}{
		{"no page at all", webreq.Policy{}, "", true},
		{"a page of the same host", webreq.Policy{}, "http://parley.test:8080", true},
		{"the same name at another port", webreq.Policy{}, "http://parley.test", false},
		{"another host", webreq.Policy{}, "https://evil.example", false},
		{"a host that begins alike", webreq.Policy{}, "http://parley.test:8080.evil.example", false},
		{"a sandboxed page", webreq.Policy{}, "null", false},
		{"a listed page", listed, "https://app.example.com", true},
		{"a listed page over plain HTTP", listed, "http://app.example.com", false},
		{"a page of the public host", listed, "https://chat.example.com", true},
		{"a page of the own host besides the list", listed, "http://parley.test:8080", true},
		{"any page where all are allowed", webreq.Policy{AllowedOrigins: []string{"*"}}, "https://evil.example", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://parley.test:8080/", nil)
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if got := test.policy.OriginAllowed(r); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestSocketURL(t *testing.T) {
	proxied := webreq.Policy{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for _, test := range []struct {
		name    string
		policy  webreq.Policy
		tls     bool
		headers http.Header
		want    string
	}{
		{"the request's host", webreq.Policy{}, false, nil, "ws://parley.test:8080/ws"},
		{"over TLS", webreq.Policy{}, true, nil, "wss://parley.test:8080/ws"},
		{"the public URL, with its path", webreq.Policy{PublicURL: "https://chat.example.com/base/"}, false, nil, "wss://chat.example.com/base/ws"},
		{"what a trusted proxy says", proxied, false, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.example, b.example"}}, "wss://b.example/ws"},
		{"not what a stranger says", webreq.Policy{}, false, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"}}, "ws://parley.test:8080/ws"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://parley.test:8080/v1?token=secret", nil)
			for name, values := range test.headers {
				r.Header[name] = values
			}
			if test.tls {
				r.TLS = new(tls.ConnectionState)
			}
			page := strings.Replace(strings.TrimSuffix(test.want, "/ws"), "ws", "http", 1) + "/x"
			if got := test.policy.URL(r, "/x"); got != page {
				t.Errorf("page %s, want %s", got, page)
			}
			if got := test.policy.SocketURL(r, "/ws"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7/32",
		"::ffff:192.0.2.7":     "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
	} {
		if got := webreq.Network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if webreq.Network(netip.Addr{}).IsValid() {
		t.Error("no address has a network")
	}
}
