package tests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// resident is how much memory the server's process has, in bytes.
func (s *server) resident() int {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Skip(err) // no Linux
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return n << 10
}

// many are the bounds of a server on which one user does what a crowd would.
var many = []string{
	"--principal-sockets", "2000", "--ip-sockets", "2000", "--events-sockets-user", "2000",
	"--failed-auth-per-second", "100000", "--publishes-per-minute", "100000",
}

// P5: listeners that never read cost a bounded amount and hold up nobody; when
// they come back with the last cursor they have read they hear the rest.
func TestTheSlowHurtNobody(t *testing.T) {
	t.Parallel()
	// They sleep for longer than anybody may, where the machine is slow.
	s := newServer(t, append(many, "--no-demo-agent", "--write-timeout", "10m", "--ping-interval", "10m")...)
	s.start()
	messages, sleepers := 5000, 50
	if testing.Short() {
		messages, sleepers = 500, 12
	}
	ada, bob := s.token("ada"), s.token("bob")
	conversation := s.conversation(ada, "group", "bob")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var awake []*listener
	for _, surface := range surfaces {
		awake = append(awake, listen(ctx, t, s, surface, bob, []string{conversation}))
	}
	var asleep []*socket
	for i := range sleepers {
		c := s.open(surfaces[i%4], bob, "cursor", "")
		c.resume(conversation)
		c.alive()
		asleep = append(asleep, c)
	}
	post := s.poster(ada, conversation)
	post("first")
	cursor := make([]string, sleepers)
	for i, c := range asleep {
		cursor[i] = cursorOf(c.until(messageWord[c.surface]))
	}
	before := s.resident()
	text := strings.Repeat("zzz ", 512) // 2 KiB each: 10 MiB for each of them, half a GiB for all
	var posting sync.WaitGroup
	for range 8 {
		posting.Go(func() {
			for range messages / 8 {
				post(text)
			}
		})
	}
	posting.Wait()
	last := uint64(messages/8*8 + 1)
	for _, ear := range awake {
		eventually(t, 30*time.Second, ear.surface+" hears everything", func() bool { return ear.count() >= int(last) })
	}
	grown := s.resident() - before
	t.Logf("%d messages before %d sleepers: %d MiB more", last, sleepers, grown>>20)
	// The ring of applied events, the frame logs and the heap's slack: as much as with
	// four sleepers. The half GiB they are owed would show.
	if grown > 300<<20 {
		t.Errorf("the server grew by %d MiB", grown>>20)
	}
	stop()
	for _, ear := range awake {
		ear.checkOnceInOrder(map[string]uint64{conversation: last})
	}
	for i, c := range asleep[:4] { // the first two wake, the others come back
		first := uint64(2)
		if i >= 2 {
			c.conn.Close()
			c = s.open(c.surface, bob, "cursor", cursor[i])
			c.resume(conversation)
		}
		var got []uint64
		for len(got) == 0 || got[len(got)-1] < last {
			got = append(got, seqsOf(t, c.surface, c.must())...)
		}
		if !slices.Equal(got, upTo(first, last)) {
			t.Errorf("%s, sleeper %d: heard %d of %d messages, or not in order", c.surface, i, len(got), last-1)
		}
	}
}

// floods sends frames until the server takes no more of them, or n were sent, and
// never reads.
func (c *socket) floods(frame string, n int) (sent int) {
	one := string(ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame([]byte(frame)))))
	chunk := strings.Repeat(one, 500)
	for sent = 0; sent < n; sent += 500 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := io.WriteString(c.conn, chunk); err != nil {
			return sent
		}
	}
	return sent
}

// Who asks without reading the answers is not read from either: what it is owed
// stays bounded, and others do not wait.
func TestFloodsOfQuestionsWithoutReading(t *testing.T) {
	t.Parallel()
	s := newServer(t, many...)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	peer := s.open("topics", s.token("bob"))
	peer.subscribe(conversation)
	before := s.resident()
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	var flooding sync.WaitGroup
	for _, surface := range surfaces {
		for _, frame := range []string{
			`{"type":"ping","op":"ping"}`,
			strings.ReplaceAll(`{"type":"subscribe","op":"subscribe","action":"subscribe","id":"1","session_id":"$","conversation_ids":["$"],"topics":["events.org_test.*.*.*.*"]}`, "$", conversation),
			"nonsense",
		} {
			c := s.open(surface, ada)
			flooding.Go(func() { c.floods(frame, n) })
		}
		c := s.open(surface, ada)
		flooding.Go(func() {
			ping := string(ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewPingFrame([]byte(strings.Repeat("p", 125))))))
			for range n / 500 {
				_ = c.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				if _, err := io.WriteString(c.conn, strings.Repeat(ping, 500)); err != nil {
					return
				}
			}
		})
	}
	for range 50 {
		s.poster(ada, conversation)("meanwhile")
		peer.until(messageWord["topics"])
	}
	flooding.Wait()
	grown := s.resident() - before
	t.Logf("%d MiB more", grown>>20)
	if grown > 96<<20 {
		t.Errorf("the server grew by %d MiB", grown>>20)
	}
	s.poster(ada, conversation)("afterwards")
	peer.until("afterwards")
}

// Clients that come and go while others talk are no matter.
func TestManyComeAndGo(t *testing.T) {
	t.Parallel()
	s := newServer(t, many...)
	s.start()
	ada, bob := s.token("ada"), s.token("bob")
	conversation := s.conversation(ada, "group", "bob")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears := surfacesOfUser(ctx, t, s, bob, conversation)
	const visits, messages = 500, 200
	var all sync.WaitGroup
	all.Go(func() {
		for range messages {
			s.poster(ada, conversation)("x")
		}
	})
	doors := map[string]url.Values{}
	for _, surface := range surfaces {
		doors[surface] = s.door(surface, bob)
	}
	atOnce(20, func(n int) {
		for i := range visits / 20 {
			surface := surfaces[(n+i)%4]
			q := url.Values{}
			for key, value := range doors[surface] {
				q[key] = value
			}
			if surface == "events" {
				q.Set("client_id", fmt.Sprint(i%3)) // they take over from each other, too
			}
			c, answer, err := upgrade(t, s.address, surface, q)
			if err != nil || c == nil {
				t.Errorf("%s: %v %v", surface, answer, err)
				continue
			}
			_ = c.tryResume(conversation)
			switch i % 3 {
			case 0: // without a word
			case 1:
				_ = c.write(ws.OpClose, "\x03\xe8")
			case 2:
				_ = c.conn.(*net.TCPConn).SetLinger(0) // with a reset
			}
			c.conn.Close()
		}
	})
	all.Wait()
	for _, ear := range ears {
		eventually(t, 20*time.Second, ear.surface+" hears everything", func() bool { return ear.count() >= messages })
	}
	stop()
	for _, ear := range ears {
		ear.checkOnceInOrder(map[string]uint64{conversation: messages})
	}
}

// surfacesOfUser listens on all four surfaces.
func surfacesOfUser(ctx context.Context, t *testing.T, s *server, token, conversation string) (ears []*listener) {
	for _, surface := range surfaces {
		ears = append(ears, listen(ctx, t, s, surface, token, []string{conversation}))
	}
	return ears
}

// Requests that never end, upgrades of one byte at a time and sockets that are
// gone without a word hold up nobody, and are let go of.
func TestHalfConnections(t *testing.T) {
	t.Parallel()
	s := newServer(t, append(many, "--ping-interval", "1s", "--pong-timeout", "1s", "--auth-timeout", "1s")...)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	for i := range 300 {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, []string{
			"", "G", "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: webso",
			"POST /v1/chat/messages/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + ada + "\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
		}[i%4])
	}
	// Those that answer no ping are closed; what they say after it is not heard.
	var gone []*socket
	for _, surface := range surfaces {
		c := s.open(surface, ada)
		c.subscribe(conversation)
		gone = append(gone, c)
	}
	for _, c := range gone {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c.from); err != nil && !errors.Is(err, io.EOF) {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%s: not closed for want of a pong", c.surface)
			}
		}
	}
	s.poster(ada, conversation)("still here")
	if a := s.request(t, "GET", "/v1/chat/conversations", ada, "", ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// Limits on sockets refuse the one too many with 429 and when to come back, and
// only that one; who leaves makes room.
func TestLimitsOnSockets(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--principal-sockets", "6", "--ip-sockets", "4", "--events-sockets-user", "3")
	s.start()
	open := func(surface, user string) (*socket, *http.Response) {
		t.Helper()
		c, answer, err := upgrade(t, s.address, surface, s.door(surface, s.token(user)))
		if err != nil {
			t.Fatal(err)
		}
		return c, answer
	}
	refused := func(surface, user string) {
		t.Helper()
		c, answer := open(surface, user)
		if c != nil {
			c.conn.Close()
			t.Errorf("%s: one more of %s is let in", surface, user)
			return
		}
		if after, _ := strconv.Atoi(answer.Header.Get("Retry-After")); answer.StatusCode != 429 || after < 1 {
			t.Errorf("%s: %s, Retry-After %q", surface, answer.Status, answer.Header.Get("Retry-After"))
		}
	}
	var held []*socket
	for range 3 {
		c, _ := open("events", "ada")
		held = append(held, c)
	}
	refused("events", "ada")
	for range 3 {
		c, _ := open("topics", "ada")
		held = append(held, c)
	}
	refused("topics", "ada")
	refused("chat", "ada") // over all surfaces
	for range 4 {
		c, _ := open("bot", "bob")
		held = append(held, c)
	}
	refused("bot", "bob") // of this address
	refused("chat", "cyd")
	for _, c := range held {
		if c == nil {
			t.Fatal("one within the limits was refused")
		}
		c.in(t).alive()
	}
	held[0].conn.Close()
	eventually(t, patience, "who left makes room", func() bool {
		c, _ := open("events", "ada")
		return c != nil
	})
}

// Over a rate it is said when to come back, in the shape of the surface, and
// nothing over it is done.
func TestFloodsOfRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--messages-per-second", "1", "--messages-burst", "5", "--publishes-per-minute", "5")
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	for path, body := range map[string]string{
		"/api/events/publish":                                `{"type":"a.b","channel":"c"}`,
		"/v1/chat/messages/send":                             fmt.Sprintf(`{"conversation_id":%q,"content_text":"x"}`, conversation),
		"/v1/chat/conversations/" + conversation + "/typing": `{"state":"start"}`,
	} {
		var mu sync.Mutex
		done, late := 0, 0
		atOnce(30, func(int) {
			a := s.request(t, "POST", path, ada, "application/json", body)
			mu.Lock()
			defer mu.Unlock()
			switch a.status {
			case 200:
				done++
			case 429:
				late++
				if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
					t.Errorf("%s: Retry-After %q", path, a.header.Get("Retry-After"))
				}
			default:
				t.Errorf("%s: %d %s", path, a.status, a.text)
			}
		})
		if done < 5 || done > 10 || done+late != 30 {
			t.Errorf("%s: %d done, %d told to come back", path, done, late)
		}
	}
	c := s.open("bot", s.token("bob"))
	c.floods(fmt.Sprintf(`{"type":"message","session_id":%q,"content":"x"}`, conversation), 500)
	if code, text := c.refused(); code != "RATE_LIMITED" || !strings.Contains(text, `"retry_after":`) {
		t.Errorf("told %s", text)
	}
	c.alive()
	// Failed authentications of an address are bounded too.
	var tooMany int
	for range 100 {
		if s.request(t, "GET", "/v1/chat/conversations", "nonsense", "", "").status == 429 {
			tooMany++
		}
	}
	if tooMany == 0 {
		t.Error("100 failed authentications at once, and none was refused for it")
	}
}

// One socket names as much as it may, and once more; and it names and lets go of
// the same over and over.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	s := newServer(t, append(many, "--no-demo-agent")...)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	most := parley.DefaultLimits().Subscriptions
	c := s.open("topics", ada)
	for n := 0; n < most; n += 500 {
		var topics []string
		for i := range 500 {
			topics = append(topics, fmt.Sprintf("events.org_test.s%d.*.*.*", n+i))
		}
		text, _ := json.Marshal(topics)
		c.send(fmt.Sprintf(`{"op":"subscribe","id":"n%d","topics":%s}`, n, text))
		if frame := c.must(); !strings.Contains(frame, `"subscribed"`) {
			t.Fatalf("%d: %.200s", n, frame)
		}
	}
	c.send(`{"op":"subscribe","id":"more","topics":["events.org_test.*.*.*.*"]}`)
	if code, text := c.refused(); code != "RATE_LIMITED" {
		t.Errorf("one more: %s", text)
	}
	c.send(`{"op":"unsubscribe","id":"n0"}`)
	c.until("unsubscribed")
	c.send(`{"op":"subscribe","id":"more","topics":["events.org_test.conversations.*.*.*"]}`)
	c.until(`"subscribed"`)
	s.poster(ada, conversation)("x")
	c.until(messageWord["topics"])

	channels := make([]string, 1500)
	for i := range channels {
		channels[i] = fmt.Sprintf("c%d", i)
	}
	s.open("events", ada, "channels", strings.Join(channels, ",")).alive()
	q := s.door("events", ada)
	q.Set("channels", strings.Repeat("c,", 20_000)+"c") // over what a header may be
	if c, answer, err := upgrade(t, s.address, "events", q); c != nil || err == nil && answer.StatusCode/100 != 4 {
		t.Errorf("40 kB of channels: %v %v", answer, err)
	}

	for surface, frames := range map[string][2]string{
		"bot":    {`{"type":"subscribe","session_id":"$"}`, `{"type":"unsubscribe","session_id":"$"}`},
		"chat":   {`{"action":"subscribe","conversation_ids":["$","$","$"]}`, `{"action":"unsubscribe","conversation_ids":["$"]}`},
		"topics": {`{"op":"subscribe","id":"1","topics":["events.org_test.conversations.*.*.$","events.org_test.*.*.*.*"]}`, `{"op":"unsubscribe","id":"1"}`},
	} {
		c := s.open(surface, ada)
		on, off := strings.ReplaceAll(frames[0], "$", conversation), strings.ReplaceAll(frames[1], "$", conversation)
		for range 200 {
			c.send(on, on, off, off)
		}
		c.alive()
		s.poster(ada, conversation)("after unsubscribing")
		if told := c.alive(); len(seqsOf(t, surface, told...)) > 0 {
			t.Errorf("%s: heard %q", surface, told)
		}
		c.send(on, on)
		c.alive()
		s.poster(ada, conversation)("once")
		c.until(messageWord[surface])
		if told := c.alive(); len(seqsOf(t, surface, told...)) > 0 && surface != "bot" {
			t.Errorf("%s: heard twice: %q", surface, told)
		}
	}
}
