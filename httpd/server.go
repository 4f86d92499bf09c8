// Package httpd is the doors: the HTTP routes of the four surfaces, health, and
// the second listener for operators. It turns requests into commands of the
// engine and rows of the store into each surface's documented shapes; what may
// happen it leaves to the engine, what a socket says to the handlers it mounts.
package httpd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/directory"
	"github.com/parley-chat/parley/internal/webreq"
)

// Doer carries out the commands of the engine.
type Doer interface {
	Do(ctx context.Context, who *parley.Principal, cmd parley.Command) (parley.Result, error)
}

// FailureLimiter counts the failed authentications of an address. A request
// without a credential is none: it guesses nothing.
type FailureLimiter interface {
	// Allow reports whether an address may try now; if not, wait says when.
	Allow(ip netip.Addr) (wait time.Duration, ok bool)
	// Failed counts a failure.
	Failed(ip netip.Addr)
}

// Config is what a Server is made of. Engine, Auth, Store and Chat must be set.
type Config struct {
	Engine Doer
	Auth   parley.Authenticator
	Store  parley.Reader

	// Mint makes a messaging token for a principal (design.md section 10). Nil: the
	// route answers 503.
	Mint func(who *parley.Principal) (token string, expires time.Time, err error)
	// MintUser makes an access token for the user described: Org, ID, Kind and Scopes
	// are set, Scopes is never empty; Name and Email may be. Nil: the route answers 503.
	MintUser func(user *parley.Principal, ttl time.Duration) (token string, expires time.Time, err error)
	// Directory signs users in (contracts.md 4.2, /auth). Nil: they come from another
	// issuer, and these routes answer 404.
	Directory *directory.Service
	// People is where profiles and lists of people come from. Nil: nobody has a
	// profile or is listed.
	People People
	// Attachments takes and gives out attachments. Nil: the server has none, and their
	// routes answer 404.
	Attachments *Attachments
	// Agents are those that live in this process; Org is not looked at.
	Agents []parley.Principal
	// Listening counts the distinct users of the audience of e that are connected
	// and listening now, as far as this node knows (contracts.md C3). Nil counts none.
	Listening func(org parley.OrgID, e *parley.Event) int
	// Say has a principal say of itself that it is away or online, with a detail. Nil:
	// the route answers 503.
	Say func(who *parley.Principal, status parley.PresenceStatus, detail string) error
	// Presence tells who of some principals is online. Nil: that is not shown.
	Presence func(org parley.OrgID, ids []parley.PrincipalID) map[parley.PrincipalID]parley.PresenceStatus
	// Chat spells what changed for those who catch up (contracts.md 4.1); it must be
	// set.
	Chat parley.Dialect
	// Sockets are the WebSocket handlers by ServeMux path: "/realtime", "/ws", "/ws/".
	// They get the request as it came and do everything themselves.
	Sockets map[string]http.Handler
	// DefaultAgent is who answers a session that names no bot; empty is "demo".
	DefaultAgent parley.PrincipalID

	// Limits bounds bodies and says the numbers in rate limit headers. The zero value
	// is DefaultLimits.
	Limits parley.Limits
	// AllowedOrigins, TrustedProxies and PublicURL: see webreq.Policy.
	AllowedOrigins []string
	TrustedProxies []netip.Prefix
	PublicURL      string

	// Ready reports why this node should get no traffic now; nil is always ready.
	Ready func() error
	// FailedAuth slows down those who guess credentials; nil does not.
	FailedAuth FailureLimiter

	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Logger is where requests and failures are told; nil discards.
	Logger *slog.Logger
	// Metrics is where the counters are registered and what the admin listener shows;
	// nil is a registry of one's own. A registry takes one Server.
	Metrics *prometheus.Registry
}

// Server answers HTTP. It holds no state of its own, so that its handlers may be
// called concurrently and need no stopping.
type Server struct {
	Config
	policy    webreq.Policy
	metrics   *metrics
	handler   http.Handler
	reference reference
	uploads   uploads
}

// New makes a Server. It panics where two routes or metrics collide, which no
// input can cause.
func New(c Config) *Server {
	if c.Limits == (parley.Limits{}) {
		c.Limits = parley.DefaultLimits()
	}
	if c.DefaultAgent == "" {
		c.DefaultAgent = "demo"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	s := &Server{
		Config: c,
		policy: webreq.Policy{
			TrustedProxies: c.TrustedProxies, AllowedOrigins: c.AllowedOrigins, PublicURL: c.PublicURL,
		},
		metrics: newMetrics(c.Metrics), reference: newReference(),
	}
	s.handler = s.doors()
	return s
}

// Handler serves clients: the routes and the sockets.
func (s *Server) Handler() http.Handler { return s.handler }

// doors puts the sockets beside the routes. Only routes go through the
// middleware: a socket lives for hours, and keeps what wraps it alive. A path that
// no socket can have goes to the routes at once, without asking two muxes.
func (s *Server) doors() http.Handler {
	mux := http.NewServeMux()
	routes := s.middleware(s.routes())
	mux.Handle("/", routes)
	var first []string // the first segments of sockets' paths
	for path, h := range s.Sockets {
		mux.Handle(path, h)
		first = append(first, firstSegment(path))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(first, firstSegment(r.URL.Path)) {
			mux.ServeHTTP(w, r)
			return
		}
		routes.ServeHTTP(w, r)
	})
}

// firstSegment is what stands between a path's first two slashes; empty where it
// does not begin with one, or with two.
func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}

// NewHTTPServer makes the http.Server that both listeners use, with its bounds
// set: a header in 10 s and 32 KiB, a request in 30 s, an answer in 60 s, and two
// idle minutes between requests. None of them touches a socket that was upgraded.
// Connections may come secured already: state tells how, or nil; a nil state is
// that of connections that are not.
func NewHTTPServer(h http.Handler, state func(net.Conn) *tls.ConnectionState, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelInfo),
	}
	if state == nil {
		return s
	}
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if secured := state(nc); secured != nil {
			return context.WithValue(ctx, securedKey{}, secured)
		}
		return ctx
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if secured, ok := r.Context().Value(securedKey{}).(*tls.ConnectionState); ok {
			r.TLS = secured // the request is the server's own: nobody else has it yet
		}
		h.ServeHTTP(w, r)
	})
	return s
}

// securedKey is the key of a connection's *tls.ConnectionState.
type securedKey struct{}
