package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func data(format string, args ...any) parley.RawJSON {
	return parley.RawJSON(fmt.Sprintf(format, args...))
}

func TestWhoMayPublishWhat(t *testing.T) {
	w := newWorld(t)
	svc := backend("svc")
	for _, c := range []struct {
		who  *parley.Principal
		typ  parley.EventType
		ch   string
		code parley.Code // empty: allowed
	}{
		{ann, "custom.event", "app-channel", ""},
		{ann, "custom.event", "conversation", ""},
		{ann, "plain", "app", ""},
		{ann, "chore.completed", "chores", ""},
		{ann, "custom.event", "system", parley.CodeForbidden},
		{ann, "custom.event", "memory", parley.CodeForbidden},
		{ann, "system.status", "", parley.CodeForbidden},
		{ann, "memory.created", "memory", parley.CodeForbidden},
		{svc, "system.status", "", ""},
		{svc, "memory.created", "memory", ""},
		{svc, "custom.event", "offering", ""},
		{svc, "offering.updated", "memory", parley.CodeInvalidArgument},
		{svc, "memory.dreamt", "memory", parley.CodeForbidden},
		{svc, "message.created", "conversation", parley.CodeForbidden},
		{svc, "message.new", "conversation", parley.CodeForbidden},
		{svc, "Message.New", "conversation", parley.CodeForbidden},
		{svc, "message", "conversation", parley.CodeForbidden},
		{svc, "typing.start", "conversation", parley.CodeForbidden},
		{svc, "run.ended", "conversation", parley.CodeForbidden},
		{svc, "member.joined", "x", parley.CodeForbidden},
		{svc, "tool.invented", "x", parley.CodeForbidden},
		{ann, "flow.run", "flows", parley.CodeForbidden},       // the topic of run.started
		{ann, "task.completed", "tasks", parley.CodeForbidden}, // of task.status_changed
		{svc, "item.moved", "conversations", parley.CodeForbidden},
		{svc, "item.moved", "offerings", parley.CodeForbidden},
		{ann, "", "x", parley.CodeInvalidArgument},
		{ann, "a b", "x", parley.CodeInvalidArgument},
		{ann, ".a", "x", parley.CodeInvalidArgument},
		{ann, "a..b", "x", parley.CodeInvalidArgument},
		{ann, parley.EventType(strings.Repeat("a", 129)), "x", parley.CodeInvalidArgument},
		{ann, "a.b", "", parley.CodeInvalidArgument},
		{ann, "a.b", "a,b", parley.CodeInvalidArgument},
		{ann, "a.b", strings.Repeat("a", 65), parley.CodeInvalidArgument},
	} {
		cmd := parley.PublishEvent{Type: c.typ, Channel: c.ch}
		if c.code != "" {
			w.refused(c.who, cmd, c.code)
			continue
		}
		if ev := w.must(c.who, cmd).Event; ev.Type != c.typ || ev.Channel == "" || ev.Actor != c.who.ID {
			t.Errorf("%s: %+v", c.typ, ev)
		}
	}
}

func TestWhatDataMayBe(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{`[]`, `"x"`, `null`, `{`, `{} {}`, "{\"a\":\"\xff\"}", `{"conversation_id":7}`, `{"conversation_id":"conv_1"}`} {
		w.refused(ann, parley.PublishEvent{Type: "a.b", Channel: "c", Data: parley.RawJSON(bad)}, parley.CodeInvalidArgument)
	}
	long := data(`{"a":"%s"}`, strings.Repeat("x", 64<<10))
	w.refused(ann, parley.PublishEvent{Type: "a.b", Channel: "c", Data: long}, parley.CodeTooLarge)
	many := make([]parley.PrincipalID, 1001)
	for i := range many {
		many[i] = parley.PrincipalID(fmt.Sprint(i))
	}
	w.refused(ann, parley.PublishEvent{Type: "a.b", Channel: "c", Targets: many}, parley.CodeInvalidArgument)

	ev := w.must(ann, parley.PublishEvent{Type: "a.b", Channel: "c", Data: data("{ \"id\": \"thing\",\n\"ID\": 3 }")}).Event
	if b := ev.Body.(*parley.PublishedBody); string(b.Data) != `{"id":"thing","ID":3}` || b.ResourceID != "thing" {
		t.Errorf("body is %s, resource %q", b.Data, b.ResourceID)
	}
}

func TestWhomAPublishedEventConcerns(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	inIt := data(`{"conversation_id":"%s"}`, id)
	publish := func(p *parley.Principal, d parley.RawJSON, targets ...parley.PrincipalID) *parley.Event {
		return w.must(p, parley.PublishEvent{Type: "a.b", Channel: "c", Data: d, Targets: targets}).Event
	}
	if ev := publish(ann, nil); ev.Scope() != parley.ChannelScope || ev.Targets != nil {
		t.Errorf("to the channel: %+v", ev)
	}
	if ev := publish(ann, nil, "x", "y", "x"); !slices.Equal(ev.Targets, []parley.PrincipalID{"x", "y"}) {
		t.Errorf("to targets: %v", ev.Targets)
	}
	if ev := publish(ann, inIt); ev.Conversation != id || ev.ChangeSeq != 2 || ev.Targets != nil {
		t.Errorf("to the conversation: %+v", ev)
	}
	if ev := publish(backend("svc"), inIt); ev.Conversation != id || ev.ChangeSeq != 3 {
		t.Errorf("to the conversation, by a back end that is no member: %+v", ev)
	}
	// Both named: those of the targets who are members, and nobody else.
	if ev := publish(ann, inIt, "ben", "cleo"); !ev.Conversation.IsZero() || !slices.Equal(ev.Targets, []parley.PrincipalID{"ben"}) {
		t.Errorf("to targets within the conversation: %+v", ev)
	}
	w.refused(ann, parley.PublishEvent{Type: "a.b", Channel: "c", Data: inIt, Targets: []parley.PrincipalID{"cleo"}}, parley.CodeInvalidArgument)
	if m := w.must(ann, parley.PostMessage{Conversation: id, Content: "x"}); m.Event.ChangeSeq != 4 {
		t.Errorf("the next change_seq is %d", m.Event.ChangeSeq)
	}
	owned := w.must(backend("svc"), parley.PublishEvent{Type: parley.MemoryCreated, Data: data(`{"created_by":"ann"}`)}).Event
	if !slices.Equal(owned.Targets, []parley.PrincipalID{"ann"}) {
		t.Errorf("a memory item's owner: %v", owned.Targets)
	}
}

func TestAPublishIsTheSameForEver(t *testing.T) {
	w := newWorld(t)
	cmd := parley.PublishEvent{Type: "a.b", Channel: "c", Data: data(`{"n":1}`), Targets: []parley.PrincipalID{"ben"}, IdempotencyKey: "k"}
	first := w.must(ann, cmd)
	again := cmd
	again.Data = data(`{ "n" : 1 }`)
	r := w.must(ann, again)
	if !r.Repeated || r.Event.ID != first.Event.ID || !r.Event.Time.Equal(first.Event.Time) || len(r.Event.Targets) != 1 {
		t.Errorf("again: %+v", r.Event)
	}
	again.Data = data(`{"n":2}`)
	w.refused(ann, again, parley.CodeConflict)
	if r := w.must(ben, again); r.Repeated {
		t.Error("another publisher's key is the same")
	}
	if n := len(w.log()); n != 2 {
		t.Errorf("%d events stored", n)
	}
}

func TestPublishesAreLimited(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *Config) { c.Now = func() time.Time { return now } })
	cmd := parley.PublishEvent{Type: "a.b", Channel: "c"}
	for range 20 {
		w.must(ann, cmd)
	}
	if e := w.refused(ann, cmd, parley.CodeRateLimited); e.RetryAfter != 3*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	svc := backend("svc")
	for range 21 {
		w.must(svc, cmd)
	}
}

func TestEphemeralTypesAreNotStored(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	ear := w.listen()
	w.must(ann, parley.PublishEvent{Type: "cursor.moved", Channel: "doc", Data: data(`{"x":1}`)})
	if ev := ear.next("cursor.moved"); ev.Class != parley.Ephemeral || ev.Channel != "doc" {
		t.Errorf("heard %+v", ev)
	}
	w.must(ann, parley.PublishEvent{Type: "cursor.moved", Channel: "doc", Data: data(`{"conversation_id":"%s"}`, id)})
	if ev := ear.next("cursor.moved"); ev.Conversation != id || ev.ChangeSeq != 1 {
		t.Errorf("heard %+v", ev)
	}
	inIt := parley.PublishEvent{Type: "cursor.moved", Channel: "doc", Data: data(`{"conversation_id":"%s"}`, id), Targets: []parley.PrincipalID{"ben", "cleo"}}
	w.refused(cleo, inIt, parley.CodeNotFound)
	w.must(backend("svc"), inIt)
	if ev := ear.next("cursor.moved"); !ev.Conversation.IsZero() || !slices.Equal(ev.Targets, []parley.PrincipalID{"ben"}) {
		t.Errorf("heard %+v", ev)
	}
	if got := types(w.log()); len(got) != 1 {
		t.Errorf("log holds %v", got)
	}
}
