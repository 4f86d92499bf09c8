package conn_test

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/hub"
)

// parrot is a dialect that says back every frame it is to read.
type parrot struct{}

func (parrot) Name() string { return "bot" }
func (parrot) Decode(frame []byte) (parley.Command, error) {
	return nil, parley.Errorf(parley.CodeInvalidFormat, "%s", frame)
}
func (parrot) AppendEvent(dst []byte, _ *parley.Event, _ parley.View) []byte { return dst }
func (parrot) AppendReply(dst []byte, r parley.Reply) []byte {
	if f, ok := r.(parley.Failure); ok {
		return append(dst, cmp.Or(f.Err.Message, "(empty)")...)
	}
	return dst
}
func (parrot) Speaks(parley.EventType) bool { return false }

// openCage starts a server of parrots and returns its address.
func openCage(t *testing.T, changes ...func(*parley.Limits)) (addr string, s *conn.Server) {
	limits := parley.DefaultLimits()
	for _, change := range changes {
		change(&limits)
	}
	spoken := []parley.Dialect{parrot{}}
	h := hub.New(hub.Config{Dialects: spoken, Frame: conn.AppendText, Limits: limits})
	s = conn.New(conn.Config{Hub: h, Dialects: spoken, Limits: limits, Node: "n"})
	web := httptest.NewServer(s.Shared())
	t.Cleanup(func() {
		s.Close()
		web.Close()
		h.Close()
	})
	return web.Listener.Addr().String(), s
}

func talkTo(t *testing.T, addr string) *client {
	t.Helper()
	c, resp := dialRaw(t, addr, "/ws", http.Header{"Sec-Websocket-Protocol": {"parley.bot"}})
	if c == nil {
		t.Fatalf("refused with %s", resp.Status)
	}
	return c
}

const (
	kappa   = "κόσμε"
	half    = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited" // with a surrogate in it
	tooHigh = "\xf4\x90\x80\x80"
)

// The cases are those of the Autobahn test suite, by its classes, as far as they
// concern a server without extensions.
var conformance = []struct {
	name   string
	frames [][]byte
	// says is what the server says, "pong:x" for a pong; then it closes with code, or
	// where that is 0 stays.
	says []string
	code uint16
}{
	// 1: framing
	{"1.1.1 an empty text", [][]byte{text("")}, []string{"(empty)"}, 0},
	{"1.1.2 the longest short length", [][]byte{text(strings.Repeat("a", 125))}, []string{strings.Repeat("a", 125)}, 0},
	{"1.1.3 the shortest two-byte length", [][]byte{text(strings.Repeat("a", 126))}, []string{strings.Repeat("a", 126)}, 0},
	{"1.1.4 127 bytes", [][]byte{text(strings.Repeat("a", 127))}, []string{strings.Repeat("a", 127)}, 0},
	{"1.1.5 128 bytes", [][]byte{text(strings.Repeat("a", 128))}, []string{strings.Repeat("a", 128)}, 0},
	{"1.1.6 the longest two-byte length", [][]byte{text(strings.Repeat("a", 65535))}, []string{strings.Repeat("a", 65535)}, 0},
	{"1.1.7 the shortest eight-byte length, and the limit", [][]byte{text(strings.Repeat("a", 65536))}, []string{strings.Repeat("a", 65536)}, 0},
	{"1.1.8 a short text in an eight-byte length", [][]byte{append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0}, "hi"...)}, []string{"hi"}, 0},
	{"1.2.1 binary is refused, not fatal", [][]byte{frame(fin|byte(opBinary), "\x00\xff"), text("on")}, []string{"only text frames are understood", "on"}, 0},
	{"1.3.1 a length with the highest bit", [][]byte{{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}}, nil, 1002},

	// 2: pings and pongs
	{"2.1 an empty ping", [][]byte{frame(0x89, "")}, []string{"pong:"}, 0},
	{"2.2 a ping with a payload", [][]byte{frame(0x89, "hello")}, []string{"pong:hello"}, 0},
	{"2.3 a ping with binary", [][]byte{frame(0x89, "\x00\xff\xfe")}, []string{"pong:\x00\xff\xfe"}, 0},
	{"2.4 the longest ping", [][]byte{frame(0x89, strings.Repeat("p", 125))}, []string{"pong:" + strings.Repeat("p", 125)}, 0},
	{"2.5 a longer ping", [][]byte{frame(0x89, strings.Repeat("p", 126))}, nil, 1002},
	{"2.7 a pong nobody asked for", [][]byte{frame(0x8a, ""), text("on")}, []string{"on"}, 0},
	{"2.8 one with a payload", [][]byte{frame(0x8a, "unasked"), text("on")}, []string{"on"}, 0},
	{"2.10 ten pings", [][]byte{bytes.Repeat(frame(0x89, "x"), 10)}, slices.Repeat([]string{"pong:x"}, 10), 0},

	// 3: reserved bits
	{"3.1 RSV1 on a text", [][]byte{frame(0x81|rsv1, "x")}, nil, 1002},
	{"3.2 RSV2", [][]byte{frame(0x81|0x20, "x")}, nil, 1002},
	{"3.3 RSV3 after what is right", [][]byte{text("a"), frame(0x81|0x10, "x")}, []string{"a"}, 1002},
	{"3.5 all of them on binary", [][]byte{frame(0x82|0x70, "x")}, nil, 1002},
	{"3.6 on a ping", [][]byte{frame(0x89|rsv1, "x")}, nil, 1002},
	{"3.7 on a close", [][]byte{frame(0x88|rsv1, "")}, nil, 1002},

	// 4: opcodes
	{"4.1.1 data opcode 3", [][]byte{frame(0x83, "")}, nil, 1002},
	{"4.1.5 data opcode 7", [][]byte{text("a"), frame(0x87, "x")}, []string{"a"}, 1002},
	{"4.2.1 control opcode 11", [][]byte{frame(0x8b, "")}, nil, 1002},
	{"4.2.5 control opcode 15", [][]byte{text("a"), frame(0x8f, "x")}, []string{"a"}, 1002},

	// 5: fragmentation
	{"5.1 a fragmented ping", [][]byte{frame(byte(opPing), "a"), frame(0x80, "b")}, nil, 1002},
	{"5.2 a fragmented pong", [][]byte{frame(byte(opPong), "a"), frame(0x80, "b")}, nil, 1002},
	{"5.3 two fragments", [][]byte{frame(byte(opText), "frag"), frame(fin, "ment")}, []string{"fragment"}, 0},
	{"5.6 a ping between", [][]byte{frame(byte(opText), "frag"), frame(0x89, "x"), frame(fin, "ment")}, []string{"pong:x", "fragment"}, 0},
	{"5.9 a continuation of nothing", [][]byte{frame(fin, "x"), text("y")}, nil, 1002},
	{"5.10 an open one", [][]byte{frame(0, "x"), text("y")}, nil, 1002},
	{"5.15 one after the message has ended", [][]byte{frame(byte(opText), "a"), frame(fin, "b"), frame(0, "c")}, []string{"ab"}, 1002},
	{"5.18 a second text within a message", [][]byte{frame(byte(opText), "a"), text("b")}, nil, 1002},
	{"5.19 many, with pings between", [][]byte{
		frame(byte(opText), "1"), frame(0, "2"), frame(0x89, "x"), frame(0, "3"), frame(0, "4"), frame(0x89, "y"), frame(fin, "5"),
	}, []string{"pong:x", "pong:y", "12345"}, 0},
	{"5.20 empty fragments", [][]byte{frame(byte(opText), ""), frame(0, ""), frame(fin, "")}, []string{"(empty)"}, 0},

	// 6: UTF-8
	{"6.1 more of nothing", [][]byte{frame(byte(opText), ""), frame(0, "middle"), frame(fin, "")}, []string{"middle"}, 0},
	{"6.2 runes cut between fragments", [][]byte{frame(byte(opText), kappa[:1]), frame(0, kappa[1:4]), frame(fin, kappa[4:])}, []string{kappa}, 0},
	{"6.3 a surrogate", [][]byte{text(half)}, nil, 1007},
	{"6.4.1 beyond the last rune, at once", [][]byte{frame(byte(opText), kappa+tooHigh)}, nil, 1007},
	{"6.4.2 at the byte that shows it", [][]byte{frame(byte(opText), kappa+"\xf4"), frame(0, "\x90")}, nil, 1007},
	{"6.4.3 within a frame that is not whole yet", [][]byte{frame(byte(opText), kappa+tooHigh+"rest")[:20]}, nil, 1007},
	{"6.6 a rune that never ends", [][]byte{text(kappa + "\xce")}, nil, 1007},
	{"6.8 the first continuation byte alone", [][]byte{text("\x80")}, nil, 1007},
	{"6.14 overlong", [][]byte{text("\xc0\xaf")}, nil, 1007},
	{"6.21 the last rune there is", [][]byte{text("\xf4\x8f\xbf\xbf")}, []string{"\xf4\x8f\xbf\xbf"}, 0},
	{"6.22 a noncharacter is a rune", [][]byte{text("\xef\xbf\xbf")}, []string{"\xef\xbf\xbf"}, 0},

	// 7: closing
	{"7.1.1 after a message", [][]byte{text("a"), closeFrame(1000, "")}, []string{"a"}, 1000},
	{"7.1.2 twice", [][]byte{append(closeFrame(1000, ""), closeFrame(1000, "")...)}, nil, 1000},
	{"7.1.3 a ping after it", [][]byte{append(closeFrame(1000, ""), frame(0x89, "x")...)}, nil, 1000},
	{"7.1.4 a text after it", [][]byte{append(closeFrame(1000, ""), text("late")...)}, nil, 1000},
	{"7.1.5 within a message", [][]byte{frame(byte(opText), "a"), append(closeFrame(1000, ""), frame(fin, "b")...)}, nil, 1000},
	{"7.3.1 without a payload", [][]byte{frame(0x88, "")}, nil, 1000},
	{"7.3.2 with one byte", [][]byte{frame(0x88, "a")}, nil, 1002},
	{"7.3.4 with a reason", [][]byte{closeFrame(1000, "bye")}, nil, 1000},
	{"7.3.5 with the longest", [][]byte{closeFrame(1000, strings.Repeat("b", 123))}, nil, 1000},
	{"7.3.6 with a longer one", [][]byte{closeFrame(1000, strings.Repeat("b", 124))}, nil, 1002},
	{"7.5.1 with one that is not UTF-8", [][]byte{closeFrame(1000, half)}, nil, 1007},
	{"7.7 going away", [][]byte{closeFrame(1001, "")}, nil, 1001},
	{"7.7 of a library", [][]byte{closeFrame(3000, "")}, nil, 3000},
	{"7.7 of an application", [][]byte{closeFrame(4999, "")}, nil, 4999},
	{"7.7 try again later", [][]byte{closeFrame(1013, "")}, nil, 1013},
	{"7.9 code 0", [][]byte{closeFrame(0, "")}, nil, 1002},
	{"7.9 code 999", [][]byte{closeFrame(999, "")}, nil, 1002},
	{"7.9 code 1004", [][]byte{closeFrame(1004, "")}, nil, 1002},
	{"7.9 code 1005", [][]byte{closeFrame(1005, "")}, nil, 1002},
	{"7.9 code 1006", [][]byte{closeFrame(1006, "")}, nil, 1002},
	{"7.9 code 1015", [][]byte{closeFrame(1015, "")}, nil, 1002},
	{"7.9 code 1016", [][]byte{closeFrame(1016, "")}, nil, 1002},
	{"7.9 code 2999", [][]byte{closeFrame(2999, "")}, nil, 1002},
	{"7.13 code 5000", [][]byte{closeFrame(5000, "")}, nil, 1002},

	// 9: limits
	{"9.1 a byte over the limit is answered", [][]byte{text(strings.Repeat("a", 65537)), text("on")}, []string{"a frame may have at most 65536 bytes", "on"}, 0},
	{"9.2 so is one of 1 MiB", [][]byte{text(strings.Repeat("a", 1<<20)), text("on")}, []string{"a frame may have at most 65536 bytes", "on"}, 0},
	{"9.3 in two fragments of which each is within it", [][]byte{frame(byte(opText), strings.Repeat("a", 40000)), frame(fin, strings.Repeat("a", 40000)), text("on")}, []string{"a frame may have at most 65536 bytes", "on"}, 0},
	{"9.4 a byte over 1 MiB is not even read", [][]byte{text(strings.Repeat("a", 1<<20+1))[:100]}, nil, 1009},
	{"9.5 nor in fragments", [][]byte{frame(byte(opText), strings.Repeat("a", 1<<20)), frame(0, "b")[:6]}, nil, 1009},
	{"9.6 nor an absurd length", [][]byte{{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}}, nil, 1009},
	{"9.7 pieces of one byte", [][]byte{frame(byte(opText), "a"), bytes.Repeat(frame(0, "b"), conn.MaxFragments-2), frame(fin, "c")}, []string{"a" + strings.Repeat("b", conn.MaxFragments-2) + "c"}, 0},
	{"9.8 a piece too many", [][]byte{frame(byte(opText), "a"), bytes.Repeat(frame(0, ""), conn.MaxFragments)}, nil, 1009},

	{"a protocol error with much behind it", [][]byte{frame(0x83, ""), bytes.Repeat([]byte("x"), 300_000)}, nil, 1002},

	// RFC 6455, 5.1
	{"a frame without a mask", [][]byte{{0x81, 0x02, 'h', 'i'}}, nil, 1002},
	{"a ping without a mask", [][]byte{{0x89, 0x00}}, nil, 1002},
}

func TestConformance(t *testing.T) {
	addr, _ := openCage(t)
	for _, test := range conformance {
		// The same stream must mean the same whole and byte by byte.
		for _, slowly := range []bool{false, true} {
			name := test.name
			if slowly {
				name += ", byte by byte"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				stream := bytes.Join(test.frames, nil)
				if slowly && len(stream) > 1000 {
					t.Skip("too long to be sent byte by byte")
				}
				c := talkTo(t, addr)
				written := make(chan struct{})
				go func() {
					defer close(written)
					step := len(stream)
					if slowly {
						step = 1
					}
					for piece := range slices.Chunk(stream, max(step, 1)) {
						if _, err := c.nc.Write(piece); err != nil {
							return // the server had heard enough
						}
					}
				}()
				defer func() { <-written }()
				c.hears(test.says)
				if test.code == 0 {
					c.alive()
					_ = c.nc.Close()
					return
				}
				c.closed(test.code)
			})
		}
	}
}

// hears expects texts and pongs.
func (c *client) hears(says []string) {
	c.t.Helper()
	for _, want := range says {
		kind, got, err := c.next()
		if kind == opPong {
			got = "pong:" + got
		}
		if err != nil || got != want {
			c.t.Fatalf("the server says opcode %d %.80q, %v; want %.80q", kind, got, err, want)
		}
	}
}

// What came together with the handshake is not lost.
func TestFramesRightBehindTheHandshake(t *testing.T) {
	addr, _ := openCage(t)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	handshake := "GET /ws HTTP/1.1\r\nHost: parley.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: parley.bot\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	all := append([]byte(handshake), bytes.Join([][]byte{text("one"), frame(0x89, "two"), text("three")}, nil)...)
	if _, err := nc.Write(append(all, 0x81)); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, nc)
	for { // the response's header ends with an empty line
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	// Which of a pong and the replies around it goes first is not promised.
	heard := map[string]bool{}
	for range 3 {
		_, payload, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		heard[payload] = true
	}
	if !heard["one"] || !heard["two"] || !heard["three"] {
		t.Errorf("heard %v", heard)
	}
	c.raw(text("four")[1:])
	c.hears([]string{"four"})
}

// Holding a declared length costs a client nothing, so it must cost the server
// nothing either.
func TestDeclaredLengthIsNotAllocated(t *testing.T) {
	whole := text(strings.Repeat("a", 60000))
	mine, its := net.Pipe()
	go func() {
		_, _ = mine.Write(whole[:100])
		_ = mine.Close()
	}()
	if _, _, held := conn.Heard(its, nil, 1<<20, 1<<20); held > 8192 {
		t.Errorf("100 bytes of a frame hold %d bytes", held)
	}
}

// bytesConn is a net.Conn from which bytes can be read, a few at a time.
type bytesConn struct {
	net.Conn
	rest []byte
	step int
}

func (b *bytesConn) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), b.step)], b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// A reader never panics, never holds more than its limit, and hears the same
// however the stream is cut.
func FuzzReader(f *testing.F) {
	for _, test := range conformance {
		if stream := bytes.Join(test.frames, nil); len(stream) < 1000 {
			f.Add(stream, uint8(3))
		}
	}
	const limit, drain = 200, 1000
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		heard, end, held := conn.Heard(&bytesConn{rest: stream, step: len(stream)}, nil, limit, drain)
		if held > 2*limit {
			t.Errorf("%d bytes are held, the limit is %d", held, limit)
		}
		again, endAgain, _ := conn.Heard(&bytesConn{rest: stream, step: int(step) + 1}, nil, limit, drain)
		if end != endAgain || !slices.Equal(heard, again) {
			t.Errorf("whole: %q %s\nin pieces of %d: %q %s", heard, end, int(step)+1, again, endAgain)
		}
		cut := min(int(step), len(stream))
		ahead, endAhead, _ := conn.Heard(&bytesConn{rest: stream[cut:], step: 7}, bytes.Clone(stream[:cut]), limit, drain)
		if end != endAhead || !slices.Equal(heard, ahead) {
			t.Errorf("whole: %q %s\nwith %d bytes ahead: %q %s", heard, end, cut, ahead, endAhead)
		}
	})
}

// A client that pings without reading is not answered without bound.
func TestPingFlood(t *testing.T) {
	addr, s := openCage(t, func(l *parley.Limits) { l.WriteTimeout = time.Second })
	c := talkTo(t, addr)
	flood := bytes.Repeat(frame(0x89, strings.Repeat("p", 125)), 1000)
	for {
		_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
		if _, err := c.nc.Write(flood); err != nil {
			break // cut off
		}
		if owed := s.ControlOwed(); owed > conn.MaxControl+200 {
			t.Fatalf("%d bytes of pongs are held", owed)
		}
	}
	eventually(t, "the end of the flood's connection", func() bool { return s.Len() == 0 })
	if s.Slow.Load() != 1 {
		t.Errorf("%d connections were cut off for not reading, want 1", s.Slow.Load())
	}
}
