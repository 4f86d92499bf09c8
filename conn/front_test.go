package conn_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/membus"
)

// ask is a request's lines.
func ask(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

const (
	upgrades = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	hosted   = "Host: parley.test"
)

// A client cannot tell whether a Front or net/http looked at its request, whatever
// it sends.
func TestFrontAnswersLikeNetHTTP(t *testing.T) {
	h := openHouse(t)
	token := h.mint("ada")
	other := ask("GET /none HTTP/1.1", hosted)
	for name, sent := range map[string]string{
		"an upgrade":                          ask("GET /ws?token="+token+" HTTP/1.1", hosted, upgrades),
		"with a subprotocol":                  ask("GET /ws?token="+token+" HTTP/1.1", hosted, upgrades, "Sec-WebSocket-Protocol: other, parley.bot"),
		"topics":                              ask("GET /ws/topics HTTP/1.1", hosted, upgrades),
		"a bot's name":                        ask("GET /ws/demo_1-x HTTP/1.1", hosted, upgrades),
		"with frames behind it":               ask("GET /ws HTTP/1.1", hosted, upgrades) + string(frame(fin|byte(opPing), "x")) + string(closeFrame(1000, "")),
		"refused, then another":               ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades) + other,
		"refused twice":                       strings.Repeat(ask("GET /realtime HTTP/1.1", hosted, upgrades), 2),
		"not found, then an upgrade":          ask("GET /ws/meet HTTP/1.1", hosted, upgrades) + ask("GET /ws HTTP/1.1", hosted, upgrades),
		"a forbidden page":                    ask("GET /ws HTTP/1.1", hosted, upgrades, "Origin: https://evil.example"),
		"without a version":                   ask("GET /ws HTTP/1.1", hosted, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
		"another version":                     ask("GET /ws HTTP/1.1", hosted, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 8"),
		"without an upgrade":                  ask("GET /ws HTTP/1.1", hosted) + other,
		"another upgrade":                     ask("GET /ws HTTP/1.1", hosted, "Upgrade: h2c", "Connection: Upgrade") + other,
		"a path that is none":                 ask("GET /wsx HTTP/1.1", hosted, upgrades),
		"a path below realtime":               ask("GET /realtime/x HTTP/1.1", hosted, upgrades),
		"a path to clean":                     ask("GET /ws//demo HTTP/1.1", hosted, upgrades),
		"a path that goes up":                 ask("GET /ws/../ws HTTP/1.1", hosted, upgrades),
		"a path with an escape":               ask("GET /ws%2Fdemo HTTP/1.1", hosted, upgrades),
		"a query that cannot be read":         ask("GET /ws?token=%zz HTTP/1.1", hosted, upgrades),
		"a whole URL":                         ask("GET http://parley.test/ws HTTP/1.1", hosted, upgrades),
		"POST":                                ask("POST /ws HTTP/1.1", hosted, upgrades, "Content-Length: 0"),
		"HTTP/1.0":                            ask("GET /ws HTTP/1.0", hosted, upgrades),
		"HTTP/2":                              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a version that is none":              ask("GET /ws HTTP/1.7", hosted, upgrades),
		"without a host":                      ask("GET /ws HTTP/1.1", upgrades),
		"with an empty host":                  ask("GET /ws HTTP/1.1", "Host: ", upgrades),
		"with two hosts":                      ask("GET /ws HTTP/1.1", hosted, "Host: evil.example", upgrades),
		"with a host that is none":            ask("GET /ws HTTP/1.1", "Host: a b", upgrades),
		"closing":                             ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Connection: close") + other,
		"with a body":                         ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Content-Length: 3") + "abc" + other,
		"with an empty body":                  ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Content-Length: 0") + other,
		"with a chunked body":                 ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Transfer-Encoding: chunked") + "0\r\n\r\n" + other,
		"with two lengths":                    ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Content-Length: 3", "Content-Length: 4") + "abcd",
		"with a length and chunked":           ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"a header with a space in its name":   ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Content-Length : 3") + "abc",
		"a header with a tab in its value":    ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "X: a\tb"),
		"a header that goes on":               ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "X: a", " Content-Length: 3") + other,
		"a header with a zero byte":           ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "X: a\x00b") + other,
		"a header that is not ASCII":          ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "X: ä") + other,
		"a header with a lone CR":             ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "X: a\rContent-Length: 3") + other,
		"lines that end in LF":                "GET /ws?token=wrong HTTP/1.1\n" + hosted + "\nUpgrade: websocket\nConnection: Upgrade\n\n" + other,
		"a lone LF within":                    ask("GET /ws?token=wrong HTTP/1.1", hosted+"\nX: y", upgrades) + other,
		"a line before the first":             "\r\n" + ask("GET /ws HTTP/1.1", hosted, upgrades),
		"a first line of two words":           ask("GET /ws", hosted, upgrades),
		"what expects to be asked to go on":   ask("GET /ws?token=wrong HTTP/1.1", hosted, upgrades, "Expect: 100-continue") + other,
		"a long header":                       ask("GET /ws?token="+token+" HTTP/1.1", hosted, upgrades, "Cookie: "+strings.Repeat("x", 8000)),
		"a header that is as long as we read": ask("GET /ws HTTP/1.1", hosted, upgrades, "Cookie: "+strings.Repeat("x", 4096-len(ask("GET /ws HTTP/1.1", hosted, upgrades, "Cookie: ")))),
		"nonsense":                            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"half a request":                      "GET /ws HTTP/1.1\r\nHost: x\r\n",
		"half a word":                         "GE",
		"nothing":                             "",
	} {
		t.Run(name, func(t *testing.T) {
			want := answered(t, h.plain, sent, len(sent))
			for _, at := range []int{len(sent), 1, len(sent) / 2, len(sent) - 1} {
				if at < 0 || at > len(sent) {
					continue
				}
				if got := answered(t, h.addr, sent, at); got != want {
					t.Errorf("sent in two at %d of %d: got\n%q\nwant\n%q", at, len(sent), got, want)
				}
			}
		})
	}
	eventually(t, "the end of all", func() bool { return h.server.Len() == 0 })
}

var date = regexp.MustCompile(`Date: [^\r]*`)

// answered is all that is said to a client that sends something in two pieces, and
// then no more. A header's order is not looked at.
func answered(t *testing.T, addr, sent string, at int) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, sent[:at])
	if at < len(sent) {
		<-time.After(2 * time.Millisecond) // so that it arrives by itself
		_, _ = io.WriteString(nc, sent[at:])
	}
	_ = nc.(*net.TCPConn).CloseWrite()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%v after %q", err, got)
	}
	return date.ReplaceAllString(string(got), "Date: now")
}

// Over TLS sockets are let in and other requests answered, by handlers that know
// that they are secured.
func TestFrontOverTLS(t *testing.T) {
	h := openHouse(t)
	lender := httptest.NewTLSServer(http.NotFoundHandler())
	defer lender.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := h.server.Front(tcp, &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"http/1.1"}})
	defer front.Close()
	trusting := lender.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	dial := func() net.Conn {
		nc, err := tls.Dial("tcp", front.Addr().String(), trusting)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return nc
	}
	t.Run("a socket", func(t *testing.T) {
		nc := dial()
		_, _ = io.WriteString(nc, ask("GET /ws/topics?token="+h.mint("ada")+" HTTP/1.1", hosted, upgrades)+string(text(`{"op":"ping"}`)))
		c := newClient(t, nc)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		c.want(`{"op":"pong"}`)
		c.alive()
	})
	t.Run("another request", func(t *testing.T) {
		_, _ = io.WriteString(dial(), ask("GET /else HTTP/1.1", hosted))
		nc, err := front.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if state := conn.TLS(nc); state == nil || state.NegotiatedProtocol == "" && state.Version < tls.VersionTLS12 {
			t.Errorf("how it is secured is not known: %v", state)
		}
		r, err := http.ReadRequest(newClient(t, nc).br)
		if err != nil || r.URL.Path != "/else" {
			t.Errorf("%v, %v", r, err)
		}
	})
	t.Run("a request that is not secured", func(t *testing.T) {
		if got := answered(t, front.Addr().String(), ask("GET /ws HTTP/1.1", hosted, upgrades), 1); !strings.Contains(got, "HTTPS") {
			t.Errorf("was told %q", got)
		}
	})
}

// pipes is a listener whose connections are pipes, or errors.
type pipes struct {
	come   chan any
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{come: make(chan any), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case <-p.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case it := <-p.come:
		if err, ok := it.(error); ok {
			return nil, err
		}
		return it.(net.Conn), nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	mine, its := net.Pipe()
	p.come <- its
	return mine
}

// inFront runs a test with a Front in a bubble.
func inFront(t *testing.T, test func(t *testing.T, s *conn.Server, f *conn.Front, p *pipes, log *safeBuffer)) {
	synctest.Test(t, func(t *testing.T) {
		log, bus, limits := new(safeBuffer), membus.New(), parley.DefaultLimits()
		h := hub.New(hub.Config{Store: bench{}, Bus: bus, Dialects: dialects(), Frame: conn.AppendText, Limits: limits})
		s := conn.New(conn.Config{
			Hub: h, Engine: &slowEngine{}, Auth: &tokens{}, Store: bench{}, Dialects: dialects(), Limits: limits,
			Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		p := newPipes()
		test(t, s, s.Front(p, nil), p, log)
		s.Close()
		h.Close()
		_ = bus.Close()
	})
}

// Who does not say what it wants is not waited for, however slowly it says it.
func TestFrontIsNotKeptWaiting(t *testing.T) {
	for name, pause := range map[string]time.Duration{"in silence": time.Hour, "byte by byte": time.Second} {
		t.Run(name, func(t *testing.T) {
			inFront(t, func(t *testing.T, _ *conn.Server, _ *conn.Front, p *pipes, _ *safeBuffer) {
				nc, began, over := p.dial(), time.Now(), make(chan struct{})
				defer close(over)
				go func() {
					for i := 0; ; i++ {
						if _, err := nc.Write([]byte{("GET /ws?" + strings.Repeat("x", 20))[i]}); err != nil {
							return
						}
						select {
						case <-time.After(pause):
						case <-over:
							return
						}
					}
				}()
				if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
					t.Errorf("read %d bytes, %v", n, err)
				}
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// Where the system has no room for connections, the Front waits, tells so now and
// then, and goes on.
func TestFrontWaitsForRoom(t *testing.T) {
	inFront(t, func(t *testing.T, s *conn.Server, _ *conn.Front, p *pipes, log *safeBuffer) {
		began := time.Now()
		for time.Since(began) < 25*time.Second {
			p.come <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		if n := strings.Count(log.String(), "cannot be accepted"); n != 3 {
			t.Errorf("told %d times:\n%s", n, log)
		}
		nc := p.dial()
		defer nc.Close()
		_, _ = io.WriteString(nc, ask("GET /ws HTTP/1.1", hosted, upgrades))
		answer := make([]byte, 12)
		if _, err := io.ReadFull(nc, answer); err != nil || !bytes.HasSuffix(answer, []byte("101")) {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

// The Server's end is the end of those who have come and not said what they want,
// too.
func TestFrontEnds(t *testing.T) {
	inFront(t, func(t *testing.T, s *conn.Server, f *conn.Front, p *pipes, _ *safeBuffer) {
		nc := p.dial()
		_, _ = io.WriteString(nc, "GET /ws HT")
		s.Close()
		if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := s.Front(newPipes(), nil).Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("one that is closed alone", func(t *testing.T) {
		inFront(t, func(t *testing.T, s *conn.Server, f *conn.Front, p *pipes, _ *safeBuffer) {
			nc := p.dial()
			_, _ = io.WriteString(nc, "GET /ws HT")
			_ = f.Close()
			// Who has come already is let in; who asks for something else is not.
			_, _ = io.WriteString(nc, ask("TP/1.1", hosted, upgrades))
			answer := make([]byte, 12)
			if _, err := io.ReadFull(nc, answer); err != nil || !bytes.HasSuffix(answer, []byte("101")) {
				t.Errorf("%q, %v", answer, err)
			}
			_ = nc.Close()
		})
	})
}

// Such a header has no end that we would find: net/http answers it, and not only
// once the client has no more patience.
func TestFrontDoesNotWaitForTheEndOfALoneLF(t *testing.T) {
	h := openHouse(t)
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(patience / 2))
	if _, err := io.WriteString(nc, "GET /ws?token=wrong HTTP/1.1\nHost: parley.test\nUpgrade: websocket\nConnection: Upgrade\n\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 400 {
		t.Errorf("answered with %s", answer.Status)
	}
}
