package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// surface is what a door says of the Conns that come through it.
type surface struct {
	// dialect speaks; nil until the first frame on the shared path /ws has shown
	// which one (contracts.md section 6).
	dialect parley.Dialect
	// echoSelf tells a Conn what it sent itself; the bot surface does not.
	echoSelf bool
	// idles closes a Conn without subscription or data frame (C8).
	idles bool
	// acks carry cursors even for clients that never named one.
	acks bool
	// posts: a message sent over the Conn subscribes it to the conversation.
	posts bool
}

// Conn is one live socket.
type Conn struct {
	srv  *Server
	nc   net.Conn
	id   string
	addr netip.Addr
	read reader
	// surface is owned by the reading goroutine.
	surface surface

	listener  atomic.Pointer[hub.Listener]
	principal atomic.Pointer[parley.Principal]
	dialectID atomic.Int32 // of the hub, for replies before a listener is there

	// Named at the upgrade, or with a first-frame token.
	cursor    string
	hasCursor bool

	mu       sync.Mutex
	control  []byte // framed; goes out before anything else
	flushing bool
	woken    bool
	closing  *closing
	timer    *time.Timer
	ended    bool
	clock    clock

	slots []func() // give back what the limits count
}

// closing is why and how a Conn ends.
type closing struct {
	code   parley.CloseCode
	reason string
}

// clock is when what is due. Zero times are not. Under mu.
type clock struct {
	auth    time.Time // first-frame authentication
	resume  time.Time
	ping    time.Time
	pong    time.Time
	idle    time.Time
	cursor  time.Time
	warn    time.Time
	expires time.Time
}

func (c *clock) next() time.Time {
	var next time.Time
	for _, t := range [...]time.Time{c.auth, c.resume, c.ping, c.pong, c.idle, c.cursor, c.warn, c.expires} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// due reports whether a time has come, and takes it off.
func due(t *time.Time, now time.Time) bool {
	if t.IsZero() || now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

// serve reads until the socket ends. It owns the Conn's goroutine.
func (c *Conn) serve() {
	defer c.end()
	for {
		m, err := c.read.next()
		if err != nil {
			c.readFailed(err)
			return
		}
		switch {
		case m.op == ws.OpPing:
			c.sendControl(appendFrame(nil, ws.OpPong, m.payload))
		case m.op == ws.OpPong:
			c.ponged()
		case m.op == ws.OpClose:
			c.closeEcho(m.payload)
			return
		default:
			c.heard()
			c.take(m)
		}
	}
}

// readFailed answers what the reader could not read with a close code, where the
// client is still there to hear it.
func (c *Conn) readFailed(err error) {
	switch {
	case errors.Is(err, errProtocol), errors.Is(err, ws.ErrHeaderLengthUnexpected), errors.Is(err, ws.ErrHeaderLengthMSB):
		c.closeNow(closing{1002, "protocol error"})
	case errors.Is(err, errUTF8):
		c.closeNow(closing{1007, "text frames must be UTF-8"})
	case errors.Is(err, errTooBig):
		c.closeNow(closing{1009, "message too large"})
	}
}

// take acts on one data message.
func (c *Conn) take(m message) {
	if m.tooLarge {
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeTooLarge, "a frame may have at most %d bytes", c.srv.cfg.Limits.FrameBytes)})
		return
	}
	if m.op != ws.OpText {
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeInvalidFormat, "only text frames are understood")})
		return
	}
	if c.surface.dialect == nil && !c.decide(m.payload) {
		return
	}
	cmd, err := c.surface.dialect.Decode(m.payload)
	if err != nil {
		c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
		return
	}
	ctx, cancel := context.WithTimeout(c.srv.ctx, commandTimeout)
	defer cancel()
	c.act(ctx, cmd)
}

const (
	commandTimeout = 15 * time.Second
	closeTimeout   = time.Second
	storePause     = 100 * time.Millisecond
)

// fail answers a command that failed. An authentication failure closes the Conn
// after its frame (contracts.md section 10: only AUTH_FAILED closes).
func (c *Conn) fail(f parley.Failure) {
	if f.Err.Code == parley.CodeInternal || f.Err.Code == parley.CodeUnavailable {
		c.srv.cfg.Logger.Error("a command failed", "conn", c.id, "command", fmt.Sprintf("%T", f.Command), "error", f.Err)
	}
	c.say(f)
	if f.Err.Code == parley.CodeUnauthenticated {
		c.close(f.Err.Code, "authentication failed")
	}
}

// say owes the client a reply.
func (c *Conn) say(r parley.Reply) {
	if l := c.listener.Load(); l != nil {
		l.Say(r)
		return
	}
	c.sendControl(c.srv.cfg.Hub.AppendReply(nil, int(c.dialectID.Load()), r))
}

func (c *Conn) sendControl(frames []byte) {
	if len(frames) == 0 {
		return
	}
	c.mu.Lock()
	// A client that pings without reading is not answered without bound.
	if len(c.control) < maxControl {
		c.control = append(c.control, frames...)
	}
	c.mu.Unlock()
	c.wake()
}

const maxControl = 64 << 10

// wake starts a writer if none runs.
func (c *Conn) wake() {
	c.mu.Lock()
	c.woken = true
	start := !c.flushing && !c.ended
	if start {
		c.flushing = true
		c.srv.wg.Add(1)
	}
	c.mu.Unlock()
	if start {
		go c.flush()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// flush writes what is owed until nothing is.
func (c *Conn) flush() {
	defer c.srv.wg.Done()
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 256<<10 {
			buffers.Put(buf)
		}
	}()
	for {
		again, ok := c.flushOnce(buf)
		if !ok {
			return
		}
		if again {
			continue
		}
		c.mu.Lock()
		if !c.woken {
			c.flushing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// flushOnce makes one write. again says that there is more; ok is false once the
// Conn is closed for writing: flushing then stays set, so that nobody writes any
// more.
func (c *Conn) flushOnce(buf *[]byte) (again, ok bool) {
	c.mu.Lock()
	c.woken = false
	out := append((*buf)[:0], c.control...)
	c.control = nil
	end := c.closing
	c.mu.Unlock()
	var err error
	if l := c.listener.Load(); l != nil {
		out, again, err = l.Next(c.srv.ctx, out)
	}
	*buf = out[:0]
	if end != nil {
		out = appendFrame(out, ws.OpClose, closePayload(end))
	}
	if len(out) > 0 && !c.write(out, end != nil) {
		return false, false
	}
	switch {
	case end != nil:
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

// pause waits before what the store could not give is asked for again.
func (c *Conn) pause() {
	select {
	case <-time.After(storePause):
	case <-c.srv.ctx.Done():
	}
}

// write makes one write to the socket within its deadline. A client that does
// not take it in time is cut off: it comes back with its cursor.
func (c *Conn) write(p []byte, last bool) bool {
	timeout := c.srv.cfg.Limits.WriteTimeout
	if last {
		timeout = closeTimeout
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := c.nc.Write(p); err != nil {
		if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
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
	return errors.As(err, &ne) && ne.Timeout()
}

// close ends the Conn after what is owed now has been written.
func (c *Conn) close(code parley.Code, reason string) {
	c.closeNow(closing{code.Spec().Close, reason})
}

func (c *Conn) closeNow(how closing) {
	c.mu.Lock()
	if c.closing == nil {
		c.closing = &how
	}
	c.mu.Unlock()
	c.wake()
}

// closeEcho answers a client's close frame with its own code.
func (c *Conn) closeEcho(payload []byte) {
	how := closing{code: 1000}
	if len(payload) >= 2 {
		how.code = parley.CloseCode(binary.BigEndian.Uint16(payload))
		if !ws.StatusCode(how.code).IsProtocolDefined() && how.code < 3000 || how.code == 1005 || how.code == 1006 || how.code == 1015 || how.code > 4999 {
			how.code = 1002
		}
	} else if len(payload) == 1 {
		how.code = 1002
	}
	c.closeNow(how)
}

func closePayload(how *closing) []byte {
	p := binary.BigEndian.AppendUint16(nil, uint16(how.code))
	return append(p, how.reason[:min(len(how.reason), 120)]...)
}

// end lets go of everything the Conn holds. The writer may still be at work on
// the close frame: it is given its time first.
func (c *Conn) end() {
	c.awaitClose()
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	_ = c.nc.Close()
	if l := c.listener.Load(); l != nil {
		l.Detach()
	}
	for _, release := range c.slots {
		release()
	}
	c.srv.forget(c)
}

// awaitClose reads on, without acting, until the peer closes or the time for it
// is over, where a close frame of ours is on its way.
func (c *Conn) awaitClose() {
	c.mu.Lock()
	waiting := c.closing != nil
	c.mu.Unlock()
	if !waiting {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout))
	_, _ = io.Copy(io.Discard, c.nc)
}
