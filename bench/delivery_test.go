package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/config"
)

// node is a whole server in this process: embedded bus, SQLite that syncs.
type node struct {
	*app.App
	b testing.TB
}

func startNode(b testing.TB) *node {
	b.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.AdminListen, cfg.DemoAgent = b.TempDir(), "127.0.0.1:0", "", false
	cfg.Limits.MessagesPerSecond, cfg.Limits.MessagesBurst = 1_000_000, 1_000_000
	cfg.Limits.ServicePublishes = 100_000_000
	n := &node{app.New(cfg, nil), b}
	if err := n.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = n.Stop(ctx)
	})
	return n
}

func (n *node) token(user string) string {
	token, err := n.Mint(auth.Claims{Subject: parley.PrincipalID(user), Org: "org_bench"})
	if err != nil {
		n.b.Fatal(err)
	}
	return token
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

func (n *node) post(path, token string, body, out any) {
	text, err := json.Marshal(body)
	if err != nil {
		n.b.Fatal(err)
	}
	r, err := http.NewRequest("POST", "http://"+n.Addr()+path, bytes.NewReader(text))
	if err != nil {
		n.b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		n.b.Error(err)
		return
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode/100 != 2 {
		n.b.Errorf("%s: %s: %s", path, response.Status, answer)
		return
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			n.b.Error(err)
		}
	}
}

func (n *node) conversation(token string, members ...string) string {
	var created struct{ ID string }
	n.post("/v1/chat/conversations", token, map[string]any{"type": "group", "name": "bench", "participant_ids": members}, &created)
	return created.ID
}

// hear connects one socket and calls got for each frame that holds mark.
func (n *node) hear(ctx context.Context, path string, q url.Values, hello, ready, mark string, got func()) {
	u := url.URL{Scheme: "ws", Host: n.Addr(), Path: path, RawQuery: q.Encode()}
	conn, buffered, _, err := ws.Dial(ctx, u.String())
	if err != nil {
		n.b.Fatal(err)
	}
	n.b.Cleanup(func() { conn.Close() })
	if hello != "" {
		if err := wsutil.WriteClientText(conn, []byte(hello)); err != nil {
			n.b.Fatal(err)
		}
	}
	var r io.Reader = conn
	if buffered != nil {
		r = io.MultiReader(buffered, conn)
	}
	rw := struct {
		io.Reader
		io.Writer
	}{r, conn}
	readied := make(chan struct{})
	if ready == "" {
		close(readied)
	}
	go func() {
		for {
			text, err := wsutil.ReadServerText(rw)
			if err != nil {
				return
			}
			if ready != "" && bytes.Contains(text, []byte(ready)) {
				ready = ""
				close(readied)
			}
			if bytes.Contains(text, []byte(mark)) {
				got()
			}
		}
	}()
	<-readied
}

// surfaces connects a listener on each surface.
func (n *node) surfaces(token, conversation string, got func(surface int)) {
	ctx := context.Background()
	q := func(pairs ...string) url.Values {
		v := url.Values{"token": {token}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	pattern := "events.org_bench.conversations.conversation.message_posted." + conversation
	n.hear(ctx, "/realtime", q("channels", "conversation", "client_id", "bench"), "", "", `"message.new"`, func() { got(0) })
	n.hear(ctx, "/ws", q("cursor", ""), fmt.Sprintf(`{"type":"subscribe","session_id":%q}`, conversation), `"cursor"`, `"type":"message"`, func() { got(1) })
	n.hear(ctx, "/ws/topics", q(), fmt.Sprintf(`{"op":"subscribe","id":"1","topics":[%q]}`, pattern), `"subscribed"`, `message_posted`, func() { got(2) })
	n.hear(ctx, "/ws", q(), fmt.Sprintf(`{"action":"subscribe","conversation_ids":[%q]}`, conversation), `"subscribed"`, `message.created`, func() { got(3) })
}

// BenchmarkPostToDelivery is the time from before the request that posts a
// message to its frame at a listener, on each of the four surfaces, one message at
// a time with a pause between them: REST, engine, SQLite synced, relay, bus, hub,
// socket. Run with -benchtime=1000x; a percentile of few is none.
func BenchmarkPostToDelivery(b *testing.B) {
	n := startNode(b)
	owner := n.token("owner")
	conversation := n.conversation(owner, "ear")
	arrived := make(chan int, 4)
	n.surfaces(n.token("ear"), conversation, func(surface int) { arrived <- surface })
	var took [4][]time.Duration
	body := map[string]string{"conversation_id": conversation, "content_text": string(bytes.Repeat([]byte("x"), 200))}
	for b.Loop() {
		start := time.Now()
		n.post("/v1/chat/messages/send", owner, body, nil)
		for range 4 {
			surface := <-arrived
			took[surface] = append(took[surface], time.Since(start))
		}
		<-time.After(5 * time.Millisecond) // an idle machine, not a busy one
	}
	for surface, name := range []string{"events", "bot", "topics", "chat"} {
		slices.Sort(took[surface])
		for _, p := range []int{50, 99} {
			b.ReportMetric(float64(took[surface][len(took[surface])*p/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, p))
		}
	}
}

// BenchmarkSend is the rate of durable messages through the REST route: 32
// connections, 50 conversations, SQLite synced. Its clients run in this process
// and on these cores.
func BenchmarkSend(b *testing.B) {
	n := startNode(b)
	owner := n.token("owner")
	conversations := make([]string, 50)
	for i := range conversations {
		conversations[i] = n.conversation(owner, "ear")
	}
	var next atomic.Int64
	var senders sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	for range 32 {
		senders.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				body := map[string]string{"conversation_id": conversations[i%50], "content_text": "a message of some length, as people write them"}
				n.post("/v1/chat/messages/send", owner, body, nil)
			}
		})
	}
	senders.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "messages/s")
}
