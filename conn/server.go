package conn

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

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

// Config is what a Server is made of; all but Failures, Logger and NewID are
// required.
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
	Logger   *slog.Logger
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
	wg     sync.WaitGroup // writers and readers
	lastID atomic.Uint64

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	clients  map[string]*Conn // events surface: by org, principal and client_id
	counts   map[string]int   // sockets by what limits count
	draining bool
}

// Counters say what the server did since it began.
type Counters struct {
	Opened  atomic.Uint64
	Refused atomic.Uint64
	Slow    atomic.Uint64 // closed because they did not read
	Writes  atomic.Uint64 // writes to sockets
}

// New makes a Server; Close ends it.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, dialects: map[string]int{}, conns: map[*Conn]struct{}{}, clients: map[string]*Conn{}, counts: map[string]int{}}
	for i, d := range cfg.Dialects {
		s.dialects[d.Name()] = i
		switch d.Name() {
		case "events":
			s.events = surface{dialect: d, echoSelf: true, acks: true}
		case "topics":
			s.topics = surface{dialect: d, echoSelf: true, acks: true}
		case "chat":
			s.chat = surface{dialect: d, echoSelf: true, acks: true}
		case "bot":
			s.bot = surface{dialect: d, idles: true, posts: true}
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Len is how many Conns live.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Revoke closes the Conns that came with a credential.
func (s *Server) Revoke(org parley.OrgID, credential string) {
	for _, c := range s.list() {
		if p := c.principal.Load(); p != nil && p.Org == org && p.Credential == credential {
			c.say(parley.Failure{Err: parley.Errorf(parley.CodeRevoked, "the credential was revoked")})
			c.close(parley.CodeRevoked, "revoked")
		}
	}
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

// Drain refuses new Conns and tells those that live to come back, spread over a
// part of the context's time so that they do not return all at once; it returns
// when all are gone or the context ends.
func (s *Server) Drain(ctx context.Context) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	all := s.list()
	pause := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok && len(all) > 0 {
		pause = min(time.Until(deadline)/3/time.Duration(len(all)), 2*time.Millisecond)
	}
	for _, c := range all {
		c.close(parley.CodeDraining, "the server is going away; come back")
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

// Close ends all Conns at once and waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.cancel()
	for _, c := range s.list() {
		_ = c.nc.Close()
	}
	s.wg.Wait()
}

// forget takes a Conn that ended off the list.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// take counts one socket against a limit; release gives it back.
func (s *Server) take(key string, limit int) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[key] >= limit {
		return nil, false
	}
	s.counts[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.counts[key]--; s.counts[key] <= 0 {
			delete(s.counts, key)
		}
	}, true
}

// admit counts an authenticated Conn against the limits of its principal (C27).
func (s *Server) admit(c *Conn, p *parley.Principal, surface string) error {
	who := string(p.Org) + "\x00" + string(p.ID)
	release, ok := s.take("principal\x00"+who, s.cfg.Limits.PrincipalSockets)
	if !ok {
		return &parley.Error{Code: parley.CodeRateLimited, Message: fmt.Sprintf("a user may have at most %d connections", s.cfg.Limits.PrincipalSockets), RetryAfter: 30 * time.Second}
	}
	c.slots = append(c.slots, release)
	if surface == "events" {
		if release, ok = s.take("events\x00"+who, s.cfg.Limits.EventsSocketsUser); !ok {
			return &parley.Error{Code: parley.CodeRateLimited, Message: fmt.Sprintf("a user may have at most %d connections to this surface", s.cfg.Limits.EventsSocketsUser), RetryAfter: 30 * time.Second}
		}
		c.slots = append(c.slots, release)
	}
	c.principal.Store(p)
	return nil
}

// authenticate asks who a token speaks for, and bounds failures by address.
func (s *Server) authenticate(ctx context.Context, addr netip.Addr, token string) (*parley.Principal, error) {
	if f := s.cfg.Failures; f != nil {
		if wait, ok := f.Allow(addr); !ok {
			return nil, &parley.Error{Code: parley.CodeRateLimited, Message: "too many failed authentications", RetryAfter: wait}
		}
	}
	p, err := s.cfg.Auth.Authenticate(ctx, token)
	if err != nil && s.cfg.Failures != nil && parley.AsError(err).Code == parley.CodeUnauthenticated {
		s.cfg.Failures.Failed(addr)
	}
	return p, err
}

// open is what a door found out about a request before the upgrade.
type open struct {
	surface   surface
	principal *parley.Principal // nil: a first frame must authenticate
	interest  parley.Interest
	complete  bool   // interest is all there is to know
	clientKey string // events surface
	perIP     bool
	refuse    func(http.ResponseWriter, *parley.Error)
}

// Events is the door of the events surface, /realtime (contracts.md 1.1).
func (s *Server) Events() http.Handler {
	return s.door(func(ctx context.Context, r *http.Request, addr netip.Addr) (open, error) {
		o := open{surface: s.events, complete: true, refuse: problem}
		q := r.URL.Query()
		p, err := s.named(ctx, addr, q.Get("token"), parley.ClassMessaging)
		if err != nil {
			return o, err
		}
		o.principal = p
		channels, clientID := q.Get("channels"), q.Get("client_id")
		if channels == "" || clientID == "" || len(clientID) > 256 {
			return o, parley.Errorf(parley.CodeInvalidArgument, "token, channels and client_id are required")
		}
		for channel := range strings.SplitSeq(channels, ",") {
			channel = strings.TrimSpace(channel)
			if channel == "" || len(channel) > 64 {
				return o, parley.Errorf(parley.CodeInvalidArgument, "channels must be a comma-separated list of names")
			}
			if !hub.MayHear(p, channel) {
				return o, parley.Errorf(parley.CodeForbidden, "the token may not hear the channel %q", channel)
			}
			o.interest.Channels = append(o.interest.Channels, channel)
		}
		if o.interest.Size() > s.cfg.Limits.Subscriptions {
			return o, parley.Errorf(parley.CodeInvalidArgument, "too many channels")
		}
		o.clientKey = string(p.Org) + "\x00" + string(p.ID) + "\x00" + clientID
		return o, nil
	})
}

// Topics is the door of the topics surface, /ws/topics (contracts.md section 10).
func (s *Server) Topics() http.Handler {
	return s.door(func(ctx context.Context, r *http.Request, addr netip.Addr) (open, error) {
		o := open{surface: s.topics, refuse: problem}
		return o, s.optional(ctx, r, addr, &o)
	})
}

// Shared is the door at /ws, where the bot and the chat surface meet
// (contracts.md section 6).
func (s *Server) Shared() http.Handler {
	return s.door(func(ctx context.Context, r *http.Request, addr netip.Addr) (open, error) {
		o := open{perIP: true, refuse: refuseShared}
		q := r.URL.Query()
		if q.Get("token") == "" && q.Get("session_id") != "" && q.Get("user_id") != "" {
			return o, parley.Errorf(parley.CodeUnauthenticated, "visitors without a token are not admitted")
		}
		if err := s.optional(ctx, r, addr, &o); err != nil {
			return o, err
		}
		switch {
		case protocol(r, "parley.bot"):
			o.surface = s.bot
		case protocol(r, "parley.chat"), o.principal != nil && o.principal.Class == parley.ClassMessaging:
			o.surface = s.chat
		}
		return o, nil
	})
}

// optional authenticates a request that may name its token.
func (s *Server) optional(ctx context.Context, r *http.Request, addr netip.Addr, o *open) error {
	if !r.URL.Query().Has("token") {
		return nil
	}
	refused := parley.TokenClass("")
	if o.surface.dialect != nil {
		refused = parley.ClassMessaging
	}
	p, err := s.named(ctx, addr, r.URL.Query().Get("token"), refused)
	o.principal = p
	return err
}

// named authenticates a token of any class but one.
func (s *Server) named(ctx context.Context, addr netip.Addr, token string, refused parley.TokenClass) (*parley.Principal, error) {
	p, err := s.authenticate(ctx, addr, token)
	if err == nil && p.Class == refused {
		return nil, parley.Errorf(parley.CodeUnauthenticated, "a messaging token is for the chat surface only")
	}
	return p, err
}

// Subprotocols that name a surface on the shared path; they override all else.
func protocol(r *http.Request, name string) bool {
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(p) == name {
				return true
			}
		}
	}
	return false
}

// door makes the handler of one path: everything that can refuse a client does so
// before the upgrade, because clients retry a refused upgrade with bounds and an
// accepted one for ever (contracts.md 4.1).
func (s *Server) door(look func(context.Context, *http.Request, netip.Addr) (open, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr := s.cfg.Policy.ClientAddr(r)
		c := &Conn{srv: s, addr: addr}
		o, err := s.enter(c, r, addr, look)
		if err != nil {
			for _, release := range c.slots {
				release()
			}
			s.Refused.Add(1)
			o.refuse(w, parley.AsError(err))
			return
		}
		s.upgrade(w, r, c, &o)
	})
}

func (s *Server) enter(c *Conn, r *http.Request, addr netip.Addr, look func(context.Context, *http.Request, netip.Addr) (open, error)) (open, error) {
	if !s.cfg.Policy.OriginAllowed(r) {
		return open{refuse: problem}, parley.Errorf(parley.CodeForbidden, "pages of this origin may not connect")
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return open{refuse: problem}, parley.Errorf(parley.CodeInvalidFormat, "this is a WebSocket endpoint")
	}
	o, err := look(r.Context(), r, addr)
	if err != nil {
		return o, err
	}
	if o.perIP {
		release, ok := s.take("ip\x00"+addr.String(), s.cfg.Limits.IPSockets)
		if !ok {
			return o, &parley.Error{Code: parley.CodeRateLimited, Message: fmt.Sprintf("an address may have at most %d connections", s.cfg.Limits.IPSockets), RetryAfter: 30 * time.Second}
		}
		c.slots = append(c.slots, release)
	}
	if o.principal != nil {
		if o.clientKey != "" {
			s.takeOver(o.clientKey)
		}
		surface := ""
		if o.surface.dialect != nil {
			surface = o.surface.dialect.Name()
		}
		return o, s.admit(c, o.principal, surface)
	}
	return o, nil
}

// takeOver closes an older socket of the same client (contracts.md section 10).
func (s *Server) takeOver(key string) {
	s.mu.Lock()
	old := s.clients[key]
	delete(s.clients, key)
	s.mu.Unlock()
	if old != nil {
		old.close(parley.CodeTakenOver, "another connection of this client took over")
	}
}

// upgrade makes the request a Conn.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, c *Conn, o *open) {
	q := r.URL.Query()
	c.cursor, c.hasCursor = q.Get("cursor"), q.Has("cursor")
	upgrader := ws.HTTPUpgrader{
		Timeout:  5 * time.Second,
		Protocol: func(p string) bool { return p == "parley.bot" || p == "parley.chat" },
	}
	nc, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		for _, release := range c.slots {
			release()
		}
		s.Refused.Add(1)
		return
	}
	var ahead []byte
	if n := rw.Reader.Buffered(); n > 0 {
		ahead = make([]byte, n)
		_, _ = rw.Read(ahead)
	}
	_ = nc.SetDeadline(time.Time{})
	c.nc = nc
	c.id = s.cfg.Node + "-" + strconv.FormatUint(s.lastID.Add(1), 36)
	c.read = reader{nc: nc, ahead: ahead, limit: s.cfg.Limits.FrameBytes, drain: s.cfg.Limits.DrainBytes}
	// What is said before it is known who speaks has the documented shape of S1.
	c.dialectID.Store(int32(s.dialects["bot"]))
	if o.surface.dialect != nil {
		c.speak(o.surface)
	}
	s.begin(c, o)
}

// begin starts the Conn's goroutine. The handler's own returns, and with it goes
// the stack that net/http needed.
func (s *Server) begin(c *Conn, o *open) {
	s.mu.Lock()
	s.conns[c] = struct{}{}
	if o.clientKey != "" {
		s.clients[o.clientKey] = c
		c.slots = append(c.slots, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.clients[o.clientKey] == c {
				delete(s.clients, o.clientKey)
			}
		})
	}
	draining := s.draining
	s.wg.Add(1)
	s.mu.Unlock()
	s.Opened.Add(1)
	c.start(o.principal != nil)
	if draining {
		c.close(parley.CodeDraining, "the server is going away; come back")
	} else if o.principal != nil && o.surface.dialect != nil {
		if err := c.attach(o.principal, o.interest, o.complete); err != nil {
			c.fail(parley.Failure{Err: parley.AsError(err)})
			c.close(parley.CodeUnavailable, "not available")
		}
	} else if o.principal != nil {
		c.admitted(o.principal)
	}
	go c.serve()
}

// problem refuses an upgrade with problem+json (contracts.md 1.3).
func problem(w http.ResponseWriter, e *parley.Error) {
	refuseWith(w, e, "application/problem+json", map[string]any{
		"type": "about:blank", "title": http.StatusText(e.Code.Spec().Status), "status": e.Code.Spec().Status,
		"detail": e.Message, "code": string(e.Code),
	})
}

// refuseShared refuses an upgrade of the shared path: S1's nested error, with the
// code that its frame would have had (C17).
func refuseShared(w http.ResponseWriter, e *parley.Error) {
	code := strings.ToUpper(string(e.Code))
	if e.Code == parley.CodeUnauthenticated {
		code = "AUTH_FAILED"
	}
	refuseWith(w, e, "application/json", map[string]any{
		"success": false, "error": map[string]string{"code": code, "message": e.Message},
	})
}

func refuseWith(w http.ResponseWriter, e *parley.Error, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(e.Code.Spec().Status)
	_ = json.NewEncoder(w).Encode(body)
}
