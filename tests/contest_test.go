package tests

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

// atOnce runs n of fn at the same moment.
func atOnce(n int, fn func(i int)) {
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { <-begin; fn(i) })
	}
	close(begin)
	all.Wait()
}

// Many send the same at once: it is one message, and each is told so. Of two that
// differ under one client_msg_id one is a conflict.
func TestTheSameMessageSentAtOnceIsOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	const rounds = 5
	for round := range rounds {
		var mu sync.Mutex
		ids := map[string]int{}
		atOnce(16, func(i int) {
			var m struct{ ID string }
			path, body := "/v1/chat/messages/send", map[string]any{"conversation_id": conversation, "content_text": fmt.Sprint("same ", round), "client_msg_id": fmt.Sprint(round)}
			if i%2 == 1 { // the same through another surface
				path, body = "/api/sessions/"+conversation+"/messages", map[string]any{"content": fmt.Sprint("same ", round), "client_msg_id": fmt.Sprint(round)}
			}
			if _, err := s.call(context.Background(), "POST", path, ada, body, &m); err != nil {
				t.Error(err)
			}
			id, err := parley.ParseMessageID(m.ID)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			ids[id.String()]++
			mu.Unlock()
		})
		if len(ids) != 1 {
			t.Errorf("told of %d messages: %v", len(ids), ids)
		}
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	atOnce(16, func(i int) {
		status, _ := s.call(context.Background(), "POST", "/v1/chat/messages/send", ada,
			map[string]any{"conversation_id": conversation, "content_text": fmt.Sprint(i), "client_msg_id": "differs"}, nil)
		mu.Lock()
		statuses[status]++
		mu.Unlock()
	})
	if statuses[200] != 1 || statuses[409] != 15 {
		t.Errorf("16 texts under one client_msg_id: %v", statuses)
	}
	checkStored(t, s, ada, []string{conversation}, rounds+1)
}

// Both of a pair, and each many times, begin their conversation at once: there is
// one.
func TestADirectConversationBegunAtOnceIsOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	users := []string{"ada", "bob"}
	tokens := []string{s.token("ada"), s.token("bob")}
	var mu sync.Mutex
	ids := map[string]int{}
	atOnce(20, func(i int) {
		id := s.conversation(tokens[i%2], "direct", users[1-i%2])
		mu.Lock()
		ids[id]++
		mu.Unlock()
	})
	if len(ids) != 1 {
		t.Errorf("%d conversations: %v", len(ids), ids)
	}
	// The same key published at once is one event.
	events := map[string]int{}
	atOnce(16, func(int) {
		var published struct {
			EventID string `json:"event_id"`
		}
		s.must("POST", "/api/events/publish", tokens[0], map[string]any{"type": "a.b", "channel": "c", "idempotency_key": "k"}, &published)
		mu.Lock()
		events[published.EventID]++
		mu.Unlock()
	})
	if len(events) != 1 {
		t.Errorf("%d events: %v", len(events), events)
	}
}

// A cursor that is not of this log is answered with a call to reload, before
// anything else; the socket then goes on at now.
func TestACursorThatIsNotOursIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s, other := newServer(t), newServer(t)
	s.start()
	other.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	post := s.poster(ada, conversation)
	cursor := func(s *server, token, conversation string) string {
		c := s.in(t).open("topics", token)
		c.send(`{"op":"subscribe","id":"1","topics":["events.` + orgOf(token) + `.*.*.*.*"]}`)
		return cursorOf(c.until("subscribed"))
	}
	for range 20 {
		post("x")
	}
	abroad, err := s.keys.Mint(auth.Claims{Subject: "ada", Org: "org_other"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.conversation(abroad, "group", "bob")
	for range 5 {
		s.poster(abroad, elsewhere)("x")
	}
	far := other.conversation(other.token("ada"), "group", "bob")
	other.poster(other.token("ada"), far)("x")
	own, err := parley.ParseCursor(cursor(s, ada, conversation))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"of another server": cursor(other, other.token("ada"), far),
		"of another org":    cursor(s, abroad, elsewhere),
		"of the future":     parley.Position{Epoch: own.Epoch, Offset: own.Offset + 1000}.Cursor(),
		"of the far future": parley.Position{Epoch: own.Epoch, Offset: 1<<63 - 1}.Cursor(),
		"past the end":      parley.Position{Epoch: own.Epoch, Offset: 1<<64 - 1}.Cursor(),
		"of no epoch":       parley.Position{Epoch: own.Epoch + 1, Offset: own.Offset}.Cursor(),
		"random":            base64.RawURLEncoding.EncodeToString([]byte("0123456789")),
		"no base64":         "%%%", "long": strings.Repeat("A", 4000), "short": "A", "with a NUL": "AA\x00A",
	} {
		for _, surface := range surfaces {
			t.Run(surface+" "+what, func(t *testing.T) {
				c := s.in(t).open(surface, ada, "cursor", text)
				c.resume(conversation)
				first := c.must()
				if !strings.Contains(first, "reload") {
					t.Fatalf("told %s", first)
				}
				more := c.alive()
				if n := len(seqsOf(t, surface, more...)); n > 0 {
					t.Errorf("%d old messages after the call to reload", n)
				}
				s.in(t).poster(ada, conversation)("now")
				c.until(messageWord[surface])
				c.conn.Close()
			})
		}
	}
}

// orgOf reads a token's org, without checking anything.
func orgOf(token string) string {
	text, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct{ Org string }
	_ = json.Unmarshal(text, &claims)
	return claims.Org
}

// Fifty clients come back with the same cursor at once, while more is said: each
// hears all it missed, once and in order, and goes on.
func TestAStormOfReturns(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--principal-sockets", "200", "--ip-sockets", "200", "--events-sockets-user", "200")
	s.start()
	ada, bob := s.token("ada"), s.token("bob")
	conversation := s.conversation(ada, "group", "bob")
	post := s.poster(ada, conversation)
	cursor := map[string]string{}
	for _, surface := range surfaces {
		c := s.open(surface, bob, "cursor", "")
		c.resume(conversation)
		c.alive()
		post("before")
		cursor[surface] = cursorOf(c.until(messageWord[surface]))
		c.conn.Close()
	}
	const missed, more = 300, 100
	for range missed {
		post("missed")
	}
	var all sync.WaitGroup
	all.Go(func() {
		for range more {
			post("live")
		}
	})
	atOnce(50, func(i int) {
		surface := surfaces[i%4]
		q := s.door(surface, bob)
		q.Set("cursor", cursor[surface])
		c, answer, err := upgrade(t, s.address, surface, q)
		if err != nil || c == nil {
			t.Errorf("%s: %v %v", surface, answer, err)
			return
		}
		defer c.conn.Close()
		if err := c.tryResume(conversation); err != nil {
			t.Error(err)
			return
		}
		var got []uint64
		for len(got) == 0 || got[len(got)-1] < 4+missed+more {
			frame, err := c.next(patience)
			if err != nil {
				t.Errorf("%s: %v after %d messages", surface, err, len(got))
				return
			}
			got = append(got, seqsOf(t, surface, frame)...)
		}
		if want := upTo(uint64(i%4)+2, 4+missed+more); !slices.Equal(got, want) {
			t.Errorf("%s: heard %v", surface, got)
		}
	})
	all.Wait()
}

// tryResume is resume where a failure is the caller's to tell.
func (c *socket) tryResume(conversation string) error {
	l := &listener{surface: c.surface, conversations: []string{conversation}}
	for _, frame := range l.hello(true) {
		if err := c.write(1, frame); err != nil {
			return err
		}
	}
	return nil
}
