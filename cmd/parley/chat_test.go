package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/parley-chat/parley/auth"
)

const fakeSession = "0192d3c1-0000-7000-8000-000000000001"

// fakeServer speaks the bot surface as far as a chat needs it. script says what
// happens on each connection, in order; the last one serves all further ones.
type fakeServer struct {
	*httptest.Server
	t      *testing.T
	script []func(c *fakeConn)

	serving sync.Mutex // held by the connection that is served: one after the other
	mu      sync.Mutex
	upgrade []string // the query of each connection
	tokens  []string // of POST /api/sessions
}

// fakeConn is one connection of a fakeServer.
type fakeConn struct {
	t    *testing.T
	conn net.Conn
}

func newFakeServer(t *testing.T, script ...func(c *fakeConn)) *fakeServer {
	s := &fakeServer{t: t, script: script}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/sessions", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.tokens = append(s.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		s.mu.Unlock()
		var body struct {
			Bot string `json:"bot_id"`
		}
		json.NewDecoder(r.Body).Decode(&body)
		if body.Bot != "demo" {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"success":false,"error":{"code":"NOT_FOUND","message":"not found"}}`)
			return
		}
		fmt.Fprintf(w, `{"id":%q,"session_id":%q}`, fakeSession, fakeSession)
	})
	mux.HandleFunc("GET /ws", s.serveSocket)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeServer) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	step := s.script[min(len(s.upgrade), len(s.script)-1)]
	s.upgrade = append(s.upgrade, r.URL.RawQuery)
	s.mu.Unlock()
	if r.URL.Query().Get("token") == "bad" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	s.serving.Lock()
	defer s.serving.Unlock()
	step(&fakeConn{t: s.t, conn: conn})
}

// next is the next frame of the client; nil where it went away.
func (c *fakeConn) next() map[string]any {
	text, err := wsutil.ReadClientText(c.conn)
	if err != nil {
		return nil
	}
	var f map[string]any
	if err := json.Unmarshal(text, &f); err != nil {
		c.t.Errorf("the client sent %s", text)
	}
	return f
}

// want is the next frame, which must be of a type.
func (c *fakeConn) want(kind string) map[string]any {
	f := c.next()
	if f["type"] != kind {
		c.t.Errorf("the client sent %v, want %s", f, kind)
	}
	return f
}

// say sends frames; SESSION stands for the session.
func (c *fakeConn) say(frames ...string) {
	for _, f := range frames {
		if err := wsutil.WriteServerText(c.conn, []byte(strings.ReplaceAll(f, "SESSION", fakeSession))); err != nil {
			return
		}
	}
}

func (c *fakeConn) ack(message map[string]any, seq int) {
	c.say(fmt.Sprintf(`{"type":"message_ack","client_msg_id":%q,"message_id":"m%d","seq":%d}`, message["client_msg_id"], seq, seq))
}

// wait lets the client hang up.
func (c *fakeConn) wait() {
	for c.next() != nil {
	}
}

// chat runs the command and returns its code and what it printed.
func chat(t *testing.T, s *fakeServer, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, notes bytes.Buffer
	args = append([]string{"chat", "--url", s.URL, "--timeout", "10s"}, args...)
	if !slices.Contains(args, "--data") && !slices.Contains(args, "--token") {
		args = append(args, "--token", "t0ken")
	}
	code = run(args, strings.NewReader(input), &out, &notes, nil)
	s.serving.Lock() // the script has seen the client hang up
	defer s.serving.Unlock()
	if strings.Contains(notes.String(), "t0ken") {
		t.Errorf("the token is told: %s", &notes)
	}
	return code, out.String(), notes.String()
}

func wantChat(t *testing.T, s *fakeServer, input, want string, args ...string) {
	t.Helper()
	if code, out, notes := chat(t, s, input, args...); code != 0 || out != want {
		t.Errorf("exit %d, printed %q, want %q\n%s", code, out, want, notes)
	}
}

// answer streams "It is on its way.", with a tool, in pieces that overlap.
func answer(c *fakeConn) {
	c.say(
		`{"type":"bot_typing","session_id":"SESSION","is_typing":true}`,
		`{"type":"stream_start","session_id":"SESSION","message_id":"a1"}`,
		`{"type":"tool_call","session_id":"SESSION","tool":"search_orders","arguments":{"order_id":"12345"}}`,
		`{"type":"stream_chunk","session_id":"SESSION","message_id":"a1","content":"It is","offset":0}`,
		`{"type":"stream_chunk","session_id":"other","message_id":"a1","content":"x","offset":5}`,
		`{"type":"stream_chunk","session_id":"SESSION","message_id":"a1","content":"It is on","offset":0}`,
		`{"type":"stream_chunk","session_id":"SESSION","message_id":"a1","content":" on its","offset":5}`,
		`{"type":"stream_end","session_id":"SESSION","message_id":"a1","content":"It is on its way.","status":"completed","seq":2,"cursor":"c2"}`,
	)
}

func TestChatPrintsAnAnswerAndEnds(t *testing.T) {
	s := newFakeServer(t, func(c *fakeConn) {
		if f := c.want("subscribe"); f["session_id"] != fakeSession {
			t.Errorf("subscribed to %v", f)
		}
		f := c.want("message")
		if f["content"] != "Where is my order 12345?" || f["client_msg_id"] == "" {
			t.Errorf("sent %v", f)
		}
		c.ack(f, 1)
		answer(c)
		c.wait()
	})
	code, out, notes := chat(t, s, "\nWhere is my order 12345?\n")
	if code != 0 || out != "It is on its way.\n" {
		t.Errorf("exit %d, printed %q", code, out)
	}
	if notes != `→ search_orders {"order_id":"12345"}`+"\n" {
		t.Errorf("noted %q", notes)
	}
	if s.upgrade[0] != "token=t0ken" || s.tokens[0] != "t0ken" {
		t.Errorf("came with %q and %q", s.upgrade, s.tokens)
	}
}

func TestChatAsksOneAfterTheOther(t *testing.T) {
	s := newFakeServer(t, func(c *fakeConn) {
		c.want("subscribe")
		for i := 1; ; i++ {
			f := c.next()
			if f == nil {
				return
			}
			c.ack(f, 2*i-1)
			// An answer that was not streamed, and once more as history.
			m := fmt.Sprintf(`{"type":"message","session_id":"SESSION","message_id":"a%d","role":"assistant","content":"%v!","seq":%d}`, i, f["content"], 2*i)
			c.say(m, m)
		}
	})
	wantChat(t, s, "one\ntwo\nthree", "one!\ntwo!\nthree!\n")
}

func TestChatWithoutInputEnds(t *testing.T) {
	s := newFakeServer(t, (*fakeConn).wait)
	wantChat(t, s, "", "")
}

func TestChatMakesItsOwnToken(t *testing.T) {
	dir := t.TempDir()
	s := newFakeServer(t, func(c *fakeConn) {
		c.want("subscribe")
		c.ack(c.want("message"), 1)
		answer(c)
		c.wait()
	})
	if code, _, notes := chat(t, s, "hi", "--data", dir); code != 2 || !strings.Contains(notes, "there is no signing key in "+dir) {
		t.Errorf("exit %d, %s", code, notes)
	}
	keys, err := auth.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantChat(t, s, "hi", "It is on its way.\n", "--data", dir, "--user", "user_ana")
	if got := subject(t, keys, s.tokens[0]); got != "user_ana" {
		t.Errorf("the token is for %s", got)
	}
}

func TestChatGoesOnWithASession(t *testing.T) {
	s := newFakeServer(t, func(c *fakeConn) {
		c.want("subscribe")
		// Somebody else's answer is still growing, and an old one is told late.
		c.say(`{"type":"stream_start","session_id":"SESSION","message_id":"old"}`)
		f := c.want("message")
		c.say(`{"type":"stream_chunk","session_id":"SESSION","message_id":"old","content":"no","offset":0}`)
		c.ack(f, 7)
		c.say(`{"type":"message","session_id":"SESSION","message_id":"older","role":"assistant","content":"no","seq":3}`)
		c.say(`{"type":"message","session_id":"SESSION","message_id":"u","role":"user","content":"no","seq":8}`)
		c.say(`{"type":"stream_end","session_id":"SESSION","message_id":"old","content":"no","status":"completed","seq":9}`)
		answer10 := `{"type":"stream_start","session_id":"SESSION","message_id":"a"}`
		c.say(answer10, `{"type":"stream_chunk","message_id":"a","content":"y"}`, `{"type":"stream_chunk","message_id":"a","content":"e"}`)
		c.say(`{"type":"stream_end","message_id":"a","content":"yes"}`) // as the documents have it
		c.wait()
	})
	// The first stream may be heard after the question was sent: send it later.
	in, out := io.Pipe()
	go func() {
		deadline := time.Now().Add(5 * time.Second)
		for time.Now().Before(deadline) {
			s.mu.Lock()
			n := len(s.upgrade)
			s.mu.Unlock()
			if n > 0 {
				break
			}
			<-time.After(time.Millisecond)
		}
		<-time.After(50 * time.Millisecond)
		io.WriteString(out, "really?\n")
		out.Close()
	}()
	var stdout, stderr bytes.Buffer
	code := run([]string{"chat", "--url", s.URL, "--token", "t0ken", "--session", fakeSession}, in, &stdout, &stderr, nil)
	if code != 0 || stdout.String() != "yes\n" {
		t.Errorf("exit %d, printed %q\n%s", code, &stdout, &stderr)
	}
	if len(s.tokens) != 0 {
		t.Error("a session was begun")
	}
}

func TestChatComesBackWithItsCursor(t *testing.T) {
	var first string
	s := newFakeServer(t,
		func(c *fakeConn) {
			c.want("subscribe")
			c.say(`{"type":"session_created","session_id":"SESSION","cursor":"c1"}`)
			f := c.want("message")
			c.ack(f, 1)
			c.say(`{"type":"stream_start","session_id":"SESSION","message_id":"a1"}`,
				`{"type":"stream_chunk","session_id":"SESSION","message_id":"a1","content":"It is on","offset":0}`)
		},
		func(c *fakeConn) {
			f := c.want("resume")
			first = fmt.Sprint(f["session_ids"])
			c.say(`{"type":"stream_start","session_id":"SESSION","message_id":"a1"}`, // the snapshot
				`{"type":"stream_chunk","session_id":"SESSION","message_id":"a1","content":"It is on its","offset":0}`,
				`{"type":"stream_end","session_id":"SESSION","message_id":"a1","content":"It is on its way.","status":"completed","seq":2}`)
			c.wait()
		},
	)
	wantChat(t, s, "where?", "It is on its way.\n")
	if len(s.upgrade) != 2 || s.upgrade[1] != "cursor=c1&token=t0ken" || first != "["+fakeSession+"]" {
		t.Errorf("came back with %q for %s", s.upgrade, first)
	}
}

func TestChatSendsAgainWhatWasNotAcknowledged(t *testing.T) {
	var ids []any
	s := newFakeServer(t,
		func(c *fakeConn) {
			c.want("subscribe")
			c.say(`{"type":"cursor","cursor":"c1"}`)
			ids = append(ids, c.want("message")["client_msg_id"])
		},
		func(c *fakeConn) {
			c.want("resume")
			f := c.want("message")
			ids = append(ids, f["client_msg_id"])
			// It had been stored, and answered: the replay comes before the answer to it.
			c.say(`{"type":"message","session_id":"SESSION","message_id":"m1","role":"user","content":"where?","seq":1}`,
				`{"type":"message","session_id":"SESSION","message_id":"a1","role":"assistant","content":"Here.","seq":2}`)
			c.ack(f, 1)
			c.wait()
		},
	)
	wantChat(t, s, "where?", "Here.\n")
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("client_msg_ids %v, want one twice", ids)
	}
}

func TestChatWithoutACursorAsksForHistory(t *testing.T) {
	s := newFakeServer(t,
		func(c *fakeConn) { c.want("subscribe"); c.ack(c.want("message"), 5) },
		func(c *fakeConn) {
			c.want("subscribe")
			if f := c.want("subscribe"); f["after_seq"] != 5.0 {
				t.Errorf("asks for %v", f)
			}
			c.say(`{"type":"message","session_id":"SESSION","message_id":"a1","role":"assistant","content":"Here.","seq":6}`)
			c.wait()
		},
	)
	wantChat(t, s, "where?", "Here.\n")
}

func TestChatAnswersPings(t *testing.T) {
	s := newFakeServer(t, func(c *fakeConn) {
		c.want("subscribe")
		c.ack(c.want("message"), 1)
		ws.WriteFrame(c.conn, ws.NewPingFrame([]byte("still there?")))
		f, err := ws.ReadFrame(c.conn)
		if err != nil || f.Header.OpCode != ws.OpPong || !f.Header.Masked || string(ws.UnmaskFrame(f).Payload) != "still there?" {
			t.Errorf("got %v, %v; want a pong", f, err)
		}
		answer(c)
		c.wait()
	})
	wantChat(t, s, "where?", "It is on its way.\n")
}

func TestChatFailsWithASentence(t *testing.T) {
	answered := func(frames ...string) func(c *fakeConn) {
		return func(c *fakeConn) { c.want("subscribe"); c.ack(c.want("message"), 1); c.say(frames...); c.wait() }
	}
	closed := func(code ws.StatusCode) func(c *fakeConn) {
		return func(c *fakeConn) {
			c.want("subscribe")
			ws.WriteFrame(c.conn, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "revoked")))
			c.wait()
		}
	}
	for name, c := range map[string]struct {
		script func(c *fakeConn)
		args   []string
		out    string
		want   string
	}{
		"a token that is not accepted": {nil, []string{"--token", "bad"}, "", "the server does not accept the token (401)"},
		"an agent that is not there":   {nil, []string{"--bot", "nobody"}, "", "the server did not begin a session with nobody: not found (404)"},
		"an interrupted answer": {answered(
			`{"type":"stream_start","session_id":"SESSION","message_id":"a1"}`,
			`{"type":"stream_end","session_id":"SESSION","message_id":"a1","content":"It","status":"interrupted"}`,
		), nil, "It\n", "the answer was interrupted"},
		"an error":          {answered(`{"type":"error","code":"RATE_LIMITED","message":"too many messages"}`), nil, "", "the server says: too many messages (RATE_LIMITED)"},
		"a closed session":  {answered(`{"type":"session_closed","session_id":"SESSION","reason":"ended"}`), nil, "", "the session was closed: ended"},
		"no answer in time": {answered(`{"type":"stream_chunk","message_id":"a1","content":"It"}`), []string{"--timeout", "200ms"}, "It\n", "there was no whole answer within 200ms"},
		"a revoked token":   {closed(4501), nil, "", "the server closed the connection for good: revoked (4501)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t, c.script)
			code, out, notes := chat(t, s, "where?", c.args...)
			if code != 1 || out != c.out || notes != "parley: "+c.want+"\n" {
				t.Errorf("exit %d, printed %q and %q, want %q", code, out, notes, c.want)
			}
		})
	}
}

func TestChatWithoutAServer(t *testing.T) {
	s := newFakeServer(t, nil)
	s.Close()
	for _, args := range [][]string{nil, {"--session", fakeSession}} {
		code, _, notes := chat(t, s, "where?", args...)
		if code != 1 || !strings.Contains(notes, "connection refused") || strings.Contains(notes, "token=") {
			t.Errorf("exit %d, %s", code, notes)
		}
	}
}

func TestATerminalIsSafeFromAnswers(t *testing.T) {
	var out bytes.Buffer
	screen{&out, true}.print("a\x1b]0;title\x07\u009b1m\tb\n")
	if got, want := out.String(), "a\ufffd]0;title\ufffd\ufffd1m\tb\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	screen{&out, false}.print("a\x1b[m")
	if out.String() != "a\x1b[m" {
		t.Error("a pipe does not get every byte")
	}
}
