package conn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// surface is what a door says of the Conns that come through it.
type surface struct {
	dialect parley.Dialect
	// refused is the class of token that may not speak here; empty for none.
	refused parley.TokenClass
	// echoSelf tells a Conn what it sent itself; the bot surface does not.
	echoSelf bool
	// idles closes a Conn without subscription or data frame (C8).
	idles bool
	// acks carry cursors even for clients that never named one.
	acks bool
	// acksAuth acknowledges a token; elsewhere only clients that named a cursor hear
	// of it, because they are to know theirs.
	acksAuth bool
	// posts: a message sent over the Conn subscribes it to the conversation.
	posts bool
}

// Conn is one live socket. Its own goroutine (serve) waits, and has frames read
// and commands carried out by a hand of the Server's (work), one after the other;
// where "the reading goroutine" owns something, that is the two of them. Whoever
// owes the client something wakes a writer, of which there is one at most;
// the Server's wheel minds the clock (tick). end lets go of everything, once.
type Conn struct {
	srv  *Server
	nc   net.Conn        // nil until begin, which sets it under mu
	raw  syscall.RawConn // of nc; nil where writes have to be waited for
	addr netip.Addr
	read reader
	// number is unique within the Server.
	number uint64
	// surface is nil until the first frame on the shared path /ws has shown which one
	// it is (contracts.md section 6). Owned by the reading goroutine.
	surface *surface

	listener  atomic.Pointer[hub.Listener]
	principal atomic.Pointer[parley.Principal]
	dialectID atomic.Int32 // of the hub, for replies before a listener is there
	busy      atomic.Bool  // a frame is being acted on, and nothing is read meanwhile

	// Named at the upgrade, or with a first-frame token. Owned by the reading
	// goroutine.
	cursor    string
	hasCursor bool
	holds     places // of limits; guarded by Server.mu
	ignored   int32  // bytes that came after our close frame
	clientKey string // events surface; empty elsewhere. Set before the Conn is shared.

	// mu is taken under a hub's locks (wake), so nothing is called while it is held.
	mu       sync.Mutex
	control  []byte // framed; goes out before anything else
	flushing bool   // there is a writer
	woken    bool   // and it is to look again
	blocked  bool   // and it waits for the socket
	mute     bool   // nothing is written any more
	ended    bool
	closing  *closing
	room     chan struct{} // closed when the writer has made room; nil where nobody waits
	clock    clock
	place    place // on the Server's wheel, which guards it
}

// id names the Conn among those of all nodes.
func (c *Conn) id() string { return c.srv.cfg.Node + "-" + strconv.FormatUint(c.number, 36) }

// closing is how a Conn ends.
type closing struct {
	code   parley.CloseCode
	reason string
	// by is when the close frame goes out even if more is owed.
	by time.Time
	// written is closed once the writer is done, with or without success.
	written  chan struct{}
	finished bool
}

// done notes that the writer is done. Nil is allowed. Under Conn.mu.
func (c *closing) done() {
	if c != nil && !c.finished {
		c.finished = true
		close(c.written)
	}
}

const (
	commandTimeout = 15 * time.Second
	// closeTimeout bounds each step of a close: writing what is owed, the close
	// frame, and waiting for the client's.
	closeTimeout = 2 * time.Second
	storePause   = 100 * time.Millisecond
	// maxControl bounds the answers to a client that is owed so much that pings go
	// unanswered, in bytes; a frame more may be held.
	maxControl = 64 << 10
	// maxOwed is how many frames a client may be owed before its own are read no
	// further.
	maxOwed = 512
)

// serve waits for what the client says until the socket ends. It is the Conn's
// own goroutine, whose stack stays as small as they come: what is heard, and the
// end, is for the Server's hands.
func (c *Conn) serve() {
	look := c.read.look
	for {
		if err := c.read.await(c.nc, c.raw, look); err != nil {
			c.srv.crew.start(&lost{c, err})
			return
		}
		if !c.srv.crew.run(c) {
			return
		}
	}
}

// lost is a Conn whose socket gave an error instead of a frame.
type lost struct {
	*Conn
	err error
}

func (l *lost) work() bool {
	l.end(l.readFailed(l.err))
	return false
}

// work acts on what the reader awaited. It reports false once the Conn has ended.
func (c *Conn) work() bool {
	on, unread := c.hear()
	if !on {
		c.end(unread)
	}
	return on
}

// hear acts on frames for as long as there are more at hand. on is false where
// there will be none; unread says that the client may have more to say.
func (c *Conn) hear() (on, unread bool) {
	for {
		m, whole, err := c.read.frame(c.nc, c.raw)
		switch {
		case err != nil:
			return false, c.readFailed(err)
		case !whole:
		case m.op == ws.OpClose:
			c.shut(closeAnswer(m.payload), "")
			return false, false
		case c.isClosing():
			// What a client says after our close frame is not acted on.
			if c.ignored += int32(len(m.payload)) + 2; int(c.ignored) > c.srv.cfg.Limits.DrainBytes {
				return false, true
			}
		case m.op == ws.OpPing:
			c.sendControl(appendFrame(nil, ws.OpPong, m.payload))
		case m.op == ws.OpPong:
			c.ponged()
		default:
			c.read.rise() // this may take its time
			c.busy.Store(true)
			c.heard()
			c.yield()
			c.take(m)
			c.busy.Store(false)
		}
		if c.read.rise(); c.read.idle() {
			return true, false
		}
	}
}

// readFailed answers what the reader could not read with a close code. It
// reports whether the client is there, with more to say that is not wanted.
func (c *Conn) readFailed(err error) (unread bool) {
	const protocolError, notUTF8, tooBig = 1002, 1007, 1009
	switch {
	case errors.Is(err, errProtocol):
		c.shut(protocolError, "protocol error")
	case errors.Is(err, errUTF8):
		c.shut(notUTF8, "text frames must be UTF-8")
	case errors.Is(err, errTooBig):
		c.shut(tooBig, "message too large")
	default:
		return false
	}
	return true
}

// take acts on one data message.
func (c *Conn) take(m message) {
	switch {
	case m.tooLarge:
		c.refuseFrame(parley.Errorf(parley.CodeTooLarge, "a frame may have at most %d bytes", c.srv.cfg.Limits.FrameBytes), nil)
		return
	case m.op != ws.OpText:
		c.refuseFrame(parley.Errorf(parley.CodeInvalidFormat, "only text frames are understood"), nil)
		return
	case c.surface == nil && !c.decide(m.payload):
		return
	}
	cmd, err := c.surface.dialect.Decode(m.payload)
	if err != nil {
		c.refuseFrame(err, cmd)
		return
	}
	ctx := patience{parent: c.srv.ctx}
	defer ctx.end()
	c.act(&ctx, cmd)
}

// refuseFrame answers a frame that could not be read. It was a first frame too.
func (c *Conn) refuseFrame(err error, cmd parley.Command) {
	if l := c.listener.Load(); l != nil {
		c.giveUp(l)
	}
	c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
}

// fail answers a command that failed. An authentication failure closes the Conn
// after its frame (contracts.md section 10: only AUTH_FAILED closes).
func (c *Conn) fail(f parley.Failure) {
	if f.Err.Code == parley.CodeInternal || f.Err.Code == parley.CodeUnavailable {
		c.srv.cfg.Logger.Error("a command failed", "conn", c.id(), "command", fmt.Sprintf("%T", f.Command), "error", f.Err)
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
	c.Wake()
}

// yield waits while the client is owed more than it may be: whoever asks without
// reading the answers is not read from either.
func (c *Conn) yield() {
	l := c.listener.Load()
	for l != nil && l.Owed() > maxOwed {
		c.mu.Lock()
		if c.mute || c.closing != nil {
			c.mu.Unlock()
			return
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		if l.Owed() <= maxOwed { // the writer may have come before room was there
			return
		}
		<-room
	}
}

// makeRoom lets a reader go on that yields. Under mu.
func (c *Conn) makeRoom() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// close ends the Conn after what is owed now has been written.
func (c *Conn) close(code parley.Code, reason string) { c.shut(code.Spec().Close, reason) }

// shut ends the Conn with a close frame; the first to say how is the one heard.
func (c *Conn) shut(code parley.CloseCode, reason string) {
	c.mu.Lock()
	if c.closing == nil {
		by := time.Now().Add(closeTimeout)
		c.closing = &closing{code: code, reason: reason, by: by, written: make(chan struct{})}
		if c.mute {
			c.closing.done()
		}
		if c.nc != nil { // a write that is stuck has as long as all the others
			_ = c.nc.SetWriteDeadline(by)
		}
		c.makeRoom()
	}
	c.mu.Unlock()
	c.Wake()
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing != nil
}

// end lets go of everything the Conn holds. unread says that the client may have
// more to say.
func (c *Conn) end(unread bool) {
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	if closing != nil {
		c.lastWords(closing, unread)
	}
	c.mu.Lock()
	c.ended, c.mute = true, true
	c.makeRoom()
	c.mu.Unlock()
	c.abandon()
	c.srv.forget(c)
}

// abandon lets go of a Conn that nobody serves; it may have no socket yet.
func (c *Conn) abandon() {
	if c.nc != nil {
		c.srv.wheel.remove(c)
		_ = c.nc.Close()
	}
	if l := c.listener.Load(); l != nil {
		l.Detach()
	}
	c.srv.release(c)
}

// lastWords gives the writer its time. Where the client has more to say, closing
// at once would take our close frame from it with a reset: it is read on, without
// acting, within bounds.
func (c *Conn) lastWords(closing *closing, unread bool) {
	select {
	case <-closing.written:
	case <-time.After(2 * closeTimeout):
		return
	case <-c.srv.ctx.Done():
		return
	}
	if !unread {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTimeout))
	discard(c.nc, c.srv.cfg.Limits.DrainBytes)
}
