package conn

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/webreq"
)

// Doer is the engine as a Conn needs it.
type Doer interface {
	Do(ctx context.Context, p *parley.Principal, cmd parley.Command) (parley.Result, error)
}

// Failures bounds failed authentications by address.
type Failures interface {
	Allow(addr netip.Addr) (wait time.Duration, ok bool)
	Failed(addr netip.Addr)
}

// Presence is told of the Conns of users and agents as they come and go, once
// each. The principal that left may have another token by then, and is the same by
// org and id. It must not wait for anything.
type Presence interface {
	Joined(p *parley.Principal)
	Left(p *parley.Principal)
}

// Config is what a Server is made of; all but Failures, Presence, Fresh,
// Logger and Policy are required.
type Config struct {
	Hub    *hub.Hub
	Engine Doer
	Auth   parley.Authenticator
	Store  parley.Reader
	// Dialects in the order of the Hub's.
	Dialects []parley.Dialect
	Limits   parley.Limits
	Policy   webreq.Policy
	Failures Failures // nil: not bounded
	Presence Presence // nil: nobody is told
	// Fresh reports whether it is known what has been revoked lately: while it is
	// not, nothing is told to anyone (P6). It is asked at every write. Nil: always.
	Fresh  func() bool
	Logger *slog.Logger
	// Node makes the ids of Conns unique over nodes.
	Node string
}

// Server upgrades requests to Conns and knows those that live.
type Server struct {
	cfg       Config
	dialects  map[string]int
	bot, chat surface
	events    surface
	topics    surface
	Counters

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // readers, writers, hands and the wheel
	wheel  *wheel
	crew   *crew
	lastID atomic.Uint64

	budgets *budgets
	rounds  *rounds
	direct  sync.Pool // of *direct, for those who write at once

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	clients  map[string]*Conn // events surface: by org, principal and client_id
	people   map[person]personSockets
	networks map[netip.Prefix]networkSockets
	revoked  map[credential]time.Time
	fronts   []*Front
	parked   map[*Conn]struct{} // wait until Fresh holds; nil where nobody waits
	refusing bool               // who comes is refused
	draining bool               // and who was let in is told to come back
	closed   bool
}

// Counters say what the server did since it began.
type Counters struct {
	Opened  atomic.Uint64
	Refused atomic.Uint64
	Slow    atomic.Uint64 // closed because they did not read
	Stalled atomic.Uint64 // writes that a socket did not take whole at once
	Writes  atomic.Uint64 // writes to sockets
}

// New makes a Server; Close ends it.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, wheel: newWheel(), dialects: map[string]int{}, budgets: newBudgets(&cfg.Limits),
		conns: map[*Conn]struct{}{}, clients: map[string]*Conn{}, people: map[person]personSockets{}, networks: map[netip.Prefix]networkSockets{}, revoked: map[credential]time.Time{},
	}
	for i, d := range cfg.Dialects {
		s.dialects[d.Name()] = i
		switch d.Name() {
		case "events":
			s.events = surface{dialect: d, refused: parley.ClassMessaging, echoSelf: true, acks: true}
		case "topics":
			s.topics = surface{dialect: d, refused: parley.ClassMessaging, echoSelf: true, acks: true, acksAuth: true}
		case "chat":
			s.chat = surface{dialect: d, echoSelf: true, acks: true}
		case "bot":
			s.bot = surface{dialect: d, idles: true, posts: true}
		}
	}
	s.crew = &crew{wg: &s.wg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(func() { s.wheel.run(s.ctx) })
	s.rounds, s.direct.New = newRounds(), func() any { return newDirect() }
	s.startRounds()
	return s
}

// Len is how many Conns live.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// newConn makes a Conn that has no socket yet: what it is owed waits for begin.
func (s *Server) newConn(addr netip.Addr) *Conn {
	c := &Conn{srv: s, number: s.lastID.Add(1), addr: addr, flushing: true}
	// What is said before it is known who speaks has the documented shape of S1.
	c.dialectID.Store(int32(s.dialects["bot"]))
	return c
}

// begin gives the Conn its socket and starts its goroutine; the handler's own
// returns, and with it goes the stack that net/http needed. ahead was read from
// the socket already. Once the server is closed it ends the Conn instead.
func (s *Server) begin(c *Conn, o *open, nc net.Conn, ahead []byte) {
	c.mu.Lock()
	c.nc = nc // there may be a close already: another of the same client has come
	c.raw = rawOf(nc)
	c.mu.Unlock()
	c.read = reader{ahead: ahead, limits: &s.cfg.Limits}
	c.start(o.principal)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		c.abandon()
		return
	}
	s.conns[c] = struct{}{}
	draining := s.draining
	s.wg.Add(1)
	s.mu.Unlock()
	s.Opened.Add(1)
	c.mu.Lock()
	c.flushing = false
	c.mu.Unlock()
	if draining {
		c.close(parley.CodeDraining, errDraining.Message)
	}
	s.recheck(c)
	c.Wake()
	go c.serve()
}

// forget takes a Conn that ended off the list.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	delete(s.parked, c)
	s.mu.Unlock()
	s.wg.Done()
}

func (s *Server) list() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// errDraining refuses those who come while the server goes.
var errDraining = &parley.Error{Code: parley.CodeDraining, Message: "the server is going away; come back", RetryAfter: time.Second}

// Refuse has the doors refuse who comes from now on; those who are there live on
// until Drain.
func (s *Server) Refuse() {
	s.mu.Lock()
	s.refusing = true
	s.mu.Unlock()
}

// Drain refuses new Conns and tells those that live to come back, spread over a
// part of the context's time so that they do not return all at once; it returns
// when all are gone or the context ends.
func (s *Server) Drain(ctx context.Context) {
	s.mu.Lock()
	s.refusing, s.draining = true, true
	s.mu.Unlock()
	all := s.list()
	pause := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok && len(all) > 0 {
		pause = min(time.Until(deadline)/3/time.Duration(len(all)), 2*time.Millisecond)
	}
	for _, c := range all {
		c.close(parley.CodeDraining, errDraining.Message)
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for s.Len() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends all Conns at once and waits for them. Sockets that are still being
// upgraded are closed when they come.
func (s *Server) Close() {
	s.mu.Lock()
	s.refusing, s.draining, s.closed = true, true, true
	s.mu.Unlock()
	s.cancel()
	s.mu.Lock()
	fronts := s.fronts
	s.mu.Unlock()
	for _, f := range fronts {
		f.abort()
	}
	for _, c := range s.list() {
		_ = c.nc.Close()
	}
	s.crew.close()
	s.wg.Wait()
}

// credential is what may be revoked.
type credential struct {
	org parley.OrgID
	id  string
}

// revokedFor is how long a revocation is remembered: longer than it takes from
// authenticating a request to listing its Conn.
const revokedFor = time.Minute

// Revoke closes the Conns that came with a credential.
func (s *Server) Revoke(org parley.OrgID, id string) {
	now := time.Now()
	s.mu.Lock()
	for other, at := range s.revoked {
		if now.Sub(at) > revokedFor {
			delete(s.revoked, other)
		}
	}
	s.revoked[credential{org, id}] = now
	s.mu.Unlock()
	for _, c := range s.list() {
		s.recheck(c)
	}
}

// recheck closes a Conn whose credential was revoked just now: perhaps between
// its authentication and its entry in the list.
func (s *Server) recheck(c *Conn) {
	p := c.principal.Load()
	if p == nil {
		return
	}
	s.mu.Lock()
	_, revoked := s.revoked[credential{p.Org, p.Credential}]
	s.mu.Unlock()
	if revoked && p.Credential != "" && !c.isClosing() {
		c.say(parley.Failure{Err: parley.Errorf(parley.CodeRevoked, "the credential was revoked")})
		c.close(parley.CodeRevoked, "revoked")
	}
}

// tooMany says that a count of sockets is full. When one of them goes is not
// known: RetryAfter is a guess.
func tooMany(format string, limit int) *parley.Error {
	return &parley.Error{Code: parley.CodeRateLimited, Message: fmt.Sprintf(format, limit), RetryAfter: 30 * time.Second}
}

// named authenticates a token for a surface; on is nil where that is not known
// yet. Failures are bounded by address.
func (s *Server) named(ctx context.Context, addr netip.Addr, token string, on *surface) (*parley.Principal, error) {
	if f := s.cfg.Failures; f != nil {
		if wait, ok := f.Allow(addr); !ok {
			return nil, &parley.Error{Code: parley.CodeRateLimited, Message: "too many failed authentications", RetryAfter: wait}
		}
	}
	p, err := s.cfg.Auth.Authenticate(ctx, token)
	if err != nil {
		if s.cfg.Failures != nil && parley.AsError(err).Code == parley.CodeUnauthenticated {
			s.cfg.Failures.Failed(addr)
		}
		return nil, err
	}
	if on != nil && p.Class == on.refused {
		return nil, parley.Errorf(parley.CodeUnauthenticated, "a messaging token is for the chat surface only")
	}
	return p, nil
}
