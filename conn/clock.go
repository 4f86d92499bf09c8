package conn

import (
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

// clock is when what is due, since the server began; zero is never. A Conn's own
// is guarded by Conn.mu.
type clock [dues]time.Duration

func (c *clock) next() time.Duration {
	next := time.Duration(0)
	for _, at := range c {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// take returns what has come due, and takes it off.
func (c *clock) take(now time.Duration) (due [dues]bool) {
	for i, at := range c {
		if due[i] = at != 0 && at <= now; due[i] {
			c[i] = 0
		}
	}
	return due
}

// now is the time on the clocks of all Conns: monotonic.
func (s *Server) now() time.Duration { return time.Since(s.began) }

// start sets what is due first; p is nil for who has not authenticated. Pings of
// many Conns are spread by the moment at which each came.
func (c *Conn) start(p *parley.Principal) {
	limits := &c.srv.cfg.Limits
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.now()
	c.clock[duePing] = now + limits.PingInterval
	if p == nil {
		c.clock[dueAuth] = now + limits.AuthTimeout
	} else {
		c.admitted(p, now)
	}
	c.timer = time.AfterFunc(c.clock.next()-now, c.tick)
}

// schedule sets times under the lock and the timer after them.
func (c *Conn) schedule(set func(now time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.now()
	set(now)
	if !c.ended {
		c.timer.Reset(c.clock.next() - now)
	}
}

// admitted sets what an authenticated Conn lives by. Under mu.
func (c *Conn) admitted(p *parley.Principal, now time.Duration) {
	limits := &c.srv.cfg.Limits
	clock := &c.clock
	clock[dueAuth], clock[dueIdle], clock[dueWarn], clock[dueExpiry] = 0, 0, 0, 0
	clock[dueCursor] = now + limits.CursorInterval
	// One that has not shown what it speaks is idle like a bot.
	if c.surface == nil || c.surface.idles {
		clock[dueIdle] = now + limits.IdleTimeout
	}
	if l := c.listener.Load(); l != nil && l.Held() && clock[dueResume] == 0 {
		clock[dueResume] = now + limits.ResumeTimeout
	}
	if !p.ExpiresAt.IsZero() {
		left := time.Until(p.ExpiresAt)
		clock[dueExpiry] = now + max(left, 1)
		if left > limits.ExpiryWarning {
			clock[dueWarn] = now + left - limits.ExpiryWarning
		}
	}
}

// ponged notes that the client is there. The timer is left alone: it finds
// nothing due when it fires.
func (c *Conn) ponged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock[duePong] = 0
}

// heard notes a data frame, which costs no more than that: the timer finds the
// later time when it fires.
func (c *Conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock[dueIdle] != 0 {
		c.clock[dueIdle] = c.srv.now() + c.srv.cfg.Limits.IdleTimeout
	}
}

// tick does what is due and sleeps until the next time.
func (c *Conn) tick() {
	limits := &c.srv.cfg.Limits
	c.mu.Lock()
	if c.ended || c.closing != nil {
		c.mu.Unlock()
		return
	}
	now := c.srv.now()
	clock := &c.clock
	due := clock.take(now)
	if due[duePing] {
		clock[duePing] = now + limits.PingInterval
		if clock[duePong] == 0 {
			clock[duePong] = now + limits.PongTimeout
		}
	}
	if due[duePong] && c.busy.Load() {
		// Its pong may wait behind the frame that is being acted on.
		due[duePong], clock[duePong] = false, now+limits.PongTimeout
	}
	if due[dueIdle] {
		clock[dueIdle] = now + limits.IdleTimeout
	}
	if due[dueCursor] {
		clock[dueCursor] = now + limits.CursorInterval
	}
	c.timer.Reset(clock.next() - now)
	c.mu.Unlock()
	c.fulfil(&due)
}

// fulfil does what is due.
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
	if due[duePing] {
		c.sendControl(appendFrame(nil, ws.OpPing, nil))
	}
	if due[dueIdle] && (l == nil || l.Interests() == 0) {
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
