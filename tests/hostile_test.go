package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// The codes of the surfaces that answer frames; contracts.md 2.1, 4.1 and section
// 10.
var (
	invalidFormat = map[string]string{"bot": "INVALID_FORMAT", "topics": "INVALID_FORMAT", "chat": "invalid_format"}
	tooLarge      = map[string]string{"bot": "MESSAGE_TOO_LARGE", "topics": "TOO_LARGE", "chat": "too_large"}
)

// verb is the field that says what a frame is.
var verb = map[string]string{"bot": "type", "topics": "op", "chat": "action"}

func nested(depth int, open, shut string) string {
	return strings.Repeat(open, depth) + strings.Repeat(shut, depth)
}

// padded is a ping of exactly so many bytes.
func padded(ping string, size int) string {
	frame := strings.TrimSuffix(ping, "}") + `,"x":"`
	return frame + strings.Repeat("x", size-len(frame)-2) + `"}`
}

// malformed are frames that mean nothing anywhere.
func malformed(surface string) []string {
	v := verb[surface]
	return []string{
		"", " ", "null", "[]", "[{}]", `"ping"`, "7", "true", "{", "{}", "ping", "\x00",
		`{"` + v + `"`, `{"` + v + `":"ping"`, `{"` + v + `":"ping"} {}`, `{"` + v + `":"ping"}]`,
		`{"` + v + `":null}`, `{"` + v + `":7}`, `{"` + v + `":["ping"]}`, `{"` + v + `":{}}`, `{"` + v + `":""}`,
		`{"` + v + `":"nonsense"}`, `{"` + v + `":"PING"}`, `{"` + v + `":"` + strings.Repeat("y", 60000) + `"}`,
		`{"` + v + `":"subscribe"}`, `{"` + v + `":"unsubscribe"}`, `{"` + v + `":"auth"}`, `{"` + v + `":"auth","token":7}`,
		`{"` + v + `":"subscribe","session_id":7,"conversation_ids":"x","topics":"x","id":7}`,
		`{"` + v + `":"subscribe","session_id":{},"conversation_ids":[7],"topics":[null],"id":"a"}`,
		`{"x":` + nested(64, "[", "]") + `}`, `{"x":` + nested(20000, "[", "]") + `}`,
		`{"x":` + strings.Repeat(`{"x":`, 10000) + "1" + strings.Repeat("}", 10000) + `}`,
		`{"` + v + `":"ping","` + v + `":null}`,
	}
}

// Whatever a client says, it is answered in its surface's shape and goes on being
// served, and so does everybody else.
func TestBadFramesAreAnsweredAndForgiven(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	post := s.poster(ada, conversation)
	for _, surface := range surfaces {
		t.Run(surface, func(t *testing.T) {
			s := s.in(t)
			peer, c := s.open(surface, s.token("bob")), s.open(surface, ada)
			peer.subscribe(conversation)
			c.subscribe(conversation)
			for _, frame := range malformed(surface) {
				c.send(frame)
				if surface == "events" { // it takes no frames, and ignores them all
					continue
				}
				if code, text := c.refused(); code != invalidFormat[surface] {
					t.Errorf("%.80q is answered with %s", frame, text)
				}
			}
			if err := c.write(ws.OpBinary, "\x00\x01"); err != nil {
				t.Fatal(err)
			}
			if surface != "events" {
				if code, text := c.refused(); code != invalidFormat[surface] {
					t.Errorf("a binary frame is answered with %s", text)
				}
			}
			if more := c.alive(); len(more) > 0 {
				t.Errorf("answers without a question: %q", more)
			}
			post("still here")
			c.until(messageWord[surface])
			peer.until(messageWord[surface])
		})
	}
}

// messageWord is in the frame that tells a message.
var messageWord = map[string]string{
	"events": `"message.new"`, "bot": `"type":"message"`, "topics": `"message_posted"`, "chat": `"message.created"`,
}

// poster posts texts; the sender's token must be one of a member.
func (s *server) poster(token, conversation string) func(text string) {
	return func(text string) {
		s.t.Helper()
		s.must("POST", "/v1/chat/messages/send", token, map[string]any{"conversation_id": conversation, "content_text": text}, nil)
	}
}

// A frame of 64 KiB is taken; up to 1 MiB it is answered, whole or in pieces, and
// the socket kept; beyond, the socket is closed with 1009.
func TestFramesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	const most, drained = 64 << 10, 1 << 20
	for _, surface := range surfaces {
		t.Run(surface, func(t *testing.T) {
			s := s.in(t)
			c := s.open(surface, s.token("ada"))
			c.subscribe()
			if surface != "events" {
				c.send(padded(c.ping(), most))
				c.until(`"pong"`)
			}
			for _, size := range []int{most + 1, 200_000, drained} {
				c.send(strings.Repeat("x", size))
				if surface != "events" {
					if code, text := c.refused(); code != tooLarge[surface] {
						t.Errorf("%d bytes are answered with %s", size, text)
					}
				}
				c.alive()
			}
			c.fragments(strings.Repeat("x", 20<<10), 5)
			if surface != "events" {
				if code, text := c.refused(); code != tooLarge[surface] {
					t.Errorf("100 KiB in pieces are answered with %s", text)
				}
			}
			c.alive()
			for _, size := range []int{drained + 1, 2 << 20} {
				c := s.open(surface, s.token("ada"))
				go func() { _ = c.write(ws.OpText, strings.Repeat("x", size)) }()
				if code := c.end(patience); code != 1009 {
					t.Errorf("%d bytes: closed with %d, want 1009", size, code)
				}
			}
		})
	}
}

// fragments sends one text message of n equal pieces.
func (c *socket) fragments(piece string, n int) {
	c.t.Helper()
	for i := range n {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		frame := ws.MaskFrameInPlace(ws.NewFrame(op, i == n-1, []byte(piece)))
		if err := ws.WriteFrame(c.conn, frame); err != nil {
			c.t.Fatal(err)
		}
	}
}

// What is no WebSocket is closed with the code that RFC 6455 gives it.
func TestFramesThatAreNone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	const protocolError, notUTF8 = 1002, 1007
	mask := []byte{0, 0, 0, 0}
	masked := func(first, length byte, payload string) string {
		return string([]byte{first, 0x80 | length}) + string(mask) + payload
	}
	for _, surface := range surfaces {
		for name, test := range map[string]struct {
			bytes string
			code  int
		}{
			"not masked":                     {"\x81\x02hi", protocolError},
			"a reserved bit":                 {masked(0xc1, 2, "hi"), protocolError},
			"a reserved opcode":              {masked(0x83, 2, "hi"), protocolError},
			"a reserved control opcode":      {masked(0x8b, 0, ""), protocolError},
			"a continuation of nothing":      {masked(0x80, 2, "hi"), protocolError},
			"a text within a text":           {masked(0x01, 1, "a") + masked(0x81, 1, "b"), protocolError},
			"a ping in pieces":               {masked(0x09, 1, "a"), protocolError},
			"a long ping":                    {"\x89\xfe\x00\x80" + string(mask) + strings.Repeat("x", 128), protocolError},
			"a length with the top bit":      {"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" + string(mask), protocolError},
			"text that is not UTF-8":         {masked(0x81, 2, "\xff\xfe"), notUTF8},
			"text that ends within a rune":   {masked(0x81, 1, "\xe2"), notUTF8},
			"a surrogate":                    {masked(0x81, 3, "\xed\xa0\x80"), notUTF8},
			"a close frame of one byte":      {masked(0x88, 1, "x"), protocolError},
			"a close with a code of nobody":  {masked(0x88, 2, "\x00\x07"), protocolError},
			"a close whose reason is broken": {masked(0x88, 3, "\x03\xe8\xff"), notUTF8},
			"a length of a petabyte":         {"\x81\xff\x00\x04\x00\x00\x00\x00\x00\x00" + string(mask), 1009},
		} {
			t.Run(surface+" "+name, func(t *testing.T) {
				s := s.in(t)
				c := s.open(surface, s.token("ada"))
				if _, err := c.conn.Write([]byte(test.bytes)); err != nil {
					t.Fatal(err)
				}
				if code := c.end(patience); code != test.code {
					t.Errorf("closed with %d, want %d", code, test.code)
				}
			})
		}
	}
}

// What does not exist and what is not one's own look the same on every surface,
// byte for byte but for the id that the client named itself.
func TestUnknownAndForbiddenLookTheSameOnSockets(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ids := s.conversationsNotOf(t)
	for surface, frames := range map[string][]string{
		"bot": {
			`{"type":"subscribe","session_id":"$"}`, `{"type":"subscribe","session_id":"$","after_seq":0}`,
			`{"type":"message","session_id":"$","content":"x"}`,
			`{"type":"message","session_id":"$","content":"x","client_msg_id":"1"}`,
			`{"type":"typing_start","session_id":"$"}`, `{"type":"typing_stop","session_id":"$"}`,
			`{"type":"unsubscribe","session_id":"$"}`,
		},
		"topics": {
			`{"op":"subscribe","id":"1","topics":["events.org_test.conversations.conversation.*.$"]}`,
			`{"op":"subscribe","id":"1","topics":["events.org_test.*.conversation.*.$"]}`,
			`{"op":"subscribe","id":"1","topics":["events.org_test.*.*.*.*.conversation.$"]}`,
			`{"op":"subscribe","id":"1","topics":["events.org_test.flows.flow.run.$"]}`,
			`{"op":"unsubscribe","id":"1"}`,
		},
		"chat": {
			`{"action":"subscribe","conversation_ids":["$"]}`, `{"action":"unsubscribe","conversation_ids":["$"]}`,
			`{"action":"subscribe_session","session_id":"$"}`, `{"action":"unsubscribe_session","session_id":"$"}`,
		},
	} {
		t.Run(surface, func(t *testing.T) {
			s := s.in(t)
			c := s.open(surface, s.token("stranger"))
			for _, frame := range frames {
				var first string
				for what, id := range ids {
					c.send(strings.ReplaceAll(frame, "$", id.text))
					said := strings.Join(c.alive(), "\n")
					said = id.anonymous(said)
					switch {
					case first == "":
						first = fmt.Sprintf("%q", said)
					case first != fmt.Sprintf("%q", said):
						t.Errorf("%s: for a conversation that %s\n%s, for another\n%s", frame, what, said, first)
					}
				}
			}
		})
		t.Run(surface+" resume", func(t *testing.T) {
			s := s.in(t)
			said := map[string]string{}
			for what, id := range ids {
				c := s.open(surface, s.token("stranger"), "cursor", "")
				c.send(strings.ReplaceAll(map[string]string{
					"bot":    `{"type":"resume","session_ids":["$"]}`,
					"topics": `{"op":"resume","subscriptions":[{"id":"1","topics":["events.org_test.conversations.conversation.*.$"]}]}`,
					"chat":   `{"action":"resume","conversation_ids":["$"],"session_ids":["$"]}`,
				}[surface], "$", id.text))
				said[what] = id.anonymous(withoutCursors(strings.Join(c.alive(), "\n")))
			}
			sameForAll(t, said)
		})
	}
}
