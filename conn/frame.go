package conn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// AppendText appends payload to dst as one unmasked WebSocket text frame. It is
// the Frame of a hub.Config.
func AppendText(dst, payload []byte) []byte { return appendFrame(dst, ws.OpText, payload) }

func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = append(dst, 126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return append(dst, payload...)
}

// Errors of the reader that end the Conn with a close code.
var (
	errProtocol = errors.New("protocol error")
	errUTF8     = errors.New("text is not UTF-8")
	errTooBig   = errors.New("message is far over the limit")
)

// message is what the reader returns: a whole data message, or a control frame.
type message struct {
	op      ws.OpCode
	payload []byte // valid until the next call
	// tooLarge says that it was over the limit and was drained.
	tooLarge bool
}

// reader reads WebSocket messages from a client. While it waits for the first
// byte of a frame it holds no buffer: that is what an idle Conn costs.
type reader struct {
	nc     net.Conn
	ahead  []byte // bytes that came with the handshake
	limit  int    // bytes of one message
	drain  int    // bytes of a message that is too large
	header [2]byte

	br       *bufio.Reader // nil while waiting
	src      io.Reader
	fragment fragments
	control  [125]byte
}

// fragments is a data message whose end has not come yet.
type fragments struct {
	open     bool
	op       ws.OpCode
	payload  []byte
	drained  int
	tooLarge bool
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// next returns the next message or control frame.
func (r *reader) next() (message, error) {
	for {
		m, whole, err := r.frame()
		if err != nil || whole {
			return m, err
		}
	}
}

// frame reads one frame; whole is false for a fragment that does not end its
// message.
func (r *reader) frame() (m message, whole bool, err error) {
	if err := r.await(); err != nil {
		return message{}, false, err
	}
	defer r.release()
	h, err := ws.ReadHeader(r.src)
	if err != nil {
		return message{}, false, err
	}
	if !h.Masked || h.Rsv != 0 || h.Length < 0 {
		return message{}, false, errProtocol
	}
	if h.OpCode.IsControl() {
		if !h.Fin || h.Length > 125 || h.OpCode > ws.OpPong {
			return message{}, false, errProtocol
		}
		payload := r.control[:h.Length]
		if _, err := io.ReadFull(r.src, payload); err != nil {
			return message{}, false, err
		}
		ws.Cipher(payload, h.Mask, 0)
		return message{op: h.OpCode, payload: payload}, true, nil
	}
	if err := r.data(h); err != nil || !h.Fin {
		return message{}, false, err
	}
	return r.finish()
}

// data adds a data frame to the message it belongs to.
func (r *reader) data(h ws.Header) error {
	f := &r.fragment
	switch {
	case h.OpCode == ws.OpContinuation && !f.open, h.OpCode != ws.OpContinuation && f.open, h.OpCode > ws.OpBinary:
		return errProtocol
	case !f.open:
		*f = fragments{open: true, op: h.OpCode}
	}
	// The declared length is looked at before anything is allocated.
	if f.tooLarge = f.tooLarge || h.Length > int64(r.limit-len(f.payload)); f.tooLarge {
		if h.Length > int64(r.drain-f.drained-len(f.payload)) {
			return errTooBig
		}
		f.drained += int(h.Length)
		_, err := io.CopyN(io.Discard, r.src, h.Length)
		return err
	}
	start := len(f.payload)
	f.payload = append(f.payload, make([]byte, h.Length)...)
	if _, err := io.ReadFull(r.src, f.payload[start:]); err != nil {
		return err
	}
	ws.Cipher(f.payload[start:], h.Mask, 0)
	if f.op == ws.OpText && !validPrefix(f.payload, h.Fin) {
		return errUTF8
	}
	return nil
}

// validPrefix reports whether text is UTF-8, or, where more is to come, can still
// become it: a wrong byte is refused as soon as it is there. What earlier
// fragments brought is looked at again, which costs little at 64 KiB.
func validPrefix(text []byte, whole bool) bool {
	if utf8.Valid(text) {
		return true
	}
	if whole {
		return false
	}
	for cut := 1; cut < utf8.UTFMax && cut <= len(text); cut++ {
		tail := text[len(text)-cut:]
		if utf8.RuneStart(tail[0]) {
			return !utf8.FullRune(tail) && utf8.Valid(text[:len(text)-cut])
		}
	}
	return false
}

func (r *reader) finish() (message, bool, error) {
	f := &r.fragment
	m := message{op: f.op, payload: f.payload, tooLarge: f.tooLarge}
	*f = fragments{}
	return m, true, nil
}

// await blocks until a frame begins, without a buffer, and then takes one.
func (r *reader) await() error {
	if r.br != nil {
		return nil
	}
	var first io.Reader
	if len(r.ahead) > 0 {
		first = &aheadReader{r: r}
	} else {
		// Two bytes are the shortest beginning of a frame.
		if _, err := io.ReadFull(r.nc, r.header[:]); err != nil {
			return err
		}
		first = &headReader{r: r}
	}
	r.br = readers.Get().(*bufio.Reader)
	r.br.Reset(r.nc)
	r.src = io.MultiReader(first, r.br)
	return nil
}

// release gives the buffer back where it holds nothing.
func (r *reader) release() {
	if r.br == nil || r.br.Buffered() > 0 || len(r.ahead) > 0 {
		return
	}
	r.br.Reset(nil)
	readers.Put(r.br)
	r.br, r.src = nil, nil
}

// headReader reads the two bytes that woke the reader.
type headReader struct {
	r *reader
	n int
}

func (h *headReader) Read(p []byte) (int, error) {
	if h.n == len(h.r.header) {
		return 0, io.EOF
	}
	n := copy(p, h.r.header[h.n:])
	h.n += n
	return n, nil
}

// aheadReader reads what came with the handshake.
type aheadReader struct{ r *reader }

func (a *aheadReader) Read(p []byte) (int, error) {
	if len(a.r.ahead) == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.r.ahead)
	if a.r.ahead = a.r.ahead[n:]; len(a.r.ahead) == 0 {
		a.r.ahead = nil
	}
	return n, nil
}
