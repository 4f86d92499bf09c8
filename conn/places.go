package conn

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/webreq"
)

// personSockets and networkSockets are how many Conns count against the limits of
// a principal, and of a network: an IPv4 address, or the /64 of an IPv6 one.
type (
	personSockets struct {
		all    int32
		events int32 // of the events surface
	}
	networkSockets struct {
		shared    int32 // on the shared path
		strangers int32 // elsewhere, that have not authenticated
	}
)

// places are the limits that a Conn counts against, and whether Presence counts
// it, as bits.
type places uint8

const (
	ofPerson places = 1 << iota
	ofEvents
	ofNetwork
	ofStrangers
	isPresent
)

// occupyNetwork counts a Conn against a limit of its network, ofNetwork or
// ofStrangers. One without an address (on a Unix socket) counts against none.
func (s *Server) occupyNetwork(c *Conn, place places) bool {
	if !c.addr.IsValid() {
		return true
	}
	key := webreq.Network(c.addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.networks[key]
	count := &n.shared
	if place == ofStrangers {
		count = &n.strangers
	}
	if int(*count) >= s.cfg.Limits.IPSockets {
		return false
	}
	*count++
	s.networks[key] = n
	c.holds |= place
	return true
}

// admit counts an authenticated Conn against the limits of its principal (C27).
// on is nil where the surface is not known yet.
func (s *Server) admit(c *Conn, p *parley.Principal, on *surface) error {
	if err := s.occupyPerson(c, p, on); err != nil {
		return err
	}
	if s.cfg.Presence == nil || p.Kind == parley.KindService {
		return nil
	}
	// Before the Conn says so: it may be released meanwhile, and is again at its end.
	s.cfg.Presence.Joined(p)
	s.mu.Lock()
	c.holds |= isPresent
	s.mu.Unlock()
	return nil
}

func (s *Server) occupyPerson(c *Conn, p *parley.Principal, on *surface) error {
	limits := &s.cfg.Limits
	key, events := person{p.Org, p.ID}, on == &s.events
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.people[key]
	switch {
	case int(n.all) >= limits.PrincipalSockets:
		return tooMany("a user may have at most %d connections", limits.PrincipalSockets)
	case events && int(n.events) >= limits.EventsSocketsUser:
		return tooMany("a user may have at most %d connections to this surface", limits.EventsSocketsUser)
	}
	n.all++
	c.holds |= ofPerson
	if events {
		n.events++
		c.holds |= ofEvents
	}
	s.people[key] = n
	s.vacate(c, ofStrangers)
	c.principal.Store(p)
	return nil
}

// release gives back what a Conn counts against, and its client's name where it
// still has that. Idempotent.
func (s *Server) release(c *Conn) {
	s.mu.Lock()
	if c.clientKey != "" && s.clients[c.clientKey] == c {
		delete(s.clients, c.clientKey)
	}
	present := c.holds&isPresent != 0
	s.vacate(c, c.holds)
	s.mu.Unlock()
	if present {
		s.cfg.Presence.Left(c.principal.Load())
	}
}

// vacate gives back those of some places that a Conn holds. Under mu.
func (s *Server) vacate(c *Conn, some places) {
	some &= c.holds
	c.holds &^= some
	if some&(ofPerson|ofEvents) != 0 {
		p := c.principal.Load() // the same person ever since the Conn was admitted
		key := person{p.Org, p.ID}
		n := s.people[key]
		n.all -= some.has(ofPerson)
		n.events -= some.has(ofEvents)
		if s.people[key] = n; n == (personSockets{}) {
			delete(s.people, key)
		}
	}
	if some&(ofNetwork|ofStrangers) != 0 {
		key := webreq.Network(c.addr)
		n := s.networks[key]
		n.shared -= some.has(ofNetwork)
		n.strangers -= some.has(ofStrangers)
		if s.networks[key] = n; n == (networkSockets{}) {
			delete(s.networks, key)
		}
	}
}

// has is 1 where a place is among these, else 0.
func (some places) has(place places) int32 {
	if some&place != 0 {
		return 1
	}
	return 0
}
