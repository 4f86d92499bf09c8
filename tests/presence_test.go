package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// presences are the frames about somebody's presence among those that came
// before the answer to a ping: nothing that was told before it is on its way.
func (c *socket) presences() []string {
	c.t.Helper()
	var list []string
	for _, frame := range c.alive() {
		if strings.Contains(frame, "presence") {
			list = append(list, frame)
		}
	}
	return list
}

// Who shares a conversation with somebody hears once per socket, without asking
// on the chat surface, by pattern on topics, that it came and went. Who shares
// none hears nothing, and neither do the surfaces that do not speak of it.
func TestThoseWhoShareAConversationHearOfOneAnother(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--presence-grace", "1s")
	s.start()
	ada, bob, eve := s.token("ada"), s.token("bob"), s.token("eve")
	first, shared := s.conversation(ada, "direct", "bob"), s.conversation(ada, "group", "bob")
	s.conversation(eve, "group", "cyd")
	listen := func(surface, token string) *socket {
		c := s.open(surface, token)
		if surface == "topics" {
			c.send(fmt.Sprintf(`{"op":"subscribe","id":"who","topics":["events.%s.accounts.account.presence.*"]}`, org))
			c.until(`"subscribed"`)
		}
		c.alive()
		return c
	}
	chat, second, topics := listen("chat", bob), listen("chat", bob), listen("topics", bob)
	bot, events := listen("bot", bob), listen("events", bob)
	strangers := []*socket{listen("chat", eve), listen("topics", eve)}

	tell := func(status string) {
		t.Helper()
		for _, c := range []*socket{chat, second} {
			want := `{"type":"event","conversation_id":"` + shared + `","payload":{"type":"presence.updated","payload":{"user_id":"ada","status":"` + status + `"}}}`
			if got := c.until("presence"); got != want {
				t.Errorf("chat: heard %s", got)
			}
		}
		if got := topics.until(".account.presence."); !strings.Contains(got, ".account.presence.ada") || !strings.Contains(got, `"status":"`+status+`"`) {
			t.Errorf("topics: heard %s", got)
		}
		status = fmt.Sprintf("%q", status)
		if list := s.participants(bob, first); !strings.Contains(list, `"user_id":"ada"`) || !strings.Contains(list, `"status":`+status) {
			t.Errorf("participants: %s", list)
		}
	}
	chats := s.open("chat", ada)
	tell("online")
	other := s.open("bot", ada) // another device is no news, nor is it when one of two goes
	chats.conn.Close()
	again := s.open("topics", ada)
	again.alive()
	other.conn.Close()
	began := time.Now()
	again.conn.Close()
	tell("offline")
	if took := time.Since(began); took < time.Second {
		t.Errorf("it took %s", took)
	}
	for _, c := range append(strangers, chat, second, topics, bot, events) {
		if list := c.presences(); len(list) > 0 {
			t.Errorf("%s: heard %q", c.surface, list)
		}
	}
}

// C16: what one says of oneself is heard once per socket, on both nodes, and shown.
func TestOneSaysThatOneIsAway(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ada, bob := a.token("ada"), a.token("bob")
	pair := a.conversation(ada, "direct", "bob")
	ear := b.open("chat", bob)
	ear.alive()
	a.open("chat", ada)
	ear.until(`"ada","status":"online"`)
	b.must("POST", "/v1/chat/presence", ada, map[string]any{"status": "away", "status_detail": "at lunch"}, nil)
	want := `{"type":"event","conversation_id":"` + pair + `","payload":{"type":"presence.updated","payload":{"user_id":"ada","status":"away","status_detail":"at lunch"}}}`
	if got := ear.until("presence"); got != want {
		t.Errorf("heard %s", got)
	}
	for _, node := range []*server{a, b} {
		if list := node.participants(bob, pair); !strings.Contains(list, `"user_id":"ada","status":"away"`) {
			t.Errorf("participants: %s", list)
		}
	}
	if list := ear.presences(); len(list) > 0 {
		t.Errorf("heard %q", list)
	}
}

// Who has gone was last seen when its last connection ended, and not when the grace
// after it did.
func TestWhoHasGoneWasLastSeenWhenItLeft(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--presence-grace", "4s")
	s.start()
	ada, bob := s.token("ada"), s.token("bob")
	pair := s.conversation(ada, "direct", "bob")
	ear := s.open("chat", bob)
	ear.alive()
	on := s.open("chat", ada)
	ear.until(`"ada","status":"online"`)
	on.conn.Close()
	left := time.Now()
	ear.until(`"ada","status":"offline"`)
	var shown struct {
		Contact struct {
			LastSeen time.Time `json:"last_seen"`
		}
	}
	for deadline := time.Now().Add(5 * time.Second); shown.Contact.LastSeen.IsZero() && time.Now().Before(deadline); {
		s.must("GET", "/v1/chat/conversations/"+pair, bob, nil, &shown)
	}
	if late := shown.Contact.LastSeen.Sub(left); late.Abs() > 3900*time.Millisecond {
		t.Errorf("she left at %s and was last seen at %s", left, shown.Contact.LastSeen)
	}
}

// participants is the answer that lists a conversation's members.
func (s *server) participants(token, conversation string) string {
	s.t.Helper()
	var answer struct{ Participants []map[string]any }
	s.must("GET", "/v1/chat/conversations/"+conversation+"/participants", token, nil, &answer)
	var list []string
	for _, p := range answer.Participants {
		if p["user_id"] != "bob" {
			list = append(list, fmt.Sprintf(`"user_id":"%s","status":"%s"`, p["user_id"], p["status"]))
		}
	}
	return strings.Join(list, ";")
}

// P8: those who come back to a server that was killed and started again were never
// away; those who do not come back are told to have gone, by its next life.
func TestARestartIsNotHeardAsGoing(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--presence-grace", "5s")
	s.start()
	ada, bob, cyd := s.token("ada"), s.token("bob"), s.token("cyd")
	s.conversation(ada, "group", "bob", "cyd")
	ear := s.open("chat", bob)
	ear.alive()
	s.open("chat", ada)
	ear.until(`"ada","status":"online"`)
	s.open("chat", cyd)
	ear.until(`"cyd","status":"online"`)
	s.kill()
	s.start()
	ear = s.open("chat", bob)
	ear.alive()
	s.open("chat", ada)
	// The heartbeat of its last life runs out after 6 s, and then the grace.
	if got := ear.until("presence"); !strings.Contains(got, `"cyd","status":"offline"`) {
		t.Errorf("heard %s", got)
	}
	if list := ear.presences(); len(list) > 0 {
		t.Errorf("heard %q", list)
	}
}

// Two nodes agree: a move from one to the other is not heard, and of a node that
// dies the other tells.
func TestPresenceIsOneOverNodes(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, "--presence-grace", "2s")
	ada, bob, cyd := a.token("ada"), a.token("bob"), a.token("cyd")
	a.conversation(ada, "group", "bob", "cyd")
	ear := b.open("chat", bob)
	ear.alive()
	on := a.open("chat", ada)
	ear.until(`"ada","status":"online"`)
	b.open("chat", ada)
	on.conn.Close()
	a.open("chat", cyd)
	ear.until(`"cyd","status":"online"`)
	a.kill()
	if got := ear.until("presence"); !strings.Contains(got, `"cyd","status":"offline"`) {
		t.Errorf("heard %s", got)
	}
	if list := ear.presences(); len(list) > 0 {
		t.Errorf("heard %q", list)
	}
}
