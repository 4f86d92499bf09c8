package conn_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait of these tests for something that must come.
const patience = 10 * time.Second

// client is a WebSocket client that can do wrong what a library would not.
type client struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

// op is the first four bits of a frame that are no flag.
type op byte

const (
	opContinue op = 0x0
	opText     op = 0x1
	opBinary   op = 0x2
	opClose    op = 0x8
	opPing     op = 0x9
	opPong     op = 0xa

	fin  = 0x80
	rsv1 = 0x40
)

// dialRaw asks for an upgrade and returns the response; the client is nil where
// that is not 101.
func dialRaw(t testing.TB, addr, path string, header http.Header) (*client, *http.Response) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if err := r.Write(nc); err != nil {
		t.Fatal(err)
	}
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return nil, resp
	}
	return &client{t: t, nc: nc, br: br}, resp
}

func newClient(t testing.TB, nc net.Conn) *client {
	return &client{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// frame makes a masked frame; first is opcode and flags.
func frame(first byte, payload string) []byte {
	out := []byte{first}
	switch n := len(payload); {
	case n < 126:
		out = append(out, 0x80|byte(n))
	case n <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	out = append(out, mask[:]...)
	for i := range len(payload) {
		out = append(out, payload[i]^mask[i%4])
	}
	return out
}

func text(payload string) []byte { return frame(fin|byte(opText), payload) }

func closeFrame(code uint16, reason string) []byte {
	return frame(fin|byte(opClose), string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func (c *client) raw(frames ...[]byte) {
	c.t.Helper()
	for _, f := range frames {
		if _, err := c.nc.Write(f); err != nil {
			c.t.Fatalf("write: %v", err)
		}
	}
}

// send sends text frames.
func (c *client) send(texts ...string) {
	c.t.Helper()
	for _, s := range texts {
		c.raw(text(s))
	}
}

// next reads one frame of the server's; an error ends the stream.
func (c *client) next() (op, string, error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	return c.nextBy()
}

// nextBy is next with the deadline that is set.
func (c *client) nextBy() (op, string, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return 0, "", err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 || head[0]&fin == 0 {
		return 0, "", fmt.Errorf("the server's frame begins with % x", head)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var size [2]byte
		if _, err := io.ReadFull(c.br, size[:]); err != nil {
			return 0, "", err
		}
		n = uint64(binary.BigEndian.Uint16(size[:]))
	case 127:
		var size [8]byte
		if _, err := io.ReadFull(c.br, size[:]); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(size[:])
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.br, payload)
	return op(head[0] & 0x0f), string(payload), err
}

// data reads the next text frame, answering pings on the way.
func (c *client) data() string {
	c.t.Helper()
	for {
		kind, payload, err := c.next()
		switch {
		case err != nil:
			c.t.Fatalf("read: %v", err)
		case kind == opPing:
			c.raw(frame(fin|byte(opPong), payload))
		case kind == opText:
			return payload
		case kind == opClose:
			c.t.Fatalf("closed with %s, a text frame was expected", closeText(payload))
		default:
			c.t.Fatalf("a frame with opcode %d and %q came", kind, payload)
		}
	}
}

// want reads one text frame for each of the JSON objects given and holds it
// against it: fields that are named must be equal, "*" is any value.
func (c *client) want(objects ...string) []map[string]any {
	c.t.Helper()
	return c.wantBut("\x00", objects...)
}

// wantBut is want, passing over frames that hold a text.
func (c *client) wantBut(but string, objects ...string) []map[string]any {
	c.t.Helper()
	var all []map[string]any
	for _, want := range objects {
		var w, g map[string]any
		got := c.data()
		for strings.Contains(got, but) {
			got = c.data()
		}
		if err := errors.Join(json.Unmarshal([]byte(want), &w), json.Unmarshal([]byte(got), &g)); err != nil {
			c.t.Fatalf("%v: want %s, got %s", err, want, got)
		}
		if !within(w, g) {
			c.t.Fatalf("want %s\n got %s", want, got)
		}
		all = append(all, g)
	}
	return all
}

// within reports whether every field of want is in got.
func within(want, got any) bool {
	if want == "*" {
		return got != nil && got != ""
	}
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(want, got)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return false
	}
	for key, value := range w {
		if !within(value, g[key]) {
			return false
		}
	}
	return true
}

// alive proves with a ping that the server still reads and answers, and that
// nothing else was said before.
func (c *client) alive() {
	c.t.Helper()
	c.raw(frame(fin|byte(opPing), "there?"))
	if kind, payload, err := c.next(); err != nil || kind != opPong || payload != "there?" {
		c.t.Fatalf("instead of a pong came opcode %d %q, %v", kind, payload, err)
	}
}

func closeText(payload string) string {
	if len(payload) < 2 {
		return "no code"
	}
	return fmt.Sprintf("%d %s", binary.BigEndian.Uint16([]byte(payload)), payload[2:])
}

// closed reads up to the server's close frame, which must have the code, answers
// it and sees the socket closed. It returns the reason.
func (c *client) closed(code uint16) string {
	c.t.Helper()
	for {
		kind, payload, err := c.next()
		if err != nil {
			c.t.Fatalf("no close frame: %v", err)
		}
		if kind != opClose {
			continue
		}
		if len(payload) < 2 || binary.BigEndian.Uint16([]byte(payload)) != code {
			c.t.Fatalf("closed with %s, want %d", closeText(payload), code)
		}
		_, _ = c.nc.Write(closeFrame(code, ""))
		if _, _, err := c.next(); err == nil || isTimeout(err) {
			c.t.Fatalf("the socket is still open: %v", err)
		}
		return payload[2:]
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
