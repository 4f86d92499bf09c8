package conn

import (
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// start sets what is due first. Pings of many Conns are spread by the moment at
// which each came.
func (c *Conn) start(authenticated bool) {
	now := time.Now()
	limits := &c.srv.cfg.Limits
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock.ping = now.Add(limits.PingInterval)
	if !authenticated {
		c.clock.auth = now.Add(limits.AuthTimeout)
	}
	c.timer = time.AfterFunc(time.Until(c.clock.next()), c.tick)
}

// due sets times under the lock and the timer after them.
func (c *Conn) schedule(set func(clock *clock, now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(&c.clock, time.Now())
	if c.timer != nil && !c.ended {
		c.timer.Reset(time.Until(c.clock.next()))
	}
}

// admitted sets what an authenticated Conn lives by.
func (c *Conn) admitted(p *parley.Principal) {
	limits := &c.srv.cfg.Limits
	c.schedule(func(clock *clock, now time.Time) {
		clock.auth, clock.warn, clock.expires = time.Time{}, time.Time{}, time.Time{}
		clock.cursor = now.Add(limits.CursorInterval)
		if c.surface.idles {
			clock.idle = now.Add(limits.IdleTimeout)
		}
		if !p.ExpiresAt.IsZero() {
			clock.expires = p.ExpiresAt
			if warn := p.ExpiresAt.Add(-limits.ExpiryWarning); warn.After(now) {
				clock.warn = warn
			}
		}
	})
}

// ponged notes that the client is there.
func (c *Conn) ponged() {
	c.schedule(func(clock *clock, _ time.Time) { clock.pong = time.Time{} })
}

// heard notes a data frame. The timer is left alone: it finds the later time
// when it fires, which costs nothing per frame.
func (c *Conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.clock.idle.IsZero() {
		c.clock.idle = time.Now().Add(c.srv.cfg.Limits.IdleTimeout)
	}
}

// tick does what is due and sleeps until the next time.
func (c *Conn) tick() {
	now := time.Now()
	limits := &c.srv.cfg.Limits
	c.mu.Lock()
	if c.ended || c.closing != nil {
		c.mu.Unlock()
		return
	}
	var todo []func()
	do := func(fn func()) { todo = append(todo, fn) }
	clock := &c.clock
	if due(&clock.auth, now) {
		do(func() {
			c.fail(parley.Failure{Err: parley.Errorf(parley.CodeUnauthenticated, "no valid token within %s", limits.AuthTimeout)})
		})
	}
	if due(&clock.resume, now) {
		do(func() { c.listener.Load().GiveUp() })
	}
	if due(&clock.pong, now) {
		do(func() { c.close(parley.CodeIdle, "no pong") })
	}
	if due(&clock.ping, now) {
		clock.ping = now.Add(limits.PingInterval)
		if clock.pong.IsZero() {
			clock.pong = now.Add(limits.PongTimeout)
		}
		do(func() { c.sendControl(appendFrame(nil, ws.OpPing, nil)) })
	}
	if due(&clock.idle, now) {
		clock.idle = now.Add(limits.IdleTimeout)
		if l := c.listener.Load(); l == nil || l.Interests() == 0 {
			do(func() { c.close(parley.CodeIdle, "no subscription and no frame for too long") })
		}
	}
	if due(&clock.cursor, now) {
		clock.cursor = now.Add(limits.CursorInterval)
		if l := c.listener.Load(); l != nil {
			do(l.TellCursor)
		}
	}
	if due(&clock.warn, now) {
		do(func() { c.say(parley.Expiring{ExpiresAt: c.principal.Load().ExpiresAt}) })
	}
	if due(&clock.expires, now) {
		do(c.expired)
	}
	c.timer.Reset(time.Until(clock.next()))
	c.mu.Unlock()
	for _, fn := range todo {
		fn()
	}
}

// expired says that the token ran out, and closes.
func (c *Conn) expired() {
	c.say(parley.Failure{Err: parley.Errorf(parley.CodeTokenExpired, "the token has expired")})
	c.close(parley.CodeTokenExpired, "token expired")
}
