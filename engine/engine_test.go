package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/membus"
	"github.com/parley-chat/parley/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org parley.OrgID = "org_test"

// world is a store, a bus and a run log, and the engine that works on them.
type world struct {
	t      testing.TB
	store  parley.Store
	bus    *membus.Bus
	runlog *membus.RunLog
	*Engine
}

type ids struct{}

func (ids) NewID() [16]byte { return uuid.Must(uuid.NewV7()) }

// demo is an agent that lives in the process.
var demo = parley.Principal{
	Org: org, ID: "demo", Name: "Demo", Kind: parley.KindAgent, Class: parley.ClassInternal, Scopes: parley.UserScopes,
}

func newWorld(t testing.TB, options ...func(*Config)) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(t.TempDir(), "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, store, options...)
}

// newWorldOn is a world on a store, which it closes.
func newWorldOn(t testing.TB, store parley.Store, options ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, store: store, bus: membus.New(), runlog: new(membus.RunLog)}
	t.Cleanup(func() {
		w.bus.Close()
		store.Close()
	})
	w.Engine = w.node("node-1", options...)
	return w
}

// node is one more engine on the same parts.
func (w *world) node(name string, options ...func(*Config)) *Engine {
	c := Config{
		Store: w.store, Bus: w.bus, RunLog: w.runlog, IDs: ids{}, Limits: parley.DefaultLimits(), Node: name,
		Agents: []parley.Principal{demo}, EphemeralTypes: []string{"cursor.moved"},
		EraseDelay: -1,
	}
	for _, o := range options {
		o(&c)
	}
	e := New(c)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return e
}

func person(id parley.PrincipalID) *parley.Principal {
	return &parley.Principal{Org: org, ID: id, Name: strings.ToUpper(string(id)), Kind: parley.KindUser, Scopes: parley.UserScopes}
}

func backend(id parley.PrincipalID) *parley.Principal {
	return &parley.Principal{
		Org: org, ID: id, Kind: parley.KindService,
		Scopes: parley.NewScopes(parley.ScopeEventsPublish, parley.ScopeSystemPublish, parley.ScopeConversationsWrite),
	}
}

var (
	ann  = person("ann")
	ben  = person("ben")
	cleo = person("cleo")
)

// must carries out a command that has to succeed.
func (w *world) must(p *parley.Principal, cmd parley.Command) parley.Result {
	w.t.Helper()
	r, err := w.Do(context.Background(), p, cmd)
	if err != nil {
		w.t.Fatalf("%T of %s: %v", cmd, p.ID, err)
	}
	return r
}

// refused carries out a command that has to fail with a code.
func (w *world) refused(p *parley.Principal, cmd parley.Command, code parley.Code) *parley.Error {
	w.t.Helper()
	_, err := w.Do(context.Background(), p, cmd)
	var e *parley.Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Fatalf("%T of %s: got %v, want %s", cmd, p.ID, err, code)
	}
	return e
}

// group begins a group of ann's.
func (w *world) group(members ...parley.PrincipalID) parley.ConversationID {
	w.t.Helper()
	return w.must(ann, parley.CreateConversation{Kind: parley.KindGroup, Members: members}).Conversation.ID
}

// log returns the org's whole log.
func (w *world) log() []*parley.Event {
	w.t.Helper()
	events, err := w.store.ReadLog(context.Background(), org, 0, 1<<40, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

func types(events []*parley.Event) (list []parley.EventType) {
	for _, e := range events {
		list = append(list, e.Type)
	}
	return list
}

// ear hears what is told on the live bus.
type ear struct {
	t      testing.TB
	events chan *parley.Event
}

func (w *world) listen() *ear {
	w.t.Helper()
	e := &ear{w.t, make(chan *parley.Event, 10000)}
	stop, err := w.bus.Subscribe(parley.OrgSubject("live", org), func(_, _ string, data []byte) {
		ev, err := parley.UnmarshalEvent(data)
		if err != nil {
			w.t.Error(err)
			return
		}
		e.events <- ev
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stop)
	return e
}

// next waits for one event, which must be of a type.
func (e *ear) next(want parley.EventType) *parley.Event {
	e.t.Helper()
	select {
	case ev := <-e.events:
		if ev.Type != want {
			e.t.Fatalf("heard %s, want %s", ev.Type, want)
		}
		return ev
	case <-time.After(10 * time.Second):
		e.t.Fatalf("heard nothing, want %s", want)
		return nil
	}
}

// silent checks that nothing more was told. A probe on the bus shows that all that
// came before has been heard.
func (w *world) silent(e *ear) {
	w.t.Helper()
	w.tellLive(&parley.Event{ID: ids{}.NewID(), Org: org, Type: "probe.sent", Class: parley.Ephemeral, Channel: "probe", Body: &parley.PublishedBody{Data: []byte("{}")}})
	e.next("probe.sent")
}

// bubble runs fn on a fake clock. The store keeps its requests, and the channels
// in them, in a pool of the whole process; a channel must not leave its bubble, so
// the pool is emptied before and after. It takes two collections.
func bubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	empty := func() {
		runtime.GC()
		runtime.GC()
	}
	empty()
	defer empty()
	synctest.Test(t, fn)
}

func TestACommandNeedsItsScope(t *testing.T) {
	w := newWorld(t)
	reader := *ann
	reader.Scopes = parley.NewScopes(parley.ScopeConversationsRead)
	w.refused(&reader, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}, parley.CodeForbidden)
	w.refused(&reader, parley.PublishEvent{Type: "a.b", Channel: "c"}, parley.CodeForbidden)
	w.refused(ann, parley.Ping{}, parley.CodeInternal)
}

func TestAnAgentsIDIsNobodyElses(t *testing.T) {
	w := newWorld(t)
	w.refused(person("demo"), parley.CreateConversation{Members: []parley.PrincipalID{"ann"}}, parley.CodeForbidden)
}

func TestWhoIsNotAMemberFindsNothing(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	elsewhere := *ann
	elsewhere.Org = "org_other"
	unknown := parley.ConversationID(ids{}.NewID())
	for _, c := range []struct {
		who *parley.Principal
		in  parley.ConversationID
	}{{cleo, id}, {&elsewhere, id}, {ann, unknown}} {
		var messages []string
		for _, cmd := range []parley.Command{
			parley.PostMessage{Conversation: c.in, Content: "hi"},
			parley.AddMembers{Conversation: c.in, Members: []parley.PrincipalID{"x"}},
			parley.RemoveMember{Conversation: c.in, Member: c.who.ID},
			parley.CloseConversation{Conversation: c.in},
			parley.SetTyping{Conversation: c.in, On: true},
			parley.PublishEvent{Type: "a.b", Channel: "c", Data: []byte(`{"conversation_id":"` + c.in.String() + `"}`)},
		} {
			messages = append(messages, w.refused(c.who, cmd, parley.CodeNotFound).Message)
		}
		if got := slices.Compact(messages); len(got) != 1 {
			t.Errorf("refusals tell apart what exists: %q", got)
		}
	}
}

func TestACommitPokesTheRelay(t *testing.T) {
	pokes := 0
	w := newWorld(t, func(c *Config) { c.Committed = func() { pokes++ } })
	id := w.group("ben")
	w.must(ann, parley.CloseConversation{Conversation: id})
	w.must(ann, parley.CloseConversation{Conversation: id}) // nothing changes
	if pokes != 2 {
		t.Errorf("%d pokes, want 2", pokes)
	}
}

func TestTwentySendersLeaveNoGap(t *testing.T) {
	const senders, each = 20, 25
	w := newWorld(t)
	var members []parley.PrincipalID
	for i := range senders {
		members = append(members, parley.PrincipalID(fmt.Sprint("sender-", i)))
	}
	id := w.group(members...)
	var all sync.WaitGroup
	for _, m := range members {
		all.Go(func() {
			for i := range each {
				key := fmt.Sprint(m, i)
				for range 2 { // the same again is the same
					if _, err := w.Do(context.Background(), person(m), parley.PostMessage{Conversation: id, Content: key, ClientMsgID: key}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	events := w.log()
	if len(events) != 1+senders*each {
		t.Fatalf("%d events, want %d", len(events), 1+senders*each)
	}
	for i, ev := range events {
		if ev.ChangeSeq != uint64(i+1) || ev.Position.Offset != uint64(i+1) {
			t.Fatalf("event %d has change_seq %d, offset %d", i, ev.ChangeSeq, ev.Position.Offset)
		}
		if m, ok := ev.Body.(*parley.MessageBody); ok && m.Seq != uint64(i) {
			t.Fatalf("message %d has seq %d", i, m.Seq)
		}
	}
}
