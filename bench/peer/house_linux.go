package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/proc"
)

// House is a Parley that runs, in a process of its own or in this one.
type House struct {
	Addr string
	Mint func(auth.Claims) (string, error)
	TLS  *tls.Config // how it is reached; nil: without TLS
	Proc *proc.Proc  // nil: in this process

	born   int64 // its memory when it had just started
	client http.Client
}

// Token is an access token for a user, or for the back end that publishes where
// kind is parley.KindService.
func (h *House) Token(user string, kind parley.PrincipalKind) (string, error) {
	c := auth.Claims{Subject: parley.PrincipalID(user), Org: Org, Kind: kind, TTL: 24 * time.Hour}
	if kind == parley.KindService {
		c.Scopes = []parley.Scope{
			parley.ScopeEventsPublish, parley.ScopeEventsSubscribe, parley.ScopeConversationsRead,
			parley.ScopeConversationsWrite, parley.ScopeSystemPublish,
		}
	}
	return h.Mint(c)
}

// Post sends a request and reads the answer into out, where that is not nil.
func (h *House) Post(ctx context.Context, path, token string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	scheme := "http"
	if h.TLS != nil {
		scheme = "https"
		h.client.Transport = &http.Transport{TLSClientConfig: h.TLS, MaxIdleConnsPerHost: 8}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+h.Addr+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := h.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s: %.300s", path, answer.Status, said)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(said, out)
}

// User is the name of the i-th listener.
func User(i int) string { return fmt.Sprintf("user_%05d", i) }

const publisherName = "publisher"

// Conversation makes a conversation of the publisher with others.
func (h *House) Conversation(ctx context.Context, token string, members []string) (string, error) {
	var made struct{ ID string }
	err := h.Post(ctx, "/v1/chat/conversations", token, map[string]any{"type": "group", "name": "bench", "participant_ids": members}, &made)
	return made.ID, err
}

// spoken is what a plan comes to on one surface.
type spoken struct {
	house         *House
	surface       Surface
	plan          *Plan
	addr          netip.AddrPort
	tokens        []string // of the listeners
	user, service string   // tokens of who publishes: a member of the conversations, and the back end
	conversations []string // one for each topic; nil where topics are channels
}

func (h *House) target(ctx context.Context, s Surface, plan *Plan) (*Target, error) {
	v := &spoken{house: h, surface: s, plan: plan}
	var err error
	if v.addr, err = netip.ParseAddrPort(h.Addr); err != nil {
		return nil, err
	}
	if v.user, err = h.Token(publisherName, parley.KindUser); err != nil {
		return nil, err
	}
	if v.service, err = h.Token("backend", parley.KindService); err != nil {
		return nil, err
	}
	v.tokens = make([]string, plan.Total())
	for i := range v.tokens {
		if v.tokens[i], err = h.Token(User(i), parley.KindUser); err != nil {
			return nil, err
		}
	}
	if plan.Conversations || s == Bot || s == Chat {
		if err := v.converse(ctx); err != nil {
			return nil, err
		}
	}
	t := &Target{
		Proc: h.Proc, Addr: v.addr, Born: h.born, House: h,
		Listener: v.listener, Resume: v.resume, Publisher: v.publisher, Template: v.template,
	}
	switch s {
	case Events:
		t.Request, t.Requester = v.request, v.requester
	case Chat:
		t.Send, t.Requester = v.send(), v.requester
	}
	t.Sync = []byte(`{"op":"ping"}`)
	if !v.custom() {
		t.Sync = []byte(`{"type":"ping"}`)
	}
	if plan.Cursors {
		t.Scan.Cursor = []byte(`"cursor":"`)
	}
	if s == Chat {
		t.Scan.Key = []byte(`"seq_num":`)
	}
	return t, nil
}

// converse makes a conversation of each topic.
func (v *spoken) converse(ctx context.Context) error {
	for topic := range v.plan.Topics {
		members := make([]string, v.plan.Listeners)
		for i := range members {
			members[i] = User(topic*v.plan.Listeners + i)
		}
		id, err := v.house.Conversation(ctx, v.user, members)
		if err != nil {
			return err
		}
		v.conversations = append(v.conversations, id)
	}
	return nil
}

func (v *spoken) listener(i int) *load.Dial {
	d := v.dial(i, "")
	topic := d.Topic
	switch v.surface {
	case Topics:
		d.Steps = []load.Step{{
			Send: fmt.Appendf(nil, `{"op":"subscribe","id":"1","topics":[%q]}`, v.pattern(topic)), Expect: `"op":"subscribed"`,
		}}
	case Bot:
		d.Steps = []load.Step{ // a subscription is not acknowledged; frames are taken in order
			{Send: fmt.Appendf(nil, `{"type":"subscribe","session_id":%q}`, v.conversations[topic])},
			{Send: []byte(`{"type":"ping"}`), Expect: `"pong"`},
		}
	case Chat:
		d.Steps = []load.Step{{
			Send: fmt.Appendf(nil, `{"action":"subscribe","conversation_ids":[%q]}`, v.conversations[topic]), Expect: `"subscribed"`,
		}}
	}
	return d
}

// resume comes back with a cursor and says in one frame all that was asked for.
func (v *spoken) resume(i int, cursor string) *load.Dial {
	d := v.dial(i, "&cursor="+url.QueryEscape(cursor))
	topic := d.Topic
	switch v.surface {
	case Topics:
		d.Steps = []load.Step{{Send: fmt.Appendf(nil, `{"op":"resume","subscriptions":[{"id":"1","topics":[%q]}]}`, v.pattern(topic))}}
	case Bot:
		d.Steps = []load.Step{{Send: fmt.Appendf(nil, `{"type":"resume","session_ids":[%q]}`, v.conversations[topic])}}
	case Chat:
		d.Steps = []load.Step{{Send: fmt.Appendf(nil, `{"action":"resume","conversation_ids":[%q],"session_ids":[]}`, v.conversations[topic])}}
	}
	return d
}

// dial is the connection of the i-th listener, up to the upgrade. more is added to
// the query.
func (v *spoken) dial(i int, more string) *load.Dial {
	topic := i / v.plan.Listeners
	d := &load.Dial{Addr: v.addr, Opcode: load.OpText, Topic: topic, TLS: v.house.TLS}
	query := "token=" + url.QueryEscape(v.tokens[i]) + more
	switch v.surface {
	case Events:
		d.Request = upgrade(v.addr, "/realtime?"+query+"&client_id=bench&channels="+v.channel(topic))
	case Topics:
		d.Request = upgrade(v.addr, "/ws/topics?"+query)
	case Bot:
		d.Request = upgrade(v.addr, "/ws?"+query, "Sec-WebSocket-Protocol: parley.bot")
	case Chat:
		d.Request = upgrade(v.addr, "/ws?"+query, "Sec-WebSocket-Protocol: parley.chat")
	}
	return d
}

// channel is the channel of a topic.
func (v *spoken) channel(topic int) string { return fmt.Sprintf("bench%d", topic) }

// resource is what a topic's events are of.
func (v *spoken) resource(topic int) string {
	if v.conversations != nil {
		return v.conversations[topic]
	}
	return "room"
}

func (v *spoken) event() string {
	if v.plan.Durable {
		return typeKept
	}
	return typeLive
}

func (v *spoken) pattern(topic int) string {
	return fmt.Sprintf("events.%s.%s.%s.%s", Org, v.channel(topic), v.event(), v.resource(topic))
}

// custom reports whether the surface tells custom events; the others tell messages.
func (v *spoken) custom() bool { return v.surface == Events || v.surface == Topics }

func (v *spoken) publisher(int) *load.Dial {
	d := &load.Dial{Addr: v.addr, Opcode: load.OpText, Topic: load.NoTopic, TLS: v.house.TLS}
	if v.custom() {
		d.Request = upgrade(v.addr, "/ws/topics?token="+url.QueryEscape(v.service))
	} else {
		d.Request = upgrade(v.addr, "/ws?token="+url.QueryEscape(v.user), "Sec-WebSocket-Protocol: parley.bot")
	}
	return d
}

// template is what publishes a message of a topic. Custom events are published as
// back ends do, on a socket of the topics surface; messages are sent as people
// send them, on one of the bot surface.
func (v *spoken) template(topic int) []byte {
	if !v.custom() {
		text, _ := json.Marshal(string(load.Payload(topic, "")))
		return fmt.Appendf(nil, `{"type":"message","session_id":%q,"content":%s}`, v.conversations[topic], text)
	}
	fields := `"id":"room"`
	if v.conversations != nil {
		fields = fmt.Sprintf(`"conversation_id":%q`, v.conversations[topic])
	}
	return fmt.Appendf(nil, `{"op":"publish","source":%q,"name":%q,"payload":%s}`, v.channel(topic), v.event(), load.Payload(topic, fields))
}

// requestChannels is over how many channels requests are spread.
const requestChannels = 1000

// request publishes durable events by POST /api/events/publish, or several by the
// batch route. What it says is made once: making it must not be what is measured.
func (v *spoken) request(events int) func(dst []byte, n uint64) []byte {
	if events == 1 {
		return inTurn(requestChannels, func(n int) []byte {
			return appendPost(nil, v.addr, "/api/events/publish", v.service, keptEvent(n))
		})
	}
	return inTurn(max(requestChannels/events, 1), func(n int) []byte {
		list := make([]string, events)
		for i := range list {
			list[i] = keptEvent(n*events + i)
		}
		return appendPost(nil, v.addr, "/api/events/publish/batch", v.service, `{"events":[`+strings.Join(list, ",")+`]}`)
	})
}

// sendTexts is how many different texts messages have.
const sendTexts = 1000

// send posts messages to the conversations in turn. What is one's own of a message is
// its id; its words are of a vocabulary in which few are said often.
func (v *spoken) send() func(dst []byte, n uint64) []byte {
	const id = "bench-0000000000000000" // its digits are written over
	random := rand.New(rand.NewPCG(1, 2))
	words := rand.NewZipf(random, 1.1, 4, 20_000)
	type text struct {
		request []byte
		digits  int // where they end
	}
	texts := make([]text, sendTexts)
	for i := range texts {
		said := make([]string, 4+random.IntN(16))
		for j := range said {
			said[j] = "w" + strconv.FormatUint(words.Uint64(), 36)
		}
		body := fmt.Sprintf(`{"conversation_id":%q,"content_text":%q,"client_msg_id":%q}`,
			v.conversations[i%len(v.conversations)], strings.Join(said, " "), id)
		texts[i].request = appendPost(nil, v.addr, "/v1/chat/messages/send", v.user, body)
		texts[i].digits = len(texts[i].request) - len(`"}`)
	}
	return func(dst []byte, n uint64) []byte {
		t := &texts[n%sendTexts]
		dst = append(dst, t.request...)
		for at := len(dst) - len(t.request) + t.digits - 1; n > 0; at, n = at-1, n/10 {
			dst[at] = '0' + byte(n%10)
		}
		return dst
	}
}

// inTurn appends one of so many requests after the other.
func inTurn(number int, request func(n int) []byte) func(dst []byte, n uint64) []byte {
	made := make([][]byte, number)
	for i := range made {
		made[i] = request(i)
	}
	return func(dst []byte, n uint64) []byte { return append(dst, made[n%uint64(number)]...) }
}

func keptEvent(n int) string {
	return fmt.Sprintf(`{"type":%q,"channel":"bench%d","data":%s}`, typeKept, n%requestChannels, load.Payload(0, ""))
}

func (v *spoken) requester() *load.Dial {
	return &load.Dial{Addr: v.addr, Topic: load.NoTopic, TLS: v.house.TLS}
}

// appendPost appends an HTTP request that posts JSON on a connection that is kept.
func appendPost(dst []byte, a netip.AddrPort, path, token, body string) []byte {
	return fmt.Appendf(dst, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, a, token, len(body), body)
}
