package conn

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// wake starts a writer if none runs. It may be called under a hub's locks.
func (c *Conn) wake() {
	c.mu.Lock()
	c.woken = true
	start := !c.flushing && !c.mute
	if start {
		c.flushing = true
		// Never from zero: the reader, which has not ended, is counted.
		c.srv.wg.Add(1)
	}
	c.mu.Unlock()
	if start {
		go c.flush()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// maxPooled is the largest buffer that is kept for the next writer, in bytes.
const maxPooled = 256 << 10

// flush writes what is owed until nothing is.
func (c *Conn) flush() {
	defer c.srv.wg.Done()
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooled {
			buffers.Put(buf)
		}
	}()
	for {
		again, ok := c.flushOnce(buf)
		c.mu.Lock()
		c.makeRoom()
		if !ok {
			// flushing stays set: nobody writes any more.
			c.mute = true
			c.closing.done()
			c.mu.Unlock()
			return
		}
		if !again && !c.woken {
			c.flushing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// flushOnce makes one write. again says that there is more; ok is false once
// nothing may be written any more. While it is not known what was revoked only
// control frames go out, and a Conn that closes does so without what it is owed:
// its client comes back with its cursor.
func (c *Conn) flushOnce(buf *[]byte) (again, ok bool) {
	c.mu.Lock()
	if c.mute {
		c.mu.Unlock()
		return false, false
	}
	c.woken = false
	out := append((*buf)[:0], c.control...)
	c.control = nil
	end := c.closing
	c.mu.Unlock()
	var err error
	l := c.listener.Load()
	stale := l != nil && !c.srv.fresh()
	switch {
	case stale && end == nil:
		c.srv.park(c)
	case l != nil && !stale:
		out, again, err = l.Next(c.srv.ctx, out)
	}
	*buf = out[:0]
	last := end != nil && (!again || err != nil || !time.Now().Before(end.by))
	if last {
		out = appendClose(out, end.code, end.reason)
	}
	if len(out) > 0 && !c.write(out) {
		return false, false
	}
	switch {
	case last:
		// The peer's close, or this deadline, ends the reader.
		_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout))
		return false, false
	case errors.Is(err, hub.ErrClosed):
		c.close(parley.CodeDraining, "the server is going away")
	case err != nil:
		c.pause()
		again = true
	}
	return again, true
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
		c.wake()
	}
}

// pause waits before what the store could not give is asked for again.
func (c *Conn) pause() {
	select {
	case <-time.After(storePause):
	case <-c.srv.ctx.Done():
	}
}

// write makes one write to the socket within its deadline. A client that does
// not take it in time is cut off: it comes back with its cursor.
func (c *Conn) write(p []byte) bool {
	c.mu.Lock()
	deadline := time.Now().Add(c.srv.cfg.Limits.WriteTimeout)
	if c.closing != nil {
		deadline = time.Now().Add(closeTimeout)
	}
	_ = c.nc.SetWriteDeadline(deadline) // under mu, as in shut: the later one to decide is right
	c.mu.Unlock()
	if _, err := c.nc.Write(p); err != nil {
		if isTimeout(err) {
			c.srv.Slow.Add(1)
		}
		_ = c.nc.Close()
		return false
	}
	c.srv.Writes.Add(1)
	return true
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// discard reads until the peer has nothing more to say, an error or limit bytes.
func discard(r io.Reader, limit int) { _, _ = io.Copy(io.Discard, io.LimitReader(r, int64(limit))) }
