package tests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// surfaces are the four, in the order of the contracts.
var surfaces = []string{"events", "bot", "topics", "chat"}

var socketPaths = map[string]string{"events": "/realtime", "bot": "/ws", "topics": "/ws/topics", "chat": "/ws"}

// patience is how long a test waits for what must come, on a machine that is busy.
const patience = 30 * time.Second

// socket is one connection that says exactly what a test has it say, and reads
// only when it is told to. It is for one goroutine.
type socket struct {
	t       testing.TB
	surface string
	conn    net.Conn
	from    *bufio.Reader
}

// closed is how the server ended a socket.
type closed struct {
	code   ws.StatusCode
	reason string
}

func (c closed) Error() string { return fmt.Sprintf("closed with %d: %s", c.code, c.reason) }

// upgrade asks for a socket and returns the answer, whatever it is. The socket is
// nil where it was refused. An error is one of the transport.
func upgrade(t testing.TB, address, surface string, query url.Values) (*socket, *http.Response, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "GET %s?%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", socketPaths[surface], query.Encode(), address)
	in := bufio.NewReader(conn)
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(in, nil)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(answer.Body)
		conn.Close()
		answer.Body = io.NopCloser(strings.NewReader(string(body)))
		return nil, answer, nil
	}
	_ = conn.SetDeadline(time.Time{})
	return &socket{t: t, surface: surface, conn: conn, from: in}, answer, nil
}

// door is the query with which a user comes to a surface.
func (s *server) door(surface, token string) url.Values {
	q := url.Values{"token": {token}}
	switch surface {
	case "events":
		q.Set("channels", "conversation")
		q.Set("client_id", fmt.Sprint(time.Now().UnixNano())) // of its own
	case "chat":
		q.Set("token", s.messagingToken(token))
	}
	return q
}

func (s *server) messagingToken(token string) string {
	s.t.Helper()
	var messaging struct{ Token string }
	s.must("GET", "/v1/messaging/token", token, nil, &messaging)
	return messaging.Token
}

// in is the same server for a subtest, which its failures and its end are of.
func (s *server) in(t testing.TB) *server {
	of := *s
	of.t = t
	return &of
}

// open is a socket of a user, which the test's end closes.
func (s *server) open(surface, token string, more ...string) *socket {
	s.t.Helper()
	q := s.door(surface, token)
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	c, answer, err := upgrade(s.t, s.address, surface, q)
	if err != nil {
		s.t.Fatal(err)
	}
	if c == nil {
		body, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("%s: refused with %s: %s", surface, answer.Status, body)
	}
	s.t.Cleanup(func() { c.conn.Close() })
	return c
}

// in is the same socket for a subtest.
func (c *socket) in(t testing.TB) *socket {
	of := *c
	of.t = t
	return &of
}

// send says text frames.
func (c *socket) send(frames ...string) {
	c.t.Helper()
	for _, frame := range frames {
		if err := c.write(ws.OpText, frame); err != nil {
			c.t.Fatalf("%s: send: %v", c.surface, err)
		}
	}
}

func (c *socket) write(op ws.OpCode, payload string) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	return wsutil.WriteClientMessage(c.conn, op, []byte(payload))
}

// next is the next text frame; pings are answered on the way. The error is a
// closed where the server said how it ends.
func (c *socket) next(within time.Duration) (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(within))
	for {
		frame, err := ws.ReadFrame(c.from)
		if err != nil {
			return "", err
		}
		switch frame.Header.OpCode {
		case ws.OpText:
			return string(frame.Payload), nil
		case ws.OpPing:
			if err := c.write(ws.OpPong, string(frame.Payload)); err != nil {
				return "", err
			}
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(frame.Payload)
			return "", closed{code, reason}
		}
	}
}

// must is next where nothing else may happen.
func (c *socket) must() string {
	c.t.Helper()
	text, err := c.next(patience)
	if err != nil {
		c.t.Fatalf("%s: %v", c.surface, err)
	}
	return text
}

// until reads to the first frame with a part in it and returns it.
func (c *socket) until(part string) string {
	c.t.Helper()
	for {
		if text := c.must(); strings.Contains(text, part) {
			return text
		}
	}
}

// end reads until the server has closed, and returns with which code; -1 where it
// did not say.
func (c *socket) end(within time.Duration) int {
	c.t.Helper()
	for {
		_, err := c.next(within)
		var how closed
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &how):
			return int(how.code)
		case errors.As(err, &timeout) && timeout.Timeout():
			c.t.Fatalf("%s: not closed within %s", c.surface, within)
		default:
			return -1
		}
	}
}

// ping is a frame that the surface answers; the events surface has none.
func (c *socket) ping() string {
	return map[string]string{"bot": `{"type":"ping"}`, "chat": `{"type":"ping"}`, "topics": `{"op":"ping"}`}[c.surface]
}

// alive fails the test unless the socket goes on being served. What comes before
// the answer is returned.
func (c *socket) alive() (before []string) {
	c.t.Helper()
	if c.surface == "events" { // it answers nothing but WebSocket pings
		if err := c.write(ws.OpPing, "alive?"); err != nil {
			c.t.Fatalf("events: %v", err)
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		for {
			frame, err := ws.ReadFrame(c.from)
			switch {
			case err != nil:
				c.t.Fatalf("events: %v", err)
			case frame.Header.OpCode == ws.OpPong && string(frame.Payload) == "alive?":
				return before
			case frame.Header.OpCode == ws.OpClose:
				c.t.Fatalf("events: closed: %q", frame.Payload)
			case frame.Header.OpCode == ws.OpText:
				before = append(before, string(frame.Payload))
			}
		}
	}
	c.send(c.ping())
	for {
		text := c.must()
		if strings.Contains(text, `"pong"`) {
			return before
		}
		before = append(before, text)
	}
}

// subscribe names conversations, where the surface wants that, and waits until it
// has been acted on.
func (c *socket) subscribe(conversations ...string) {
	c.t.Helper()
	list, _ := json.Marshal(conversations)
	switch c.surface {
	case "bot":
		for _, id := range conversations {
			c.send(fmt.Sprintf(`{"type":"subscribe","session_id":%q}`, id))
		}
	case "topics":
		c.send(fmt.Sprintf(`{"op":"subscribe","id":"all","topics":["events.%s.conversations.*.*.*"]}`, org))
	case "chat":
		c.send(fmt.Sprintf(`{"action":"subscribe","conversation_ids":%s}`, list))
	}
	c.alive()
}

// refusal is what an error frame says, in whichever shape.
type refusal struct {
	Type, Op, Code, Message string
	Payload                 any
}

// refused reads one frame, which must be an error in the surface's own shape, and
// returns its code.
func (c *socket) refused() (code, text string) {
	c.t.Helper()
	text = c.must()
	var r refusal
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		c.t.Fatalf("%s: not JSON: %s", c.surface, text)
	}
	ok := r.Type == "error" && r.Message != "" // bot, contracts.md 2.1
	switch c.surface {
	case "topics":
		ok = r.Op == "error" && r.Message != "" // contracts.md section 10
	case "chat":
		sentence, isText := r.Payload.(string) // contracts.md 4.1: never an object
		ok = r.Type == "error" && isText && sentence != ""
	}
	if !ok || r.Code == "" {
		c.t.Fatalf("%s: want an error in the surface's shape, got %.300s", c.surface, text)
	}
	return r.Code, text
}
