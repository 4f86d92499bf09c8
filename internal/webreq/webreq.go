// Package webreq answers the two questions that every door asks of an HTTP
// request before it trusts it: from which address does it come, and may the page
// that sent it speak to us. Routes and WebSocket upgrades ask the same Policy, so
// that they cannot disagree.
package webreq

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Policy is what the operator said about proxies and pages. The zero value trusts
// no proxy and allows pages of the request's own host. It is read only, so any
// number of goroutines may use it.
type Policy struct {
	// TrustedProxies are the networks whose forwarding headers are believed
	// (design.md section 10).
	TrustedProxies []netip.Prefix
	// AllowedOrigins are origins ("https://app.example.com") that may speak to us
	// besides pages of our own host; "*" allows every page.
	AllowedOrigins []string
	// PublicURL is where clients find this server; empty where the request's own
	// host says it.
	PublicURL string
}

// ClientAddr is the address of the client: the peer's, or, where the peer is a
// trusted proxy, the last address in X-Forwarded-For that is not one. Addresses
// further left are the client's own claim and never believed. The zero Addr means
// that the peer has no address (a Unix socket).
func (p Policy) ClientAddr(r *http.Request) netip.Addr {
	addr := peer(r)
	if !p.trusts(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return addr
		}
		if addr = next; !p.trusts(addr) {
			return addr
		}
	}
	return addr
}

// OriginAllowed reports whether the page that sent the request may read the
// answer, or open a socket. A request without an Origin header comes from no page
// and is allowed.
func (p Policy) OriginAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || p.AnyOrigin() || slices.ContainsFunc(p.AllowedOrigins, func(o string) bool {
		return strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	}) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || strings.EqualFold(u.Host, p.publicHost())
}

// AnyOrigin reports whether every page is allowed.
func (p Policy) AnyOrigin() bool { return slices.Contains(p.AllowedOrigins, "*") }

// SocketURL is the address of a WebSocket path of this server as the sender of
// the request reaches it, "wss://host/ws", without a query.
func (p Policy) SocketURL(r *http.Request, path string) string {
	u := url.URL{Scheme: "ws", Host: r.Host}
	secure := r.TLS != nil
	if p.trusts(peer(r)) {
		if proto := lastValue(r, "X-Forwarded-Proto"); proto != "" {
			secure = strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
		}
		if host := lastValue(r, "X-Forwarded-Host"); host != "" {
			u.Host = host
		}
	}
	if public, err := url.Parse(p.PublicURL); err == nil && public.Host != "" {
		u.Host, u.Path = public.Host, strings.TrimSuffix(public.Path, "/")
		secure = public.Scheme == "https" || public.Scheme == "wss"
	}
	if secure {
		u.Scheme = "wss"
	}
	u.Path += path
	return u.String()
}

// URL is the address of a path of this server as the sender of the request reaches
// it, "https://host/path", without a query.
func (p Policy) URL(r *http.Request, path string) string {
	return "http" + strings.TrimPrefix(p.SocketURL(r, path), "ws")
}

func (p Policy) publicHost() string {
	u, err := url.Parse(p.PublicURL)
	if err != nil {
		return ""
	}
	return u.Host
}

func (p Policy) trusts(addr netip.Addr) bool {
	return addr.IsValid() && slices.ContainsFunc(p.TrustedProxies, func(n netip.Prefix) bool {
		return n.Contains(addr)
	})
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// parseHop reads one entry of X-Forwarded-For, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// lastValue is what the nearest proxy said: the last element of the last header.
func lastValue(r *http.Request, name string) string {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return ""
	}
	list := values[len(values)-1]
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// Network is what one customer of a provider has, by which limits count clients:
// an IPv4 address, or an IPv6 network of 64 bits. The zero Addr is a network of
// its own.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}
