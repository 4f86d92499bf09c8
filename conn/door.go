package conn

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// open is what a door found out about a request before the upgrade.
type open struct {
	surface   *surface          // nil: the first frame will show it
	principal *parley.Principal // nil: a first frame must authenticate
	interest  parley.Interest
	complete  bool // interest is all there is to know
}

// door is one path. Everything that can refuse a client does so before the
// upgrade, because clients retry a refused upgrade with bounds and an accepted
// one for ever (contracts.md 4.1).
type door struct {
	srv *Server
	// look finds out who comes and for what; q is the request's query.
	look func(ctx context.Context, c *Conn, r *http.Request, q url.Values) (open, error)
	// refuse answers in the shape of the surface.
	refuse func(http.ResponseWriter, *parley.Error)
}

// Events is the door of the events surface, /realtime (contracts.md 1.1).
func (s *Server) Events() http.Handler { return &door{s, s.lookEvents, problem} }

// Topics is the door of the topics surface, /ws/topics (contracts.md section 10).
func (s *Server) Topics() http.Handler { return &door{s, s.lookTopics, problem} }

// Shared is the door at /ws and /ws/{bot_name}, where the bot and the chat
// surface meet (contracts.md section 6).
func (s *Server) Shared() http.Handler { return &door{s, s.lookShared, refuseShared} }

// reserved are the names that are no bot's (contracts.md section 6).
var reserved = []string{"meet", "chat", "notifications", "attendant", "dev", "task-progress"}

// ServeHTTP lets a client in or refuses it.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := d.srv
	c := s.newConn(s.cfg.Policy.ClientAddr(r))
	o, err := d.enter(c, r)
	refused := err != nil
	if !refused {
		err = s.upgrade(w, r, c, &o)
	}
	if err == nil {
		return
	}
	c.abandon()
	s.Refused.Add(1)
	if !refused {
		return // the connection was taken from w, and has been answered
	}
	e := parley.AsError(err)
	if e.Code == parley.CodeInternal || e.Code == parley.CodeUnavailable {
		s.cfg.Logger.Error("a connection could not be let in", "error", e)
	}
	d.refuse(w, e)
}

// enter does all that may fail but the upgrade itself. A client is a listener
// before it is told that it is connected, so that it hears all that comes later.
func (d *door) enter(c *Conn, r *http.Request) (open, error) {
	s := d.srv
	s.mu.Lock()
	refusing := s.refusing
	s.mu.Unlock()
	switch {
	case refusing:
		return open{}, errDraining
	case !s.cfg.Policy.OriginAllowed(r):
		return open{}, parley.Errorf(parley.CodeForbidden, "pages of this origin may not connect")
	case !handshake(r):
		return open{}, parley.Errorf(parley.CodeInvalidFormat, "this is a WebSocket endpoint")
	}
	q := r.URL.Query()
	c.cursor, c.hasCursor = strings.Clone(q.Get("cursor")), q.Has("cursor") // it outlives the URL
	o, err := d.look(r.Context(), c, r, q)
	if err != nil {
		return o, err
	}
	if o.surface != nil {
		c.speak(o.surface)
	}
	if o.principal == nil {
		return o, nil
	}
	if c.clientKey != "" {
		s.takeOver(c)
	}
	if err := s.admit(c, o.principal, o.surface); err != nil || o.surface == nil {
		return o, err
	}
	return o, c.attach(o.principal, o.interest, o.complete)
}

// handshake reports whether a request asks for what the upgrade can give; its
// version is left to the upgrade, which answers with the one it knows.
func handshake(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && names(r, "Upgrade", "websocket") &&
		names(r, "Connection", "upgrade") && len(r.Header.Get("Sec-WebSocket-Key")) == 24
}

// names reports whether a header that is a list has an element.
func names(r *http.Request, header, element string) bool {
	for _, value := range r.Header.Values(header) {
		for e := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(e), element) {
				return true
			}
		}
	}
	return false
}

// takeOver closes an older socket of the same client (contracts.md section 10).
// The newer has its places in what limits count at once.
func (s *Server) takeOver(c *Conn) {
	s.mu.Lock()
	old := s.clients[c.clientKey]
	s.clients[c.clientKey] = c
	s.mu.Unlock()
	if old != nil {
		s.release(old)
		old.close(parley.CodeTakenOver, "another connection of this client took over")
	}
}

func (s *Server) lookEvents(ctx context.Context, c *Conn, _ *http.Request, q url.Values) (open, error) {
	o := open{surface: &s.events, complete: true}
	p, err := s.named(ctx, c.addr, q.Get("token"), o.surface)
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
		o.interest.Channels = append(o.interest.Channels, strings.Clone(channel)) // it outlives the URL
	}
	if o.interest.Size() > s.cfg.Limits.Subscriptions {
		return o, parley.Errorf(parley.CodeInvalidArgument, "too many channels")
	}
	c.clientKey = string(p.Org) + "\x00" + string(p.ID) + "\x00" + clientID
	return o, nil
}

func (s *Server) lookTopics(ctx context.Context, c *Conn, _ *http.Request, q url.Values) (open, error) {
	o := open{surface: &s.topics}
	err := s.optional(ctx, c, q, &o)
	if err == nil && o.principal == nil && !s.occupyNetwork(c, ofStrangers) {
		err = tooMany("an address may have at most %d connections that are not authenticated", s.cfg.Limits.IPSockets)
	}
	return o, err
}

func (s *Server) lookShared(ctx context.Context, c *Conn, r *http.Request, q url.Values) (open, error) {
	var o open
	_, bot, _ := strings.Cut(r.URL.Path, "/ws/")
	if slices.Contains(reserved, bot) || strings.Contains(bot, "/") {
		return o, parley.Errorf(parley.CodeNotFound, "there is no such endpoint")
	}
	if q.Get("token") == "" && q.Get("session_id") != "" && q.Get("user_id") != "" {
		return o, parley.Errorf(parley.CodeUnauthenticated, "visitors without a token are not admitted")
	}
	if err := s.optional(ctx, c, q, &o); err != nil {
		return o, err
	}
	switch {
	case names(r, "Sec-WebSocket-Protocol", protocolBot):
		o.surface = &s.bot
	case names(r, "Sec-WebSocket-Protocol", protocolChat), o.principal != nil && o.principal.Class == parley.ClassMessaging:
		o.surface = &s.chat
	}
	if !s.occupyNetwork(c, ofNetwork) {
		return o, tooMany("an address may have at most %d connections", s.cfg.Limits.IPSockets)
	}
	return o, nil
}

// Subprotocols that name a surface on the shared path; they override all else.
const (
	protocolBot  = "parley.bot"
	protocolChat = "parley.chat"
)

// optional authenticates a request that may name its token.
func (s *Server) optional(ctx context.Context, c *Conn, q url.Values, o *open) (err error) {
	if q.Has("token") {
		o.principal, err = s.named(ctx, c.addr, q.Get("token"), o.surface)
	}
	return err
}

// upgrade makes the request a Conn. After an error w is of no use any more.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, c *Conn, o *open) error {
	upgrader := ws.HTTPUpgrader{
		Timeout:  5 * time.Second,
		Protocol: func(p string) bool { return p == protocolBot || p == protocolChat },
	}
	nc, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			_ = nc.Close()
		}
		return err
	}
	var ahead []byte
	if n := rw.Reader.Buffered(); n > 0 {
		ahead = make([]byte, n)
		_, _ = rw.Read(ahead)
	}
	_ = nc.SetDeadline(time.Time{})
	s.begin(c, o, nc, ahead)
	return nil
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
