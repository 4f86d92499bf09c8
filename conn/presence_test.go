package conn_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
)

// attendance counts the Conns of each principal.
type attendance struct {
	mu    sync.Mutex
	conns map[parley.PrincipalID]int
	log   []string
}

func (a *attendance) Joined(p *parley.Principal) { a.note(p.ID, 1) }
func (a *attendance) Left(p *parley.Principal)   { a.note(p.ID, -1) }

func (a *attendance) note(id parley.PrincipalID, by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conns == nil {
		a.conns = map[parley.PrincipalID]int{}
	}
	a.conns[id] += by
	a.log = append(a.log, fmt.Sprintf("%s %+d", id, by))
}

func (a *attendance) of(id parley.PrincipalID) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conns[id]
}

// Whoever has authenticated is present until the Conn ends, however it came and
// however it goes; nobody else is.
func TestPresenceIsToldOfEveryConnOnce(t *testing.T) {
	a := new(attendance)
	h := openHouseWith(t, func(c *conn.Config) { c.Presence = a }, func(l *parley.Limits) { l.PrincipalSockets = 2 })
	is := func(id parley.PrincipalID, n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s has %d connections", id, n), func() bool { return a.of(id) == n })
	}
	ada, bob := h.mint("ada"), h.mint("bob")

	stranger := h.dial("/ws/topics")
	stranger.send(`{"op":"ping"}`)
	stranger.data()
	is("ada", 0)
	stranger.send(`{"op":"auth","token":"` + ada + `"}`)
	is("ada", 1)
	stranger.send(`{"op":"auth","token":"` + h.mint("ada") + `"}`) // a fresh token
	stranger.send(`{"op":"auth","token":"` + bob + `"}`)           // somebody else's
	stranger.send(`{"op":"ping"}`)
	second := h.dial("/ws?token=" + ada)
	is("ada", 2)
	if _, refused := dialRaw(t, h.addr, "/ws?token="+ada, nil); refused.StatusCode == 101 {
		t.Error("a third one is let in")
	}
	second.raw(closeFrame(1000, ""))
	is("ada", 1)

	// The newer of two with the same client_id takes over.
	door := "/realtime?channels=conversation&client_id=x&token=" + bob
	first := h.dial(door)
	is("bob", 1)
	h.dial(door)
	first.closed(uint16(parley.CodeTakenOver.Spec().Close))
	is("bob", 1)

	h.server.Close()
	is("ada", 0)
	is("bob", 0)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.log) != 8 || slices.Contains(a.log, "bob -2") {
		t.Errorf("told %q", a.log)
	}
}
