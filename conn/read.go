package conn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// Errors of the reader that end the Conn with a close code.
var (
	errProtocol = errors.New("protocol error")
	errUTF8     = errors.New("text is not UTF-8")
	errTooBig   = errors.New("message is far over the limit")
)

const (
	// maxControlPayload bounds a control frame (RFC 6455, 5.5).
	maxControlPayload = 125
	// maxFragments bounds the frames of one message, empty ones too: at the default
	// limit a message may come in pieces of 16 bytes.
	maxFragments = 4096
	// payloadStep is how much room is made for a payload before its bytes are there:
	// a length that is only declared costs no more.
	payloadStep = 4096
)

// message is what the reader returns: a whole data message, or a control frame.
type message struct {
	op ws.OpCode
	// payload of a data message is the caller's; that of a control frame is valid
	// until the reader rises.
	payload []byte
	// tooLarge says that the message was over the limit and was drained.
	tooLarge bool
}

// reader reads WebSocket messages from a client. While it waits for the first
// byte of a frame it holds no buffer: that is what an idle Conn costs.
type reader struct {
	limits *parley.Limits // FrameBytes and DrainBytes
	// ahead was read already: with the handshake, or when a frame woke the reader.
	ahead  []byte
	*desk             // nil while waiting
	part   *fragments // nil between messages
	first  [14]byte   // the longest header, or a whole pong
	looked int8       // what look read into first; -1 for an error
	errno  uint8      // which one
}

// desk is what a reader needs while there is something to read.
type desk struct {
	br      *bufio.Reader
	from    source           // of br
	glance  func(fd uintptr) // reads what is there already into p
	p       []byte
	n       int
	err     error
	scratch [maxControlPayload]byte // a frame's header, then a control frame's payload
}

// fragments is a data message whose end has not come yet.
type fragments struct {
	tooLarge bool
	op       ws.OpCode
	frames   int
	size     int    // bytes of payload, drained ones too
	payload  []byte // nil once it is too large
	valid    int    // bytes of a text that are known to be whole runes
}

var desks = sync.Pool{New: func() any {
	d := &desk{br: bufio.NewReaderSize(nil, 4096)}
	d.glance = func(fd uintptr) { d.n, d.err = quietRead(fd, d.p) }
	return d
}}

// frame reads one frame. whole is false for a fragment that does not end its
// message; else m is a data message or a control frame. After an error it must
// not be called again.
func (r *reader) frame(nc net.Conn, raw syscall.RawConn) (m message, whole bool, err error) {
	r.sit(nc, raw)
	h, err := ws.ReadHeaderBuffer(r.br, r.scratch[:0])
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB), errors.Is(err, ws.ErrHeaderLengthUnexpected):
		return message{}, false, fmt.Errorf("%w: %w", errProtocol, err)
	case err != nil:
		return message{}, false, err
	case !h.Masked || h.Rsv != 0:
		return message{}, false, errProtocol
	case h.OpCode.IsControl():
		return r.control(h)
	}
	if err := r.data(h); err != nil || !h.Fin {
		return message{}, false, err
	}
	f := r.part
	r.part = nil
	return message{op: f.op, payload: f.payload, tooLarge: f.tooLarge}, true, nil
}

// control reads a control frame, which may come between the fragments of a
// message.
func (r *reader) control(h ws.Header) (message, bool, error) {
	if !h.Fin || h.Length > maxControlPayload || h.OpCode > ws.OpPong {
		return message{}, false, errProtocol
	}
	payload := r.scratch[:h.Length]
	if _, err := io.ReadFull(r.br, payload); err != nil {
		return message{}, false, err
	}
	ws.Cipher(payload, h.Mask, 0)
	return message{op: h.OpCode, payload: payload}, true, nil
}

// data adds a data frame to the message it belongs to.
func (r *reader) data(h ws.Header) error {
	switch {
	case h.OpCode > ws.OpBinary, (h.OpCode == ws.OpContinuation) != (r.part != nil):
		return errProtocol
	case r.part == nil:
		r.part = &fragments{op: h.OpCode}
	}
	f := r.part
	if f.frames++; f.frames > maxFragments {
		return errTooBig
	}
	// The declared length is looked at before anything is allocated.
	if h.Length > int64(r.limits.FrameBytes-f.size) {
		f.tooLarge, f.payload = true, nil
	}
	if !f.tooLarge {
		return r.fill(h)
	}
	if h.Length > int64(r.limits.DrainBytes-f.size) {
		return errTooBig
	}
	f.size += int(h.Length)
	_, err := r.br.Discard(int(h.Length))
	return err
}

// fill reads a frame's payload as its bytes come. A text that cannot become
// UTF-8 any more is refused at the byte that shows it.
func (r *reader) fill(h ws.Header) error {
	f := r.part
	for done := 0; done < int(h.Length); {
		step := min(int(h.Length)-done, payloadStep)
		f.payload = slices.Grow(f.payload, step)
		n, err := r.br.Read(f.payload[f.size : f.size+step])
		if n == 0 && err != nil {
			return err
		}
		ws.Cipher(f.payload[f.size:f.size+n], h.Mask, done)
		done, f.size = done+n, f.size+n
		f.payload = f.payload[:f.size]
		if f.op == ws.OpText && !f.text() {
			return errUTF8
		}
	}
	if h.Fin && f.op == ws.OpText && f.valid < f.size {
		return errUTF8
	}
	return nil
}

// text reports whether the payload is UTF-8, or can still become it. What was
// found valid is not looked at again.
func (f *fragments) text() bool {
	rest := f.payload[f.valid:]
	if utf8.Valid(rest) {
		f.valid = f.size
		return true
	}
	for cut := 1; cut < utf8.UTFMax && cut <= len(rest); cut++ {
		whole, tail := rest[:len(rest)-cut], rest[len(rest)-cut:]
		if utf8.RuneStart(tail[0]) {
			f.valid += len(whole)
			return !utf8.FullRune(tail) && utf8.Valid(whole)
		}
	}
	return false
}

// await blocks until a frame has begun, without a buffer. raw is the way past the
// runtime's poller, nil for none; look as begin has it.
func (r *reader) await(nc net.Conn, raw syscall.RawConn, look func(fd uintptr) bool) error {
	if !r.idle() {
		return nil
	}
	for {
		n, err := r.begin(nc, raw, look)
		if n > 0 {
			r.ahead = r.first[:n]
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// begin reads the first bytes of a frame, once they are there. look is the
// reader's, or nil where raw is.
func (r *reader) begin(nc net.Conn, raw syscall.RawConn, look func(fd uintptr) bool) (n int, err error) {
	if raw == nil {
		return nc.Read(r.first[:])
	}
	if err := raw.Read(look); err != nil {
		return 0, err
	}
	switch {
	case r.looked < 0:
		return 0, syscall.Errno(r.errno)
	case r.looked == 0:
		return 0, io.EOF
	}
	return int(r.looked), nil
}

// look reads into first what has come; it reports false where that is nothing.
func (r *reader) look(fd uintptr) bool {
	for {
		n, err := quietRead(fd, r.first[:])
		errno, _ := err.(syscall.Errno)
		switch errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			r.looked, r.errno = int8(n), uint8(errno)
			return true
		}
	}
}

// idle reports whether the reader would have to wait for the next frame, or the
// rest of it.
func (r *reader) idle() bool { return r.desk == nil && len(r.ahead) == 0 }

// sit takes a buffer for a frame.
func (r *reader) sit(nc net.Conn, raw syscall.RawConn) {
	if r.desk == nil {
		r.desk = desks.Get().(*desk)
		r.from = source{r, nc, raw}
		r.br.Reset(&r.from)
	}
}

// rise gives the buffer back where it holds nothing. It is called between frames.
func (r *reader) rise() {
	if d := r.desk; d != nil && d.br.Buffered() == 0 && len(r.ahead) == 0 {
		d.from = source{}
		d.br.Reset(nil)
		desks.Put(d)
		r.desk = nil
	}
}

// source is what a reader reads from: what is ahead, then the socket.
type source struct {
	r   *reader
	nc  net.Conn
	raw syscall.RawConn // nil for none
}

func (s *source) Read(p []byte) (int, error) {
	r := s.r
	if len(r.ahead) == 0 {
		return r.desk.read(s.nc, s.raw, p)
	}
	n := copy(p, r.ahead)
	if r.ahead = r.ahead[n:]; len(r.ahead) == 0 {
		r.ahead = nil
	}
	return n, nil
}

// read reads what is there already, or else waits for it.
func (d *desk) read(nc net.Conn, raw syscall.RawConn, p []byte) (int, error) {
	if raw != nil && len(p) > 0 {
		d.p = p
		err := raw.Control(d.glance)
		d.p = nil
		if err == nil && d.err == nil && d.n > 0 {
			return d.n, nil
		}
	}
	return nc.Read(p) // which says what is wrong, too
}
