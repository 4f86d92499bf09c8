package tests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
)

// noneHas fails the test where one of the frames has a word in it.
func noneHas(t testing.TB, surface, word string, frames []string) {
	t.Helper()
	for _, frame := range frames {
		if strings.Contains(frame, word) {
			t.Errorf("%s: heard %.300s", surface, frame)
		}
	}
}

// P6: who is removed hears nothing that was committed afterwards, on no surface:
// neither as a listener that keeps up, nor as one that has not read for long, nor
// as one that comes back with its cursor.
func TestWhoIsRemovedHearsNothingMore(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada, eve := s.token("ada"), s.token("eve")
	conversation := s.conversation(ada, "group", "bob", "eve")
	post := s.poster(ada, conversation)
	type ear struct {
		quick, slow *socket
		cursor      string
	}
	ears := map[string]*ear{}
	for _, surface := range surfaces {
		e := &ear{quick: s.open(surface, eve), slow: s.open(surface, eve, "cursor", "")}
		e.slow.resume(conversation)
		e.quick.subscribe(conversation)
		ears[surface] = e
	}
	post("before")
	for surface, e := range ears {
		e.cursor = cursorOf(e.slow.until(messageWord[surface]))
	}
	const last = 100
	for range last - 1 {
		post("before " + strings.Repeat("x", 16<<10)) // 1.6 MB: more than a socket's buffers hold
	}
	s.must("DELETE", "/v1/chat/conversations/"+conversation+"/participants/eve", ada, nil, nil)
	for range 5 {
		post("secret")
	}
	s.must("POST", "/v1/chat/conversations/"+conversation+"/typing", ada, map[string]any{"state": "start"}, nil)
	for surface, e := range ears {
		t.Run(surface, func(t *testing.T) {
			s := s.in(t)
			hears := func(what string, c *socket, first uint64) {
				t.Helper()
				told := append(c.told(last), c.alive()...)
				noneHas(t, surface+", "+what, "secret", told)
				if got := seqsOf(t, surface, told...); !slices.Equal(got, upTo(first, last)) {
					t.Errorf("%s: heard %v", what, got)
				}
			}
			hears("quick", e.quick.in(t), 1)
			hears("slow", e.slow.in(t), 2) // it has read the first
			again := s.open(surface, eve, "cursor", e.cursor)
			again.resume(conversation)
			hears("back", again, 2)
			c := s.open(surface, eve) // nor may it ask for what it does not hear
			if frame := askFor[surface]; frame != "" {
				c.send(strings.ReplaceAll(frame, "$", conversation))
				c.refused()
			}
			post("secret")
			if told := c.alive(); len(seqsOf(t, surface, told...)) > 0 {
				t.Errorf("heard %q after asking", told)
			}
		})
	}
	var page struct {
		Messages []struct {
			ContentText string `json:"content_text"`
		}
		CurrentSeq int `json:"current_seq"`
	}
	s.must("GET", "/v1/chat/conversations/"+conversation+"/messages?limit=500", eve, nil, &page)
	if page.CurrentSeq != last || len(page.Messages) != last {
		t.Errorf("history shows %d messages up to %d, want %d", len(page.Messages), page.CurrentSeq, last)
	}
	// Who comes again hears what is said from then on, and of the time between not
	// even by its old cursor.
	s.must("POST", "/v1/chat/conversations/"+conversation+"/participants", ada, map[string]any{"user_ids": []string{"eve"}}, nil)
	post("again")
	now := uint64(last + 5 + len(surfaces) + 1)
	for surface, e := range ears {
		c := s.open(surface, eve, "cursor", e.cursor)
		c.resume(conversation)
		if got := seqsOf(t, surface, c.told(now)...); !slices.Equal(got, append(upTo(2, last), now)) {
			t.Errorf("%s: back again: heard %v", surface, got)
		}
	}
}

// askFor are frames that ask for one conversation.
var askFor = map[string]string{
	"bot":    `{"type":"subscribe","session_id":"$"}`,
	"topics": `{"op":"subscribe","id":"1","topics":["events.org_test.conversations.conversation.*.$"]}`,
	"chat":   `{"action":"subscribe","conversation_ids":["$"]}`,
}

// resume names the whole set of what a socket that came with a cursor wants.
func (c *socket) resume(conversation string) {
	c.t.Helper()
	l := &listener{surface: c.surface, conversations: []string{conversation}}
	c.send(l.hello(true)...)
}

// told reads up to and with the message of a seq, and returns all frames.
func (c *socket) told(seq uint64) (frames []string) {
	c.t.Helper()
	for {
		frame, err := c.next(patience)
		if err != nil {
			c.t.Fatalf("%s: no message %d: %v; heard %v, last %.300q", c.surface, seq, err, seqsOf(c.t, c.surface, frames...), frames[max(0, len(frames)-3):])
		}
		frames = append(frames, frame)
		if slices.Contains(seqsOf(c.t, c.surface, frame), seq) {
			return frames
		}
	}
}

// seqsOf are the messages that frames tell of.
func seqsOf(t testing.TB, surface string, frames ...string) (seqs []uint64) {
	t.Helper()
	l := &listener{t: t, surface: surface, ready: make(chan struct{}), answers: map[string]*answer{}}
	for _, frame := range frames {
		l.take([]byte(frame))
	}
	for _, h := range l.heard {
		seqs = append(seqs, h.seq)
	}
	return seqs
}

// upTo are the seqs of first to last.
func upTo(first, last uint64) (seqs []uint64) {
	for n := first; n <= last; n++ {
		seqs = append(seqs, n)
	}
	return seqs
}

// cursorOf is the cursor that a frame carries.
func cursorOf(frame string) string {
	_, rest, _ := strings.Cut(frame, `"cursor":"`)
	cursor, _, _ := strings.Cut(rest, `"`)
	return cursor
}

// Messages for those who run a conversation are silent to all others: no frame,
// no text in history, only their place in the order.
func TestInternalMessagesAreSilent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada, bob := s.token("ada"), s.token("bob", append(parley.UserScopes.List(), parley.ScopeOrgRead)...)
	conversation := s.conversation(ada, "group", "bob")
	var owners, members []*socket
	cursor := map[string]string{}
	for _, surface := range surfaces {
		o, m := s.open(surface, ada), s.open(surface, bob, "cursor", "")
		o.subscribe(conversation)
		m.resume(conversation)
		m.alive()
		owners, members = append(owners, o), append(members, m)
	}
	post := s.poster(ada, conversation)
	post("public-1")
	for _, c := range members {
		cursor[c.surface] = cursorOf(c.until(messageWord[c.surface]))
	}
	s.must("POST", "/v1/chat/messages/send", ada, map[string]any{"conversation_id": conversation, "content_text": "hush", "is_internal": true}, nil)
	post("public-2")
	for _, c := range owners {
		for range 3 {
			c.until(messageWord[c.surface])
		}
	}
	check := func(what string, c *socket) {
		frames := []string{c.until(messageWord[c.surface])}
		frames = append(frames, c.alive()...)
		noneHas(t, c.surface+", "+what, "hush", frames)
		if n := countWith(frames, messageWord[c.surface]); n != 1 {
			t.Errorf("%s, %s: told %d messages after the first, want 1: %q", c.surface, what, n, frames)
		}
	}
	for _, c := range members {
		check("live", c)
		again := s.open(c.surface, bob, "cursor", cursor[c.surface])
		again.resume(conversation)
		check("replay", again)
	}
	for _, path := range []string{
		"/v1/chat/conversations/" + conversation + "/messages", "/api/sessions/" + conversation + "/history",
		"/v1/chat/conversations", "/api/sessions/" + conversation, "/v1/chat/conversations/" + conversation + "/participants",
	} {
		a := s.request(t, "GET", path, bob, "", "")
		if a.status != 200 || strings.Contains(a.text, "hush") {
			t.Errorf("GET %s: %d %s", path, a.status, a.text)
		}
	}
	c := s.open("bot", bob)
	c.send(fmt.Sprintf(`{"type":"subscribe","session_id":%q,"after_seq":0}`, conversation))
	c.until("public-2")
	a := s.request(t, "POST", "/v1/chat/messages/send", bob, "application/json",
		fmt.Sprintf(`{"conversation_id":%q,"content_text":"x","is_internal":true}`, conversation))
	if a.status != 403 {
		t.Errorf("a member who does not run it sends an internal message: %d %s", a.status, a.text)
	}
}

func countWith(frames []string, word string) (n int) {
	for _, frame := range frames {
		n += strings.Count(frame, word)
	}
	return n
}

// What one org says no other hears, whatever it asks for, under the same names.
func TestOrgsAreApart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	scopes := append(parley.UserScopes.List(), parley.ScopeOrgRead)
	ada := s.token("ada", scopes...)
	abroad, err := s.keys.Mint(auth.Claims{Subject: "ada", Org: "org_other", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	conversation := s.conversation(ada, "group", "bob")
	var strangers []*socket
	for _, surface := range surfaces {
		c := s.open(surface, abroad, "channels", "conversation,news")
		if surface == "topics" {
			for _, topic := range []string{"events.org_test.*.*.*.*", "events.*.*.*.*.*", "events.org_test.conversations.conversation.*." + conversation} {
				c.send(fmt.Sprintf(`{"op":"subscribe","id":"1","topics":[%q]}`, topic))
				if code, text := c.refused(); code != "FORBIDDEN" {
					t.Errorf("%s: %s", topic, text)
				}
			}
			c.send(`{"op":"subscribe","id":"1","topics":["events.org_other.*.*.*.*"]}`)
			c.until("subscribed")
		} else if frame := askFor[surface]; frame != "" {
			c.send(strings.ReplaceAll(frame, "$", conversation))
			c.refused()
		}
		strangers = append(strangers, c)
	}
	s.poster(ada, conversation)("domestic")
	s.must("POST", "/api/events/publish", ada, map[string]any{"type": "a.b", "channel": "news", "data": map[string]any{"x": "domestic"}}, nil)
	home := s.open("topics", ada)
	home.subscribe(conversation)
	s.poster(ada, conversation)("domestic")
	home.until("domestic")
	for _, c := range strangers {
		noneHas(t, c.surface, "domestic", c.alive())
	}
	for _, path := range []string{"/v1/chat/conversations", "/api/sessions"} {
		if a := s.request(t, "GET", path, abroad, "", ""); strings.Contains(a.text, conversation) {
			t.Errorf("GET %s: %s", path, a.text)
		}
	}
}

// A member is added and removed over and over while others post: what it hears is
// what was said during its stays, and nothing of the times between.
func TestStaysUnderFire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada, eve := s.token("ada"), s.token("eve")
	conversation := s.conversation(ada, "group", "bob")
	path := "/v1/chat/conversations/" + conversation + "/participants"
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var posting sync.WaitGroup
	for i := range 4 {
		post := s.poster(ada, conversation)
		posting.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				post(fmt.Sprintf("m-%d-%d", i, n))
			}
		})
	}
	whole, part := s.open("topics", ada), s.open("topics", eve)
	topic := fmt.Sprintf(`{"op":"subscribe","id":"1","topics":["events.%s.conversations.conversation.*.*"]}`, org)
	whole.send(topic)
	part.send(topic)
	whole.until("subscribed")
	part.until("subscribed")
	for range 20 {
		s.must("POST", path, ada, map[string]any{"user_ids": []string{"eve"}}, nil)
		s.must("DELETE", path+"/eve", ada, nil, nil)
	}
	stop()
	posting.Wait()
	s.poster(ada, conversation)("the end")
	var want []string
	stays, inside := 0, false
	for ended := false; !ended; {
		frame := whole.must()
		name, about := eventOf(t, frame)
		switch {
		case name == "participant_added" && strings.Contains(frame, "eve"):
			stays, inside = stays+1, true
		case name == "participant_removed":
			inside = false
		case name == "message_posted" && inside:
			want = append(want, about)
		}
		ended = strings.Contains(frame, "the end")
	}
	if stays != 20 {
		t.Fatalf("%d stays", stays)
	}
	var got []string
	for _, frame := range part.alive() {
		if name, about := eventOf(t, frame); name == "message_posted" {
			got = append(got, about)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %d messages, %d were said during the stays:\n%v\n%v", len(got), len(want), got, want)
	}
}

// eventOf is the name of a topics frame's event and the place it has in its
// conversation.
func eventOf(t testing.TB, frame string) (name, place string) {
	t.Helper()
	_, rest, _ := strings.Cut(frame, `"eventName":"`)
	name, _, _ = strings.Cut(rest, `"`)
	_, rest, _ = strings.Cut(frame, `"changeSeq":`)
	place, _, _ = strings.Cut(rest, "}")
	place, _, _ = strings.Cut(place, ",")
	return name, place
}
