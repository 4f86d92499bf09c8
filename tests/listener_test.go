package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/parley-chat/parley"
)

// heard is a message as a listener was told it.
type heard struct {
	conversation string // as a TypeID
	seq          uint64
	changeSeq    uint64 // topics only
}

// listener is a client of one surface that comes back with its cursor whenever
// the connection ends, for as long as it lives.
type listener struct {
	t       testing.TB
	s       *server
	surface string
	token   string
	// conversations it subscribes to.
	conversations []string

	mu      sync.Mutex
	cursor  string
	heard   []heard
	frames  []string // the last few, for a failure's message
	lives   int
	reloads int
	answers map[string]*answer // by message id, as a TypeID
	tasks   map[string]string  // run id → message id
	ready   chan struct{}      // closed once subscribed for the first time
	readied sync.Once
}

// listen starts a listener and waits until it is subscribed. It ends with ctx.
func listen(ctx context.Context, t testing.TB, s *server, surface, token string, conversations []string) *listener {
	t.Helper()
	l := &listener{t: t, s: s, surface: surface, token: token, conversations: conversations, ready: make(chan struct{}), answers: map[string]*answer{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_ = l.live(ctx)
			wait(20 * time.Millisecond)
		}
	})
	t.Cleanup(wg.Wait)
	select {
	case <-l.ready:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: not subscribed in time; heard %q", surface, l.frames)
	}
	return l
}

// live is one connection, from its upgrade to its end.
func (l *listener) live(ctx context.Context) error {
	token := l.token
	if l.surface == "chat" {
		var messaging struct{ Token string }
		if _, err := l.s.call(ctx, "GET", "/v1/messaging/token", l.token, nil, &messaging); err != nil {
			return err
		}
		token = messaging.Token
	}
	l.mu.Lock()
	cursor := l.cursor
	l.lives++
	l.mu.Unlock()
	u := url.URL{Scheme: "ws", Host: l.s.address, Path: map[string]string{"events": "/realtime", "topics": "/ws/topics"}[l.surface]}
	if u.Path == "" {
		u.Path = "/ws"
	}
	q := url.Values{"token": {token}, "cursor": {cursor}}
	if l.surface == "events" {
		q.Set("channels", "conversation")
		q.Set("client_id", "tests")
	}
	u.RawQuery = q.Encode()
	conn, buffered, _, err := ws.Dial(ctx, u.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for _, frame := range l.hello(cursor != "") {
		if err := wsutil.WriteClientText(conn, []byte(frame)); err != nil {
			return err
		}
	}
	if l.surface == "events" {
		l.subscribed()
	}
	var r io.Reader = conn
	if buffered != nil {
		r = io.MultiReader(buffered, conn)
	}
	return l.read(conn, r)
}

func (l *listener) subscribed() { l.readied.Do(func() { close(l.ready) }) }

// hello are the frames that name what is listened to. A ping after them, where
// the surface has no acknowledgement, says when they have been acted on.
func (l *listener) hello(resume bool) []string {
	list, _ := json.Marshal(l.conversations)
	switch {
	case l.surface == "bot" && resume:
		return []string{fmt.Sprintf(`{"type":"resume","session_ids":%s}`, list)}
	case l.surface == "bot":
		var frames []string
		for _, id := range l.conversations {
			frames = append(frames, fmt.Sprintf(`{"type":"subscribe","session_id":%q}`, id))
		}
		return append(frames, `{"type":"ping"}`)
	case l.surface == "topics" && resume:
		return []string{fmt.Sprintf(`{"op":"resume","subscriptions":[{"id":"1","topics":["events.%s.conversations.conversation.*.*"]}]}`, org)}
	case l.surface == "topics":
		return []string{fmt.Sprintf(`{"op":"subscribe","id":"1","topics":["events.%s.conversations.conversation.*.*"]}`, org)}
	case l.surface == "chat" && resume:
		return []string{fmt.Sprintf(`{"action":"resume","conversation_ids":%s,"session_ids":[]}`, list)}
	case l.surface == "chat":
		return []string{fmt.Sprintf(`{"action":"subscribe","conversation_ids":%s}`, list)}
	}
	return nil
}

func (l *listener) read(conn net.Conn, r io.Reader) error {
	rw := struct {
		io.Reader
		io.Writer
	}{r, conn}
	for {
		text, err := wsutil.ReadServerText(rw)
		if err != nil {
			return err
		}
		l.take(text)
	}
}

// anyFrame is what the tests read of the frames of all four surfaces.
type anyFrame struct {
	Type, Op, Cursor string
	SessionID        string `json:"session_id"`
	ConversationID   string `json:"conversation_id"`
	Seq              uint64
	Data             struct {
		ConversationID string `json:"conversation_id"`
		Message        struct{ Seq uint64 }
		Status         string
	}
	Event struct {
		EventName  string
		ResourceID string
		Payload    topicsPayload
		Metadata   struct{ ChangeSeq uint64 }
	}
	Payload   json.RawMessage
	Reason    string
	MessageID string `json:"message_id"`
	Content   string
	Offset    int
	Status    string
}

type topicsPayload struct {
	Seq       uint64
	MessageID string
	Content   string
	Offset    int
	Done      bool
	Status    string
	ID        string
	Parts     []struct{ Text string }
}

type chatPayload struct {
	SeqNum    uint64 `json:"seq_num"`
	MessageID string `json:"message_id"`
	TaskID    string `json:"task_id"`
	SessionID string `json:"session_id"`
	Delta     string
	Offset    int
	Status    string
}

// take notes a frame: what it tells, and the cursor with it.
func (l *listener) take(text []byte) {
	var f anyFrame
	if err := json.Unmarshal(text, &f); err != nil {
		l.t.Errorf("%s: a frame is not JSON: %s", l.surface, text)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frames = append(l.frames, string(text)); len(l.frames) > 20 {
		l.frames = l.frames[1:]
	}
	if f.Cursor != "" {
		l.cursor = f.Cursor
	}
	if f.Op == "reload" || f.Type == "reload" || f.Reason == "reload" || f.Data.Status == "reload" {
		l.reloads++
	}
	if f.Op == "subscribed" || f.Type == "subscribed" || f.Type == "pong" {
		l.subscribed()
	}
	l.takeAnswer(&f)
	switch {
	case l.surface == "events" && f.Type == "message.new":
		l.heard = append(l.heard, heard{f.Data.ConversationID, f.Data.Message.Seq, 0})
	case l.surface == "bot" && f.Type == "message":
		id, err := parley.ParseConversationID(f.SessionID)
		if err != nil {
			l.t.Errorf("bot: %v: %s", err, text)
		}
		l.heard = append(l.heard, heard{id.String(), f.Seq, 0})
	case l.surface == "topics" && f.Event.EventName == "message_posted":
		l.heard = append(l.heard, heard{f.Event.ResourceID, f.Event.Payload.Seq, f.Event.Metadata.ChangeSeq})
	case l.surface == "chat" && f.Type == "event":
		var inner struct {
			Type    string
			Payload chatPayload
		}
		if json.Unmarshal(f.Payload, &inner) == nil && inner.Type == "message.created" {
			l.heard = append(l.heard, heard{f.ConversationID, inner.Payload.SeqNum, 0})
		}
	}
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heard)
}

// checkOnceInOrder fails the test unless every conversation's messages were heard
// as 1, 2, 3, … up to last, with change_seqs (where told) that follow each other.
func (l *listener) checkOnceInOrder(last map[string]uint64) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	next := map[string]uint64{}
	change := map[string]uint64{}
	for i, h := range l.heard {
		if h.seq != next[h.conversation]+1 {
			l.t.Errorf("%s: frame %d of conversation %s has seq %d after %d", l.surface, i, h.conversation, h.seq, next[h.conversation])
			return
		}
		if before := change[h.conversation]; h.changeSeq != 0 && before != 0 && h.changeSeq != before+1 {
			l.t.Errorf("%s: conversation %s: change_seq %d after %d", l.surface, h.conversation, h.changeSeq, before)
			return
		}
		next[h.conversation], change[h.conversation] = h.seq, h.changeSeq
	}
	for id, n := range last {
		if next[id] != n {
			l.t.Errorf("%s: conversation %s: heard up to %d of %d (%d connections, %d reloads, last frames %s)",
				l.surface, id, next[id], n, l.lives, l.reloads, strings.Join(l.frames, "\n"))
			return
		}
	}
	if l.reloads > 0 {
		l.t.Errorf("%s: told to reload %d times", l.surface, l.reloads)
	}
}
