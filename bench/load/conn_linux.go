package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is one connection of a Loop. Only the loop's goroutine may touch it.
type Conn struct {
	Dial  *Dial
	Order Order // of the one topic it hears
	// Orders are those of the topics of one that hears several.
	Orders map[uint16]*Order
	// Said is the beginning of the latest payload in which no message was found:
	// often the reason of a failure.
	Said []byte
	// Others is how many payloads came in which no message was found.
	Others int
	// Cursor is the latest place that the server named, where Scan.Cursor asks for
	// it.
	Cursor string
	// Took is how long it was from the beginning of the connection until it was
	// ready.
	Took time.Duration

	fd    int
	state state
	step  int
	began int64 // when the connection was begun, on the loop's clock
	rest  []byte
	frag  []byte // of a message in several frames
	out   []byte
	armed bool // epoll tells when it can be written to
	dirty bool // listed for flush
	err   error
	tls   *secured

	waiting int   // HTTP: requests without an answer yet
	sentAt  int64 // HTTP: when the last request was sent
	due     int64 // slow: when it reads again
}

type state uint8

const (
	connecting state = iota
	upgrading
	stepping
	ready
	closed
)

// Ready reports whether the connection is up and has gone through its steps.
func (c *Conn) Ready() bool { return c.state == ready }

// Err says why the connection is closed; nil while it is not.
func (c *Conn) Err() error { return c.err }

var errHangUp = errors.New("the server closed the connection")

// take handles all that is whole in b and returns how much that was.
func (l *Loop) take(c *Conn, b []byte) (int, error) {
	used := 0
	for used < len(b) && c.state != closed {
		var n int
		var err error
		switch {
		case c.state == upgrading:
			n, err = l.takeUpgrade(c, b[used:])
		case c.Dial.Request == nil:
			n, err = l.takeAnswer(c, b[used:])
		default:
			n, err = l.takeFrames(c, b[used:])
		}
		used += n
		if err != nil || n == 0 {
			return used, err
		}
	}
	return used, nil
}

func (l *Loop) takeUpgrade(c *Conn, b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 101")) {
		return 0, fmt.Errorf("the upgrade was refused: %.300q", b)
	}
	c.state = stepping
	l.nextStep(c)
	return end + 4, nil
}

// nextStep says what is to be said now and waits, or is ready.
func (l *Loop) nextStep(c *Conn) {
	for ; c.step < len(c.Dial.Steps); c.step++ {
		s := &c.Dial.Steps[c.step]
		if s.Send != nil {
			l.send(c, c.Dial.Opcode, s.Send)
		}
		if s.Expect != "" {
			return
		}
	}
	l.nowReady(c)
}

func (l *Loop) nowReady(c *Conn) {
	c.state, c.Took = ready, time.Duration(l.Now()-c.began)
	l.readied++
	if c.Dial.Slow > 0 {
		l.slow = append(l.slow, c)
		l.arm(c)
	}
}

// takeAnswer handles one HTTP response that has a Content-Length.
func (l *Loop) takeAnswer(c *Conn, b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	head := b[:end+2]
	length, err := contentLength(head)
	if err != nil {
		return 0, err
	}
	if whole := end + 4 + length; len(b) >= whole {
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 2")) {
			return 0, fmt.Errorf("a request was refused: %.400q", b[:whole])
		}
		c.waiting--
		l.answered(c)
		return whole, nil
	}
	return 0, nil
}

func contentLength(head []byte) (int, error) {
	const name = "\r\nContent-Length: "
	at := bytes.Index(head, []byte(name))
	if at < 0 {
		return 0, fmt.Errorf("an answer without Content-Length: %.300q", head)
	}
	digits := head[at+len(name):]
	digits = digits[:bytes.IndexByte(digits, '\r')]
	return strconv.Atoi(string(digits))
}

// takeFrames handles the frames that are whole.
func (l *Loop) takeFrames(c *Conn, b []byte) (int, error) {
	used := 0
	for c.state != closed {
		h, ok, err := parseHeader(b[used:])
		if err != nil {
			return used, err
		}
		size := h.head + h.length
		if !ok || used+size > len(b) {
			return used, nil
		}
		payload := b[used+h.head : used+size]
		used += size
		if err := l.frame(c, h, payload); err != nil {
			return used, err
		}
	}
	return used, nil
}

func (l *Loop) frame(c *Conn, h header, payload []byte) error {
	l.count.Frames++
	switch h.opcode {
	case OpPing:
		l.send(c, OpPong, payload)
		return nil
	case OpPong:
		return nil
	case OpClose:
		return fmt.Errorf("%w: %s", errHangUp, closeReason(payload))
	}
	if !h.final || h.opcode == OpContinuation {
		c.frag = append(c.frag, payload...)
		if !h.final {
			return nil
		}
		payload = c.frag
		c.frag = c.frag[len(c.frag):]
	}
	l.payload(c, payload)
	return nil
}

func closeReason(payload []byte) string {
	if len(payload) < 2 {
		return "no close code"
	}
	return fmt.Sprintf("close code %d %q", int(payload[0])<<8|int(payload[1]), payload[2:])
}

// payload looks for messages, and for what the connection waits for.
func (l *Loop) payload(c *Conn, b []byte) {
	if l.scan.Cursor != nil {
		c.noteCursor(b, l.scan.Cursor)
	}
	if l.scan.Key != nil && c.Dial.Topic >= 0 {
		if seq, ok := l.scan.keyed(b); ok {
			t := &l.topics[c.Dial.Topic]
			l.deliver(c, Mark{uint16(c.Dial.Topic), seq, uint64(t.at[seq&t.mask])})
			return
		}
	}
	at, m, plain := l.scan.next(b, -1)
	if at < 0 {
		l.other(c, b)
		return
	}
	for at >= 0 {
		l.deliver(c, m)
		var known bool
		at, m, known = l.scan.next(b, at)
		plain = plain && known
	}
	if !plain && l.scan.KeepAlive != nil {
		if answer := l.scan.KeepAlive(b); answer != nil {
			l.send(c, c.Dial.Opcode, answer)
		}
	}
}

// other handles a payload without a message.
func (l *Loop) other(c *Conn, b []byte) {
	if l.scan.KeepAlive != nil {
		if answer := l.scan.KeepAlive(b); answer != nil {
			l.send(c, c.Dial.Opcode, answer)
		}
	}
	c.Others++
	c.Said = append(c.Said[:0], b[:min(len(b), 300)]...)
	if c.state == stepping && bytes.Contains(b, []byte(c.Dial.Steps[c.step].Expect)) {
		c.step++
		l.nextStep(c)
	}
}

// noteCursor keeps what follows key up to the next quotation mark.
func (c *Conn) noteCursor(b, key []byte) {
	at := bytes.LastIndex(b, key)
	if at < 0 {
		return
	}
	rest := b[at+len(key):]
	if end := bytes.IndexByte(rest, '"'); end > 0 {
		c.Cursor = string(rest[:end])
	}
}

// deliver notes one message.
func (l *Loop) deliver(c *Conn, m Mark) {
	o := &c.Order
	if int(m.Topic) != c.Dial.Topic {
		if c.Dial.Topic != AnyTopic || int(m.Topic) >= len(l.topics) {
			l.count.Strays++
			return
		}
		if o = c.Orders[m.Topic]; o == nil {
			o = &Order{}
			c.Orders[m.Topic] = o
		}
	}
	if !o.See(m.Seq) {
		return
	}
	l.count.Delivered++
	l.hist.Add(l.now - int64(m.At))
	if c.Dial.Slow > 0 {
		return // nobody waits for it
	}
	t := &l.topics[m.Topic]
	if len(t.left) == 0 {
		return
	}
	slot := &t.left[m.Seq&t.mask]
	if *slot--; *slot == 0 {
		l.inflight--
	}
}

// send queues a frame.
func (l *Loop) send(c *Conn, opcode byte, payload []byte) {
	c.out = AppendFrame(c.out, opcode, payload)
	l.soil(c)
}

// soil lists a connection that has something to send.
func (l *Loop) soil(c *Conn) {
	if !c.dirty {
		c.dirty = true
		l.dirty = append(l.dirty, c)
	}
}

// flush writes what is queued on all connections.
func (l *Loop) flush() {
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		c.dirty = false
		if c.state != closed && c.state != connecting {
			l.write(c)
		}
	}
	l.dirty = l.dirty[:0]
}

func (l *Loop) write(c *Conn) {
	out := &c.out
	if c.tls != nil {
		c.tls.seal(c.out)
		c.out, out = c.out[:0], &c.tls.pipe.out
	}
	for len(*out) > 0 {
		n, errno := rawWrite(c.fd, *out)
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 && errno != unix.EINTR {
			l.drop(c, fmt.Errorf("write: %w", errno))
			return
		}
		*out = (*out)[:copy(*out, (*out)[n:])]
	}
	if c.armed != (len(*out) > 0) {
		c.armed = !c.armed
		l.arm(c)
	}
}
