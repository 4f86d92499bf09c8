package conn

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// Begin makes one end of a pipe a Conn of a surface, as a door does after the
// upgrade; p nil has not authenticated. An empty surface is the shared path.
// It may name a cursor.
func (s *Server) Begin(nc net.Conn, name string, p *parley.Principal, i parley.Interest, complete bool, cursor ...string) error {
	c := s.newConn(netip.Addr{})
	if len(cursor) > 0 {
		c.cursor, c.hasCursor = cursor[0], true
	}
	o := open{principal: p, interest: i, complete: complete}
	for _, known := range []*surface{&s.bot, &s.chat, &s.topics, &s.events} {
		if known.dialect != nil && known.dialect.Name() == name {
			o.surface = known
			c.speak(known)
		}
	}
	if p != nil {
		if err := s.admit(c, p, o.surface); err != nil {
			return err
		}
		if o.surface != nil {
			if err := c.attach(p, i, complete); err != nil {
				c.abandon()
				return err
			}
		}
	}
	s.begin(c, &o, nc, nil)
	return nil
}

// Counted is how many places of limits are taken.
func (s *Server) Counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int32(0)
	for _, of := range s.people {
		n += of.all + of.events
	}
	for _, of := range s.networks {
		n += of.shared + of.strangers
	}
	return int(n)
}

// Turned is how far the wheel has turned, in steps.
func (s *Server) Turned() int {
	s.wheel.mu.Lock()
	defer s.wheel.mu.Unlock()
	return int(s.wheel.done)
}

// ControlOwed is how many bytes the largest control buffer of all Conns holds.
func (s *Server) ControlOwed() int {
	most := 0
	for _, c := range s.list() {
		c.mu.Lock()
		most = max(most, len(c.control))
		c.mu.Unlock()
	}
	return most
}

// Owed is how many frames all listeners are owed at most.
func (s *Server) Owed() int {
	most := 0
	for _, c := range s.list() {
		if l := c.listener.Load(); l != nil {
			most = max(most, l.Owed())
		}
	}
	return most
}

// Heard is what a reader made of a stream of bytes: "text:…", "binary:…",
// "too large", "ping:…"; and how it ended: "protocol", "utf8", "big" or "end".
func Heard(nc net.Conn, ahead []byte, limit, drain int) (heard []string, end string, held int) {
	r := reader{ahead: ahead, limits: &parley.Limits{FrameBytes: limit, DrainBytes: drain}}
	for {
		var m message
		whole := false
		err := r.await(nc, nil, nil)
		if err == nil {
			m, whole, err = r.frame(nc, nil)
		}
		if r.part != nil {
			held = max(held, cap(r.part.payload))
		}
		held = max(held, cap(m.payload))
		switch {
		case err == nil && !whole:
		case errors.Is(err, errProtocol):
			return heard, "protocol", held
		case errors.Is(err, errUTF8):
			return heard, "utf8", held
		case errors.Is(err, errTooBig):
			return heard, "big", held
		case err != nil:
			return heard, "end", held
		case m.tooLarge:
			heard = append(heard, "too large")
		default:
			name := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPing: "ping", ws.OpPong: "pong", ws.OpClose: "close"}[m.op]
			heard = append(heard, name+":"+strings.Clone(string(m.payload)))
		}
		r.rise()
	}
}

// Bounds that tests prove.
const (
	MaxFragments = maxFragments
	MaxControl   = maxControl
	MaxOwed      = maxOwed
	CloseTimeout = closeTimeout
)

// Say owes a reply to all Conns that listen, as what comes due and what is revoked
// do.
func (s *Server) Say(r parley.Reply) {
	for _, c := range s.list() {
		if c.listener.Load() != nil {
			c.say(r)
		}
	}
}
