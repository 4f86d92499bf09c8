package conn

import (
	"math/rand/v2"
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// What may be due on a Conn.
const (
	dueAuth   = iota // first-frame authentication
	dueResume        // the frame that resumes
	duePing
	duePong
	dueIdle
	dueCursor // telling a cursor that moved unheard
	dueWarn   // of the token's end
	dueExpiry // the token's end
	dues
)

// clock is when what is due; zero is never. A Conn's own is guarded by Conn.mu.
type clock [dues]ticks

// next is the earliest; zero where nothing is due.
func (c *clock) next() ticks {
	next := ticks(0)
	for _, at := range c {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// take returns what has come due, and takes it off.
func (c *clock) take(now ticks) (due [dues]bool) {
	for i, at := range c {
		if due[i] = at != 0 && at <= now; due[i] {
			c[i] = 0
		}
	}
	return due
}

// phased is a first time of what comes again every interval: somewhere in the
// second half of it. Conns that all came at once are not all due at once.
func (w *wheel) phased(interval time.Duration) ticks {
	return w.at(interval/2 + rand.N(max(interval/2, 1)))
}

// start sets what is due first; p is nil for who has not authenticated.
func (c *Conn) start(p *parley.Principal) {
	limits, wheel := &c.srv.cfg.Limits, c.srv.wheel
	held := c.held()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock[duePing] = wheel.phased(limits.PingInterval)
	if p == nil {
		c.clock[dueAuth] = wheel.at(limits.AuthTimeout)
	} else {
		c.admitted(p, held)
	}
	wheel.set(c, c.clock.next())
}

// held reports whether the Conn's listener waits for the frame that resumes. Not
// under mu: a hub's lock comes before it.
func (c *Conn) held() bool {
	l := c.listener.Load()
	return l != nil && l.Held()
}

// live sets what a Conn that was admitted, or whose token was refreshed, lives by.
func (c *Conn) live(p *parley.Principal) {
	held := c.held()
	c.schedule(func() { c.admitted(p, held) })
}

// schedule changes times under the lock, and the place on the wheel after them. set
// calls nothing that takes a lock.
func (c *Conn) schedule(set func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set()
	c.srv.wheel.set(c, c.clock.next())
}

// admitted sets what an authenticated Conn lives by; held as the method says. Under
// mu.
func (c *Conn) admitted(p *parley.Principal, held bool) {
	limits, wheel := &c.srv.cfg.Limits, c.srv.wheel
	clock := &c.clock
	clock[dueAuth], clock[dueIdle], clock[dueWarn], clock[dueExpiry] = 0, 0, 0, 0
	clock[dueCursor] = wheel.phased(limits.CursorInterval)
	// One that has not shown what it speaks is idle like a bot.
	if c.surface == nil || c.surface.idles {
		clock[dueIdle] = wheel.at(limits.IdleTimeout)
	}
	if held && clock[dueResume] == 0 {
		clock[dueResume] = wheel.at(limits.ResumeTimeout)
	}
	if !p.ExpiresAt.IsZero() {
		left := time.Until(p.ExpiresAt)
		clock[dueExpiry] = wheel.at(left)
		if left > limits.ExpiryWarning {
			clock[dueWarn] = wheel.at(left - limits.ExpiryWarning)
		}
	}
}

// ponged notes that the client is there. The wheel is left alone: it finds
// nothing due when it comes by.
func (c *Conn) ponged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock[duePong] = 0
}

// heard notes a data frame, which costs no more than that: the wheel finds the
// later time when it comes by.
func (c *Conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock[dueIdle] != 0 {
		c.clock[dueIdle] = c.srv.wheel.at(c.srv.cfg.Limits.IdleTimeout)
	}
}

// tick does what is due and sets when to look again. The wheel calls it, for one
// Conn after the other: it does not block, and what might gets a goroutine.
func (c *Conn) tick() {
	limits, wheel := &c.srv.cfg.Limits, c.srv.wheel
	// Before it is known what is due: who unsubscribes now has been heard now.
	l := c.listener.Load()
	asks := l != nil && l.Interests() > 0
	c.mu.Lock()
	if c.ended || c.closing != nil {
		c.mu.Unlock()
		return
	}
	clock := &c.clock
	due := clock.take(wheel.now())
	if due[duePing] {
		clock[duePing] = wheel.at(limits.PingInterval)
		if clock[duePong] == 0 {
			clock[duePong] = wheel.at(limits.PongTimeout)
		}
	}
	if due[duePong] && c.busy.Load() {
		// Its pong may wait behind the frame that is being acted on.
		due[duePong], clock[duePong] = false, wheel.at(limits.PongTimeout)
	}
	if due[dueIdle] {
		due[dueIdle], clock[dueIdle] = !asks, wheel.at(limits.IdleTimeout)
	}
	if due[dueCursor] {
		clock[dueCursor] = wheel.at(limits.CursorInterval)
	}
	wheel.set(c, clock.next())
	c.mu.Unlock()
	if due[duePing] {
		due[duePing] = false
		c.sendControl(ping)
	}
	if due != ([dues]bool{}) {
		c.srv.wg.Go(func() { c.fulfil(&due) }) // never from zero: the wheel is counted
	}
}

var ping = appendFrame(nil, ws.OpPing, nil)

// fulfil does what is due, but for the ping. It may wait for the hub.
func (c *Conn) fulfil(due *[dues]bool) {
	l := c.listener.Load()
	if due[dueAuth] && c.principal.Load() == nil {
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeUnauthenticated, "no valid token within %s", c.srv.cfg.Limits.AuthTimeout)})
	}
	if due[dueResume] && l != nil {
		l.GiveUp()
	}
	if due[duePong] {
		c.close(parley.CodeIdle, "no pong")
	}
	if due[dueIdle] {
		c.close(parley.CodeIdle, "no subscription and no frame for too long")
	}
	if due[dueCursor] && l != nil {
		l.TellCursor()
	}
	if due[dueWarn] {
		c.say(parley.Expiring{ExpiresAt: c.principal.Load().ExpiresAt})
	}
	if due[dueExpiry] && !c.refreshed() {
		c.say(parley.Failure{Err: parley.Errorf(parley.CodeTokenExpired, "the token has expired")})
		c.close(parley.CodeTokenExpired, "token expired")
	}
}

// refreshed reports whether a new token has come since the old one's end was due.
func (c *Conn) refreshed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock[dueExpiry] != 0 || c.principal.Load().ExpiresAt.IsZero()
}
