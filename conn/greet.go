package conn

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxHead is the longest request header that a Front reads itself, in bytes; what
// is longer is handed over.
const maxHead = 4096

// greeting is a look at the first request of a connection. It is a job of the
// crew's, and the ResponseWriter and Hijacker of the door that it finds.
type greeting struct {
	front *Front
	tcp   net.Conn // nc, or what that secures
	nc    net.Conn
	n     int // bytes read
	end   int // bytes of the header

	// The answer of a door.
	header http.Header
	status int
	body   []byte
	taken  bool

	*pad // nil while the request has not come
	buf  [maxHead]byte
}

// pad is what reading a request and answering it takes, besides.
type pad struct {
	src bytes.Reader
	br  *bufio.Reader
	bw  *bufio.Writer
}

var (
	greetings = sync.Pool{New: func() any { return &greeting{header: http.Header{}} }}
	pads      = sync.Pool{New: func() any {
		return &pad{br: bufio.NewReaderSize(nil, maxHead), bw: bufio.NewWriterSize(nil, 1024)}
	}}
)

// work looks at the request and lets its connection go where it belongs.
func (g *greeting) work() bool {
	f, tcp := g.front, g.tcp
	defer f.leave(tcp)
	defer func() {
		if fault := recover(); fault != nil {
			// The greeting is left to the collector: nobody knows who holds it.
			_ = tcp.Close()
			f.srv.cfg.Logger.Error("a request for a socket met a fault", "fault", fault, "stack", string(debug.Stack()))
		}
	}()
	g.meet()
	g.forget()
	greetings.Put(g)
	return true
}

func (g *greeting) meet() {
	_ = g.tcp.SetDeadline(time.Now().Add(headTimeout))
	if g.front.secure != nil {
		secured := tls.Server(g.tcp, g.front.secure)
		if err := secured.HandshakeContext(g.front.srv.ctx); err != nil {
			g.unsecured(err)
			return
		}
		g.nc = secured
	}
	ours, err := g.peek()
	if err != nil {
		_ = g.nc.Close()
		return
	}
	var r *http.Request
	var h http.Handler
	if ours {
		r, h = g.request()
	}
	if h == nil {
		g.front.pass(g.nc, bytes.Clone(g.buf[:g.n]))
		return
	}
	h.ServeHTTP(g, r)
	if !g.taken {
		g.answer()
	}
}

// unsecured ends a connection whose handshake failed, as net/http does.
func (g *greeting) unsecured(err error) {
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && string(header.RecordHeader[:4]) == "GET " {
		_, _ = header.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"))
	}
	g.front.srv.cfg.Logger.Info("a TLS handshake failed", "client", g.tcp.RemoteAddr().String(), "error", err)
	_ = g.tcp.Close()
}

// peek reads until the end of the header, or until it shows that the request is
// not for us. An error says that nobody is there, or says nothing in time.
func (g *greeting) peek() (ours bool, err error) {
	for {
		n, err := g.nc.Read(g.buf[g.n:])
		was := g.n
		g.n += n
		head := g.buf[:g.n]
		switch {
		case n > 0 && !mayAsk(head):
			return false, nil
		case n > 0:
			// The end may have begun in what came before.
			if i := bytes.Index(head[max(was-3, 0):], []byte("\r\n\r\n")); i >= 0 {
				g.end = max(was-3, 0) + i + 4
				return true, nil
			}
			if g.n == len(g.buf) || loneLF(head, was) {
				return false, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF) && g.n > 0:
			return false, nil
		case err != nil:
			return false, err
		}
	}
}

// loneLF reports whether what came from an index on has a line that ends in LF
// alone: the header may then end so too, and nothing more come.
func loneLF(head []byte, from int) bool {
	for i := from; i < len(head); i++ {
		if head[i] == '\n' && (i == 0 || head[i-1] != '\r') {
			return true
		}
	}
	return false
}

// mayAsk reports whether a header, of which this is the beginning, may ask for a
// socket.
func mayAsk(head []byte) bool {
	for _, start := range []string{"GET /ws", "GET /realtime"} {
		n := min(len(head), len(start))
		if string(head[:n]) == start[:n] {
			return true
		}
	}
	return false
}

// request reads the header. The handler is nil where the request is not one of
// those that are understood here: GET in HTTP/1.1 of a plain path, with one Host,
// without a body or anything else that says how the connection goes on, in
// printable ASCII and lines that end as they should.
func (g *greeting) request() (*http.Request, http.Handler) {
	head := g.buf[:g.end]
	if !plain(head) {
		return nil, nil
	}
	g.pad = pads.Get().(*pad)
	g.src.Reset(head)
	g.br.Reset(&g.src)
	r, err := http.ReadRequest(g.br)
	if err != nil || r.Proto != "HTTP/1.1" || r.Host == "" || r.URL.Host != "" || r.ContentLength != 0 ||
		len(r.TransferEncoding) > 0 || names(r, "Connection", "close") || !names(r, "Upgrade", "websocket") {
		return nil, nil
	}
	for _, odd := range []string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Http2-Settings", "Keep-Alive", "Proxy-Connection"} {
		if _, has := r.Header[odd]; has {
			return nil, nil
		}
	}
	// What a ServeMux would clean, unescape or redirect is for the ServeMux.
	path := r.URL.Path
	if r.URL.RawPath != "" || strings.Contains(path, "//") || strings.ContainsFunc(path, func(c rune) bool {
		return c != '/' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) || strings.ContainsAny(r.Host, "\t /\\@?#\"<>^`{|}") {
		return nil, nil
	}
	h := g.front.door(path)
	if h == nil {
		return nil, nil
	}
	r.RemoteAddr = g.tcp.RemoteAddr().String()
	if secured, ok := g.nc.(*tls.Conn); ok {
		state := secured.ConnectionState()
		r.TLS = &state
	}
	return r.WithContext(g.front.srv.ctx), h
}

// plain reports whether a header is printable ASCII in lines that end in CR LF,
// and each but the first a name, that is a token, a colon and a value.
func plain(head []byte) bool {
	for first := true; ; first = false {
		i := bytes.IndexByte(head, '\r')
		if i < 0 || head[i+1] != '\n' { // there is one: the end is CR LF
			return false
		}
		line := head[:i]
		head = head[i+2:]
		if len(line) == 0 {
			return len(head) == 0
		}
		name := first
		for _, b := range line {
			switch {
			case b < ' ' && b != '\t' || b >= 0x7f:
				return false
			case name:
			case b == ':':
				name = true // that was it
			case !token(b):
				return false
			}
		}
		if !name || line[0] == ':' {
			return false
		}
	}
}

// token reports whether a byte may be in a header's name (RFC 9110, 5.6.2).
func token(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// Header implements http.ResponseWriter.
func (g *greeting) Header() http.Header { return g.header }

// WriteHeader implements http.ResponseWriter.
func (g *greeting) WriteHeader(status int) {
	if g.status == 0 {
		g.status = status
	}
}

// Write implements http.ResponseWriter.
func (g *greeting) Write(p []byte) (int, error) {
	g.WriteHeader(http.StatusOK)
	g.body = append(g.body, p...)
	return len(p), nil
}

// Hijack implements http.Hijacker. The buffers are the door's until it returns.
func (g *greeting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if g.taken {
		return nil, nil, http.ErrHijacked
	}
	g.taken = true
	g.src.Reset(g.buf[g.end:g.n])
	g.br.Reset(&g.src)
	_, _ = g.br.Peek(g.n - g.end) // so that it is known to be there
	g.bw.Reset(g.nc)
	return g.nc, bufio.NewReadWriter(g.br, g.bw), nil
}

// answer writes a refusal. What the client says next is for net/http, as if it
// had said nothing yet.
func (g *greeting) answer() {
	_ = g.nc.SetWriteDeadline(time.Now().Add(answerTimeout))
	g.WriteHeader(http.StatusOK)
	g.bw.Reset(g.nc)
	_, _ = g.bw.WriteString("HTTP/1.1 " + strconv.Itoa(g.status) + " " + http.StatusText(g.status) + "\r\n")
	_ = g.header.Write(g.bw)
	_, _ = g.bw.WriteString("Date: " + time.Now().UTC().Format(http.TimeFormat) + "\r\nContent-Length: " + strconv.Itoa(len(g.body)) + "\r\n\r\n")
	_, _ = g.bw.Write(g.body)
	if err := g.bw.Flush(); err != nil {
		_ = g.nc.Close()
		return
	}
	g.front.pass(g.nc, bytes.Clone(g.buf[g.end:g.n]))
}

// forget lets go of all that is the connection's.
func (g *greeting) forget() {
	clear(g.buf[:g.n]) // there was a token in it
	g.front, g.tcp, g.nc = nil, nil, nil
	g.n, g.end, g.status, g.taken, g.body = 0, 0, 0, false, nil
	clear(g.header)
	if g.pad != nil {
		g.src.Reset(nil)
		g.br.Reset(nil)
		g.bw.Reset(nil)
		pads.Put(g.pad)
		g.pad = nil
	}
}

var _ http.Hijacker = (*greeting)(nil)
