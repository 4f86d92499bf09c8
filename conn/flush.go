package conn

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// A Conn has one writer at a time, which has it until nothing is owed: the
// goroutine that found something to write (Flush), one of the server's rounds
// (round), or, where a write has to wait, a goroutine of its own (flush).

// Wake implements hub.Writer: what is owed is seen to in the next round.
func (c *Conn) Wake() {
	if c.claim() {
		c.hand()
	}
}

// Flush implements hub.Writer: it writes at once what can be written without
// waiting.
func (c *Conn) Flush() hub.Flushed {
	if !c.claim() {
		return c.state()
	}
	if c.raw == nil {
		c.apart(nil, false)
		return hub.FlushBusy
	}
	w := c.srv.direct.Get().(*direct)
	defer c.srv.direct.Put(w)
	return c.write(w, true)
}

// claim makes the caller the Conn's writer, unless there is one: that one looks
// again.
func (c *Conn) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.woken = true
	if c.flushing || c.mute {
		return false
	}
	c.flushing = true
	return true
}

// state says how far another writer is.
func (c *Conn) state() hub.Flushed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked {
		return hub.FlushBlocked
	}
	return hub.FlushBusy
}

// hand gives a claimed Conn to a round, or to a goroutine of its own where its
// writes may have to wait.
func (c *Conn) hand() {
	if c.raw == nil {
		c.apart(nil, false)
		return
	}
	c.srv.rounds.add(c)
}

// apart gives a claimed Conn to a goroutine of its own, which first writes what
// is left of a write; last says that this was the last.
func (c *Conn) apart(rest []byte, last bool) {
	c.mu.Lock()
	ended := c.mute
	if !ended {
		c.srv.wg.Add(1) // never from zero: its reader, which has not ended, is counted
	}
	c.mu.Unlock()
	if ended {
		c.silence()
		return
	}
	go c.flush(rest, last)
}

// write writes to a claimed Conn until nothing is owed, it would have to wait, or,
// in a round, others have waited long enough. It lets go of the Conn, or hands it
// on.
func (c *Conn) write(w *direct, inline bool) hub.Flushed {
	for n := 0; ; n++ {
		out, again, wait, end := c.owed(w.buf)
		if len(out) > 0 {
			left, err := w.send(c, out)
			switch {
			case err != nil:
				c.cut(err)
				return hub.FlushDone
			case left > 0:
				c.srv.Stalled.Add(1)
				c.apart(append([]byte(nil), out[len(out)-left:]...), end)
				return hub.FlushBlocked
			}
			c.srv.Writes.Add(1)
		}
		if end {
			c.lastWritten()
			return hub.FlushDone
		}
		switch {
		case wait && inline:
			c.srv.rounds.add(c)
			return hub.FlushBusy
		case wait:
			c.apart(nil, false)
			return hub.FlushBusy
		case c.unclaim(again):
			return hub.FlushDone
		case n >= maxTurn:
			c.srv.rounds.add(c)
			return hub.FlushBusy
		}
	}
}

// maxTurn bounds the writes to one Conn before others have their turn.
const maxTurn = 8

// owed gathers the next write. wait says that more can only be told by waiting;
// end that the write is the last. While it is not known what was revoked only
// control frames go out, and a Conn that closes does so without what it is owed:
// its client comes back with its cursor.
func (c *Conn) owed(buf []byte) (out []byte, again, wait, end bool) {
	c.mu.Lock()
	if c.mute {
		c.mu.Unlock()
		return nil, false, false, false
	}
	c.woken = false
	out = append(buf, c.control...)
	c.control = nil
	closing := c.closing
	c.mu.Unlock()
	l := c.listener.Load()
	stale := l != nil && !c.srv.fresh()
	switch {
	case stale && closing == nil:
		c.srv.park(c)
	case l != nil && !stale:
		out, again, wait = l.Ready(out)
	}
	if closing != nil && (!again && !wait || !time.Now().Before(closing.by)) {
		return appendClose(out[:len(out):len(out)], closing.code, closing.reason), false, false, true
	}
	return out, again, wait, false
}

// unclaim lets go of the Conn where there is nothing more to write.
func (c *Conn) unclaim(again bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom()
	switch {
	case c.mute: // the Conn has ended
		c.closing.done()
		return true
	case again, c.woken:
		return false
	}
	c.flushing = false
	return true
}

// lastWritten ends the writing. The peer's close, or this deadline, ends the
// reader.
func (c *Conn) lastWritten() {
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout))
	c.silence()
}

// silence has nothing written any more: the writer stays claimed.
func (c *Conn) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom()
	c.mute, c.blocked = true, false
	c.closing.done()
}

// cut ends a Conn whose socket failed, or did not take a write in time: its client
// comes back with its cursor.
func (c *Conn) cut(err error) {
	if isTimeout(err) {
		c.srv.Slow.Add(1)
	}
	_ = c.nc.Close()
	c.silence()
}

// flush is the writer of a Conn that has to wait: for the socket, or for the
// store. It ends when nothing is owed. rest and last as in apart.
func (c *Conn) flush(rest []byte, last bool) {
	defer c.srv.wg.Done()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		if len(rest) > 0 && !c.writeOut(rest) {
			return
		}
		if last {
			c.lastWritten()
			return
		}
		out, again, wait, end := c.owed(*buf)
		var err error
		if wait && len(out) == 0 {
			out, again, err = c.listener.Load().Next(c.srv.ctx, out)
			// Reading it may have taken long.
			if len(out) > 0 && !c.untilFresh() {
				out, again = nil, true
			}
		}
		if len(out) > 0 && !c.writeOut(out) {
			return
		}
		rest = nil
		switch {
		case end:
			c.lastWritten()
			return
		case errors.Is(err, hub.ErrClosed):
			c.close(parley.CodeDraining, "the server is going away")
			c.hurry()
		case err != nil:
			if !c.hurry() {
				c.pause()
			}
			again = true
		}
		if c.unclaim(again || wait) {
			return
		}
	}
}

// untilFresh waits until it is known what has been revoked. It reports false where
// the Conn ends before that: it is told nothing more.
func (c *Conn) untilFresh() bool {
	for !c.srv.fresh() {
		if c.hurry() || c.srv.ctx.Err() != nil {
			return false
		}
		c.pause()
	}
	return true
}

// hurry has a Conn that closes do so now, without what cannot be read for it. It
// reports false where the Conn does not close.
func (c *Conn) hurry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		return false
	}
	c.closing.by = time.Time{}
	return true
}

// writeOut makes one write to the socket within its deadline.
func (c *Conn) writeOut(p []byte) bool {
	c.mu.Lock()
	deadline := time.Now().Add(c.srv.cfg.Limits.WriteTimeout)
	if c.closing != nil {
		deadline = time.Now().Add(closeTimeout)
	}
	_ = c.nc.SetWriteDeadline(deadline) // under mu, as in shut: the later one to decide is right
	c.blocked = c.raw != nil
	c.mu.Unlock()
	_, err := c.nc.Write(p)
	c.mu.Lock()
	c.blocked = false
	if c.raw != nil && c.closing == nil && err == nil {
		_ = c.nc.SetWriteDeadline(time.Time{}) // those who do not wait set none
	}
	c.mu.Unlock()
	if err != nil {
		c.cut(err)
		return false
	}
	c.srv.Writes.Add(1)
	return true
}

// buffers are for writers that wait, each holding one meanwhile. What is gathered
// beyond one is copied once more.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// direct makes writes that do not wait. One goroutine uses it at a time.
type direct struct {
	buf []byte // empty, with room for what is gathered

	p   []byte
	n   int
	err error
	// loud has the runtime told of the next write: once for many of them.
	loud bool
	// try is what a socket calls with its descriptor: made once, because a closure
	// for each write would be most of what a write allocates.
	try func(fd uintptr)
}

func newDirect() *direct {
	d := &direct{buf: make([]byte, 0, 128<<10)}
	d.try = func(fd uintptr) {
		for {
			if d.loud {
				d.n, d.err = syscall.Write(int(fd), d.p)
			} else {
				d.n, d.err = quietWrite(fd, d.p)
			}
			if d.err != syscall.EINTR {
				return
			}
		}
	}
	return d
}

// send writes as much of p as the socket takes now. left is how much it did not.
// It does not go by the runtime's poller, which has to be asked for each write:
// nothing is waited for, and a Conn has one writer.
func (d *direct) send(c *Conn, p []byte) (left int, err error) {
	d.p, d.n, d.err = p, 0, nil
	err = c.raw.Control(d.try)
	d.p, d.loud = nil, false
	switch {
	case err != nil:
		return 0, err
	case d.err != nil && d.err != syscall.EAGAIN:
		return 0, d.err
	}
	return len(p) - max(d.n, 0), nil
}

// rawOf returns a connection's way past the runtime's poller; nil where it has
// none, or where bytes are not sent as they are (TLS).
func rawOf(nc net.Conn) syscall.RawConn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func (s *Server) fresh() bool { return s.cfg.Fresh == nil || s.cfg.Fresh() }

// park has a Conn woken once Fresh holds again. What it is owed stays owed; its
// writer, which calls this, may end. One goroutine looks for all that wait.
func (s *Server) park(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked == nil {
		s.parked = map[*Conn]struct{}{}
		s.cfg.Logger.Warn("nothing is told until it is known again what was revoked")
		s.wg.Add(1) // not from zero: the caller is counted
		go s.unpark()
	}
	s.parked[c] = struct{}{}
}

// unpark waits until Fresh holds and wakes all that are parked.
func (s *Server) unpark() {
	defer s.wg.Done()
	ticker := time.NewTicker(storePause)
	defer ticker.Stop()
	for !s.fresh() {
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return
		}
	}
	s.mu.Lock()
	parked := s.parked
	s.parked = nil
	s.mu.Unlock()
	s.cfg.Logger.Info("it is known again what was revoked")
	for c := range parked {
		c.Wake()
	}
}

// pause waits before what the store could not give is asked for again.
func (c *Conn) pause() {
	select {
	case <-time.After(storePause):
	case <-c.srv.ctx.Done():
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// discard reads until the peer has nothing more to say, an error or limit bytes.
func discard(r io.Reader, limit int) { _, _ = io.Copy(io.Discard, io.LimitReader(r, int64(limit))) }
