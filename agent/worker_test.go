package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
	"github.com/parley-chat/parley/engine"
	"github.com/parley-chat/parley/internal/membus"
	"github.com/parley-chat/parley/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org parley.OrgID = "org_test"

var ann = &parley.Principal{Org: org, ID: "ann", Name: "Ann", Kind: parley.KindUser, Scopes: parley.UserScopes}

type ids struct{}

func (ids) NewID() [16]byte { return uuid.Must(uuid.NewV7()) }

// scripted is an agent that does what a function says.
type scripted struct {
	id    parley.PrincipalID
	calls atomic.Int64
	run   func(ctx context.Context, in agent.Input, out agent.Emitter) error
}

func (s *scripted) Principal() parley.Principal { return parley.Principal{ID: s.id, Name: "Bot"} }

func (s *scripted) Run(ctx context.Context, in agent.Input, out agent.Emitter) error {
	s.calls.Add(1)
	return s.run(ctx, in, out)
}

// echo says again what was said.
func echo(ctx context.Context, in agent.Input, out agent.Emitter) error {
	return out.Text(ctx, "echo: "+in.Message.Content)
}

// world is a store, a bus and a run log, with an engine and the agents.
type world struct {
	t      *testing.T
	store  *sqlite.Store
	bus    *membus.Bus
	runlog *membus.RunLog
	agents []agent.Agent
	engine *engine.Engine
}

func newWorld(t *testing.T, agents ...agent.Agent) *world {
	t.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Config{
		Path: filepath.Join(t.TempDir(), "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: store, bus: membus.New(), runlog: new(membus.RunLog), agents: agents}
	t.Cleanup(func() {
		w.bus.Close()
		store.Close()
	})
	w.engine = w.newEngine("node-1")
	return w
}

func (w *world) newEngine(node string) *engine.Engine {
	e := engine.New(engine.Config{
		Store: w.store, Bus: w.bus, RunLog: w.runlog, IDs: ids{}, Limits: parley.DefaultLimits(), Node: node,
		Agents:    agent.Principals(w.agents...),
		Committed: func() { w.bus.Publish(parley.OrgSubject("log", org), nil) },
	})
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return e
}

// work runs a worker; the function returned stops it and waits.
func (w *world) work(e *engine.Engine, options ...func(*agent.Config)) (stop func()) {
	_, stop = w.worker(e, options...)
	return stop
}

// worker is work for those who need the worker itself.
func (w *world) worker(e *engine.Engine, options ...func(*agent.Config)) (worker *agent.Worker, stop func()) {
	c := agent.Config{Store: w.store, Bus: w.bus, Engine: e, Agents: w.agents}
	for _, o := range options {
		o(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	worker = agent.New(c)
	go func() { done <- worker.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return worker, stop
}

func (w *world) do(p *parley.Principal, cmd parley.Command) parley.Result {
	w.t.Helper()
	r, err := w.engine.Do(context.Background(), p, cmd)
	if err != nil {
		w.t.Fatalf("%T: %v", cmd, err)
	}
	return r
}

func (w *world) session(members ...parley.PrincipalID) parley.ConversationID {
	w.t.Helper()
	return w.do(ann, parley.CreateConversation{Members: members}).Conversation.ID
}

func (w *world) ask(id parley.ConversationID, text string) {
	w.t.Helper()
	w.do(ann, parley.PostMessage{Conversation: id, Content: text})
}

// said returns the conversation's messages as "sender: text".
func (w *world) said(id parley.ConversationID) (list []string) {
	w.t.Helper()
	messages, err := w.store.Messages(context.Background(), org, id, 0, 0, 1000, false)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range messages {
		list = append(list, string(m.Sender)+": "+m.Content)
	}
	return list
}

// ends returns how the runs ended.
func (w *world) ends() (list []*parley.RunBody) {
	w.t.Helper()
	events, err := w.store.ReadLog(context.Background(), org, 0, 1<<40, 10000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, ev := range events {
		if body, ok := ev.Body.(*parley.RunBody); ok {
			list = append(list, body)
		}
	}
	return list
}

func (w *world) wantSaid(id parley.ConversationID, want ...string) {
	w.t.Helper()
	if got := w.said(id); strings.Join(got, "|") != strings.Join(want, "|") {
		w.t.Errorf("said %q, want %q", got, want)
	}
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

func TestAnAgentAnswersWhatPeopleSay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: echo}
		w := newWorld(t, bot)
		w.work(w.engine)
		id := w.session("bot")
		group := w.session("bot", "ben", "other")
		w.ask(id, "hello")
		w.do(ann, parley.PostMessage{Conversation: group, Content: "psst", Internal: true})
		w.do(&parley.Principal{Org: org, ID: "other", Kind: parley.KindAgent, Scopes: parley.UserScopes},
			parley.PostMessage{Conversation: group, Content: "from an agent"})
		time.Sleep(2 * time.Second)
		w.wantSaid(id, "ann: hello", "bot: echo: hello")
		w.wantSaid(group, "ann: psst", "other: from an agent")

		w.do(ann, parley.RemoveMember{Conversation: group, Member: "bot"})
		w.ask(group, "anyone?")
		time.Sleep(2 * time.Second)
		w.wantSaid(group, "ann: psst", "other: from an agent", "ann: anyone?")
		w.do(ann, parley.AddMembers{Conversation: group, Members: []parley.PrincipalID{"bot"}})
		w.ask(group, "back?")
		time.Sleep(2 * time.Second)
		if got := w.said(group); got[len(got)-1] != "bot: echo: back?" {
			t.Errorf("said %q", got)
		}
	})
}

func TestAnswersOfOneConversationComeOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var open, most atomic.Int64
		bot := &scripted{id: "bot", run: func(ctx context.Context, in agent.Input, out agent.Emitter) error {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			time.Sleep(3 * time.Second)
			return echo(ctx, in, out)
		}}
		w := newWorld(t, bot)
		w.work(w.engine)
		id := w.session("bot")
		for i := range 3 {
			w.ask(id, fmt.Sprint(i))
		}
		time.Sleep(15 * time.Second)
		w.wantSaid(id, "ann: 0", "ann: 1", "ann: 2", "bot: echo: 0", "bot: echo: 1", "bot: echo: 2")
		if most.Load() != 1 {
			t.Errorf("%d at once", most.Load())
		}
		for range 4 {
			w.ask(w.session("bot"), "x")
		}
		time.Sleep(10 * time.Second)
		if most.Load() != 4 {
			t.Errorf("%d conversations at once, want 4", most.Load())
		}
	})
}

func TestTheNumberOfAnswersAtOnceIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var open, most atomic.Int64
		bot := &scripted{id: "bot", run: func(ctx context.Context, in agent.Input, out agent.Emitter) error {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			time.Sleep(time.Second)
			return echo(ctx, in, out)
		}}
		w := newWorld(t, bot)
		w.work(w.engine, func(c *agent.Config) { c.MaxRuns = 2 })
		for range 6 {
			w.ask(w.session("bot"), "x")
		}
		time.Sleep(10 * time.Second)
		if bot.calls.Load() != 6 || most.Load() != 2 {
			t.Errorf("%d answers, %d at once", bot.calls.Load(), most.Load())
		}
	})
}

func TestAMessageIsAnsweredOnceWhoeverReadsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: echo}
		w := newWorld(t, bot)
		second := w.newEngine("node-2")
		stop := []func(){w.work(w.engine), w.work(second)}
		id := w.session("bot")
		for i := range 5 {
			w.ask(id, fmt.Sprint(i))
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for _, s := range stop {
			s()
		}
		w.work(w.engine) // reads on from its checkpoint
		time.Sleep(5 * time.Second)
		if n := bot.calls.Load(); n != 5 {
			t.Errorf("answered %d times", n)
		}
		if got := w.said(id); len(got) != 10 {
			t.Errorf("said %q", got)
		}
		if at, err := w.store.Checkpoint(t.Context(), "agents", org); err != nil || at == 0 {
			t.Errorf("checkpoint is %d, %v", at, err)
		}
	})
}

func TestWhatWaitedForItsTurnIsAnsweredAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		block := make(chan struct{})
		bot := &scripted{id: "bot", run: func(ctx context.Context, in agent.Input, out agent.Emitter) error {
			if err := echo(ctx, in, out); err != nil {
				return err
			}
			select {
			case <-block:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		w := newWorld(t, bot)
		stop := w.work(w.engine)
		id := w.session("bot")
		w.ask(id, "first")
		w.ask(id, "second")
		time.Sleep(5 * time.Second)
		stop()
		if e := w.ends(); len(e) != 1 || e[0].Status != parley.RunInterrupted || e[0].Text != "echo: first" {
			t.Errorf("ended with %+v", e)
		}
		close(block)
		w.work(w.engine)
		time.Sleep(5 * time.Second)
		w.wantSaid(id, "ann: first", "ann: second", "bot: echo: first", "bot: echo: second")
	})
}

func TestAgentsDoNotAnswerThePast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: echo}
		w := newWorld(t, bot)
		id := w.session("bot")
		w.ask(id, "long ago")
		time.Sleep(time.Hour)
		w.ask(id, "just now")
		w.work(w.engine)
		time.Sleep(2 * time.Second)
		w.wantSaid(id, "ann: long ago", "ann: just now", "bot: echo: just now")
	})
}

func TestHowARunEnds(t *testing.T) {
	for name, c := range map[string]struct {
		run    func(ctx context.Context, in agent.Input, out agent.Emitter) error
		during func(w *world, id parley.ConversationID)
		status parley.RunStatus
		detail string
	}{
		"an error": {
			run:    func(context.Context, agent.Input, agent.Emitter) error { return errors.New("secret cause") },
			status: parley.RunFailed, detail: "the agent failed",
		},
		"an error for clients": {
			run: func(context.Context, agent.Input, agent.Emitter) error {
				return parley.Errorf(parley.CodeUnavailable, "come back tomorrow")
			},
			status: parley.RunFailed, detail: "come back tomorrow",
		},
		"a panic": {
			run:    func(context.Context, agent.Input, agent.Emitter) error { panic("oh") },
			status: parley.RunFailed, detail: "the agent failed",
		},
		"too long": {
			run:    func(ctx context.Context, _ agent.Input, _ agent.Emitter) error { <-ctx.Done(); return ctx.Err() },
			status: parley.RunFailed, detail: "the answer took too long",
		},
		"the conversation is closed": {
			run:    func(ctx context.Context, _ agent.Input, _ agent.Emitter) error { <-ctx.Done(); return ctx.Err() },
			during: func(w *world, id parley.ConversationID) { w.do(ann, parley.CloseConversation{Conversation: id}) },
			status: parley.RunCancelled, detail: "the answer is no longer wanted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, &scripted{id: "bot", run: c.run})
				w.work(w.engine, func(c *agent.Config) { c.MaxDuration = time.Minute })
				id := w.session("bot")
				w.ask(id, "well?")
				time.Sleep(time.Second)
				if c.during != nil {
					c.during(w, id)
				}
				time.Sleep(2 * time.Minute)
				e := w.ends()
				if len(e) != 1 || e[0].Status != c.status || e[0].Detail != c.detail {
					t.Errorf("ended with %+v", e[0])
				}
			})
		})
	}
}

func TestAnAgentReadsWhatWasSaid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bot := &scripted{id: "bot", run: func(ctx context.Context, in agent.Input, out agent.Emitter) error {
			history, err := in.History(ctx, 2)
			if err != nil {
				return err
			}
			for _, m := range history {
				if err := out.Text(ctx, "["+m.Content+"]"); err != nil {
					return err
				}
			}
			return nil
		}}
		w := newWorld(t, bot)
		w.work(w.engine)
		id := w.session("bot", "ben")
		for _, text := range []string{"a", "b"} {
			w.ask(id, text)
			time.Sleep(time.Second)
		}
		w.wantSaid(id, "ann: a", "bot: [a]", "ann: b", "bot: [[a]][b]")
	})
}
