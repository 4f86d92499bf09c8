package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	parley "github.com/parley-chat/parley"
)

// world is one node, or two, over a store with the conversation talk of ada, bob
// and an agent. Tests run it inside a synctest bubble.
type world struct {
	t     *testing.T
	store *memStore
	nodes []*simNode
	run   *simRun
}

// talk is the conversation of these tests.
func talk() parley.ConversationID { return id2conv(1) }

// newWorld begins with an empty conversation at offset 1.
func newWorld(t *testing.T, change ...func(*parley.Limits)) *world {
	w := &world{t: t, store: newMemStore()}
	w.store.lastID = 100
	limits := parley.DefaultLimits()
	for _, c := range change {
		c(&limits)
	}
	for _, name := range []string{"n1", "n2"} {
		n := &simNode{name: name, bus: newSimBus()}
		n.bus.answer = func(string) ([]byte, bool) { return w.snapshot() }
		n.hub = New(Config{
			Store: w.store, Bus: n.bus, Limits: limits, Frame: frameLine,
			Dialects: []parley.Dialect{lineDialect{name: "events", plain: true}, lineDialect{name: "bot", ends: true}, lineDialect{name: "topics"}},
		})
		t.Cleanup(n.hub.Close)
		w.nodes = append(w.nodes, n)
	}
	w.store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: talk(), Body: &parley.ConversationBody{
		ID: talk(), Kind: parley.KindGroup, Members: []parley.MemberBody{
			{Principal: "ada", Kind: parley.KindUser, Role: parley.RoleOwner},
			{Principal: "bob", Kind: parley.KindUser, Role: parley.RoleMember},
			{Principal: "agent", Kind: parley.KindAgent, Role: parley.RoleAgent},
		},
	}})
	w.relay()
	return w
}

func said(text string) *parley.Event {
	return &parley.Event{Type: parley.MessageCreated, Conversation: talk(), Body: &parley.MessageBody{Message: parley.Message{Sender: "ada", Content: text}}}
}

func left(who parley.PrincipalID) *parley.Event {
	return &parley.Event{Type: parley.MemberLeft, Conversation: talk(), Body: &parley.MemberBody{Principal: who}}
}

func joined(who parley.PrincipalID) *parley.Event {
	return &parley.Event{Type: parley.MemberJoined, Conversation: talk(), Body: &parley.MemberBody{Principal: who, Role: parley.RoleMember}}
}

// post commits messages, each on its own, and tells them to all nodes.
func (w *world) post(texts ...string) {
	for _, text := range texts {
		w.store.commit(said(text))
	}
	w.relay()
}

// relay gives Positions to what was committed and tells it to all nodes.
func (w *world) relay(nodes ...*simNode) {
	if nodes == nil {
		nodes = w.nodes
	}
	for _, e := range w.store.sequence(1 << 20) {
		for _, n := range nodes {
			n.bus.put(&n.bus.log, logMessage(e, false))
		}
	}
	w.deliver(nodes...)
}

func (w *world) deliver(nodes ...*simNode) {
	for _, n := range nodes {
		for len(n.bus.log)+len(n.bus.live) > 0 {
			n.bus.take("log", &n.bus.log, nil, 0)
			n.bus.take("live", &n.bus.live, nil, 0)
			synctest.Wait()
		}
	}
}

// start begins a run in talk.
func (w *world) start() {
	w.run = &simRun{row: w.store.startRun(talk(), "agent")}
	w.live(parley.StreamStarted, startOf(w.run.row).Body)
}

// say lets the run go on.
func (w *world) say(text string) {
	offset := len(w.run.text)
	w.run.text += text
	w.live(parley.StreamDelta, &parley.DeltaBody{Run: w.run.row.ID, Message: w.run.row.Message, Agent: "agent", Epoch: 1, Offset: offset, Text: text})
}

// typing tells that bob types in a conversation.
func (w *world) typing(in parley.ConversationID) {
	e := &parley.Event{
		Type: parley.TypingStarted, Class: parley.Ephemeral, Conversation: in, Body: &parley.TypingBody{Principal: "bob"},
	}
	if c := w.store.conversations[in]; c != nil {
		e.ChangeSeq = c.ChangeSeq
	}
	w.tellLive(e)
}

func (w *world) live(t parley.EventType, body parley.Body) {
	e := &parley.Event{Type: t, Class: parley.RunLogged, Conversation: talk(), Body: body}
	if w.run != nil {
		e.ChangeSeq = w.run.row.ChangeSeq
	}
	w.tellLive(e)
}

// tellLive tells what is not stored to all nodes.
func (w *world) tellLive(e *parley.Event) {
	e.Org, e.Channel = testOrg, parley.ChannelConversation
	data, err := parley.MarshalEvent(e)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range w.nodes {
		n.bus.put(&n.bus.live, data)
	}
	w.deliver(w.nodes...)
}

// end commits the run's message and its end.
func (w *world) end() {
	r := w.run.row
	m := parley.Message{ID: r.Message, Sender: "agent", Content: w.run.text, Run: &parley.RunRef{ID: r.ID, Status: parley.RunCompleted, After: r.After}}
	w.store.commit(
		&parley.Event{Type: parley.MessageCreated, Conversation: talk(), Body: &parley.MessageBody{Message: m}},
		&parley.Event{Type: parley.RunEnded, Conversation: talk(), Body: &parley.RunBody{Run: r.ID, Message: r.Message, Agent: "agent", Status: parley.RunCompleted, Epoch: 1, After: r.After, Text: w.run.text}},
	)
	w.relay()
}

func (w *world) snapshot() ([]byte, bool) {
	if w.run == nil {
		return nil, false
	}
	r := w.run.row
	data, err := parley.MarshalEvent(&parley.Event{Org: testOrg, Type: parley.StreamDelta, Class: parley.RunLogged, Conversation: talk(),
		Body: &parley.DeltaBody{Run: r.ID, Message: r.Message, Agent: "agent", Epoch: 1, Text: w.run.text}})
	return data, err == nil
}

// ear is a listener that a test reads from.
type ear struct {
	*Listener
	t      *testing.T
	woken  atomic.Bool
	more   bool   // Next said so
	cursor string // the last that it was told
}

// user is a principal with the scopes of a person, and more.
// wakes is a Writer that writes nothing by itself.
type wakes func()

func (w wakes) Wake() { w() }

func (w wakes) Flush() Flushed {
	w()
	return FlushBlocked
}

func user(id parley.PrincipalID, more ...parley.Scope) *parley.Principal {
	return &parley.Principal{Org: testOrg, ID: id, Kind: parley.KindUser, Scopes: parley.NewScopes(append(parley.UserScopes.List(), more...)...)}
}

// attach makes a listener of the first node; change says how it differs from one
// of ada's on a surface that tells all, which names no cursor.
func (w *world) attach(change func(*ListenerConfig)) *ear {
	return w.attachTo(w.nodes[0], change)
}

func (w *world) attachTo(n *simNode, change func(*ListenerConfig)) *ear {
	w.t.Helper()
	e := &ear{t: w.t}
	cfg := ListenerConfig{Principal: user("ada"), Dialect: "topics", Writer: wakes(func() { e.woken.Store(true) })}
	if change != nil {
		change(&cfg)
	}
	l, err := n.hub.Attach(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Detach)
	e.Listener = l
	e.woken.Store(true)
	return e
}

// resuming names a cursor.
func resuming(cursor, dialect string, who parley.PrincipalID) func(*ListenerConfig) {
	return func(c *ListenerConfig) {
		c.Resume, c.Cursor, c.TellCursors, c.AckCursors = true, cursor, true, true
		c.Dialect, c.Principal = dialect, user(who)
	}
}

// toTalk is a subscription to the conversation of these tests.
func toTalk() parley.Subscribe {
	return parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{talk()}}}
}

func (e *ear) subscribe() *ear {
	s := toTalk()
	e.Subscribe(&s, parley.Subscribed{Request: s})
	return e
}

func (e *ear) resume() *ear {
	e.Resume([]parley.Subscribe{toTalk()}, []parley.Reply{parley.Subscribed{}})
	return e
}

// hears reads all that the listener is owed now, as far as it was woken for it.
func (e *ear) hears() []string {
	e.t.Helper()
	var out []string
	for e.more || e.woken.Load() {
		e.woken.Store(false)
		data, again, err := e.Next(context.Background(), nil)
		if err != nil {
			e.t.Fatal(err)
		}
		e.more = again
		for _, l := range readLines(e.t, data) {
			out = append(out, l.short())
			if l.cursor != "" {
				e.cursor = l.cursor
			}
		}
		synctest.Wait()
	}
	return out
}

// expect holds what the listener hears against want: one line each, as short
// writes them.
func (e *ear) expect(want ...string) {
	e.t.Helper()
	if got := e.hears(); !slices.Equal(got, want) {
		e.t.Errorf("%s hears\n\t%s\nnot\n\t%s", e.Listener.Principal().ID, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// short is a frame for a reader: "3 message.created hello", "delta 5 world".
func (l line) short() string {
	text := strings.TrimRight(" "+l.text, " ")
	switch {
	case l.offset > 0:
		return fmt.Sprintf("%d %s%s", l.offset, l.kind, text)
	case l.kind == string(parley.StreamDelta):
		return fmt.Sprintf("delta %d%s", l.n, text)
	case l.kind == string(parley.StreamStarted):
		return "start"
	case l.kind == "CursorMoved" || l.kind == "Subscribed" && l.cursor != "":
		at, _ := parley.ParseCursor(l.cursor)
		return fmt.Sprintf("%s at %d", l.kind, at.Offset)
	}
	return l.kind + text
}

// within lets a test's world pass time.
func within(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

// aWhile is long enough for a feed to ask for the head.
const aWhile = 3 * time.Second
