package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// codes are what became of a batch: "" for what was accepted.
func codes(batch []parley.Outcome) (list []parley.Code) {
	for _, o := range batch {
		if (o.Event == nil) == (o.Err == nil) {
			panic("an outcome is both, or neither")
		}
		code := parley.Code("")
		if o.Err != nil {
			code = o.Err.Code
		}
		list = append(list, code)
	}
	return list
}

func TestEachEventOfABatchIsJudgedByItself(t *testing.T) {
	w := newWorld(t)
	id, ear := w.group("ben"), w.listen()
	inIt := data(`{"conversation_id":"%s"}`, id)
	before := len(w.log())
	batch := w.must(ann, parley.PublishBatch{Events: []parley.PublishEvent{
		{Type: "a.one", Channel: "c"},
		{Type: "message.new", Channel: "c"},
		{Type: "a.two", Channel: "c", Data: data(`[]`)},
		{Type: "a.three", Channel: "c", Data: inIt},
		{Type: "a.four", Channel: "c", Data: inIt, Targets: []parley.PrincipalID{"cleo"}, IdempotencyKey: "k"},
		{Type: "a.five", Channel: "c", Data: data(`{"conversation_id":"%s"}`, parley.ConversationID{1})},
		{Type: "cursor.moved", Channel: "c"},
		{Type: "a.six", Channel: "c", Data: inIt, IdempotencyKey: "k"},
		{Type: "a.seven", Channel: "c", Targets: []parley.PrincipalID{"ben"}},
	}}).Batch
	want := []parley.Code{"", parley.CodeForbidden, parley.CodeInvalidArgument, "", parley.CodeInvalidArgument, parley.CodeNotFound, "", "", ""}
	if got := codes(batch); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if got := types(w.log()[before:]); !slices.Equal(got, []parley.EventType{"a.one", "a.three", "a.six", "a.seven"}) {
		t.Errorf("stored %v", got)
	}
	for i, seq := range map[int]uint64{3: 2, 7: 3} {
		if e := batch[i].Event; e.Conversation != id || e.ChangeSeq != seq || batch[i].Repeated {
			t.Errorf("event %d: %+v; the key of what was refused is free", i, e)
		}
	}
	if ev := ear.next("cursor.moved"); ev.ID != batch[6].Event.ID || ev.Class != parley.Ephemeral {
		t.Errorf("heard %+v", ev)
	}
}

func TestABatchKnowsItsOwnKeys(t *testing.T) {
	w := newWorld(t)
	cmd := parley.PublishEvent{Type: "a.b", Channel: "c", Data: data(`{"n":1}`), IdempotencyKey: "k"}
	other := cmd
	other.Data = data(`{"n":2}`)
	batch := parley.PublishBatch{Events: []parley.PublishEvent{cmd, cmd, other}}
	first := w.must(ann, batch).Batch
	if got := codes(first); !slices.Equal(got, []parley.Code{"", "", parley.CodeConflict}) {
		t.Fatalf("got %q", got)
	}
	if first[0].Repeated || !first[1].Repeated || first[0].Event.ID != first[1].Event.ID {
		t.Errorf("the second is not the first again: %+v", first)
	}
	again := w.must(ann, batch).Batch
	if !again[0].Repeated || again[0].Event.ID != first[0].Event.ID || len(w.log()) != 1 {
		t.Errorf("the batch again: %+v, log of %d", again, len(w.log()))
	}
}

func TestTheRateLimitRefusesTheRestOfABatch(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *Config) { c.Now = func() time.Time { return now } })
	var cmd parley.PublishBatch
	for range 25 {
		cmd.Events = append(cmd.Events, parley.PublishEvent{Type: "a.b", Channel: "c"})
	}
	cmd.Events[3].Type, cmd.Events[23].Type = "a b", "a b" // takes nothing of the limit; not looked at
	for i, o := range w.must(ann, cmd).Batch {
		switch {
		case i == 3 && (o.Err == nil || o.Err.Code != parley.CodeInvalidArgument):
			t.Errorf("event %d: %v", i, o.Err)
		case i > 20 && (o.Err == nil || o.Err.Code != parley.CodeRateLimited || o.Err.RetryAfter != 3*time.Second):
			t.Errorf("event %d: %v", i, o.Err)
		case i != 3 && i <= 20 && o.Err != nil:
			t.Errorf("event %d: %v", i, o.Err)
		}
	}
	if n := len(w.log()); n != 20 {
		t.Errorf("%d stored", n)
	}
}

func TestABatchIsBoundedAndNeedsTheScope(t *testing.T) {
	w := newWorld(t)
	svc := backend("svc")
	events := make([]parley.PublishEvent, parley.MaxPublishBatch+1)
	for i := range events {
		events[i] = parley.PublishEvent{Type: "a.b", Channel: "c", Data: data(`{"id":"%d"}`, i)}
	}
	w.refused(svc, parley.PublishBatch{}, parley.CodeInvalidArgument)
	w.refused(svc, parley.PublishBatch{Events: events}, parley.CodeInvalidArgument)
	mute := *svc
	mute.Scopes = parley.NewScopes(parley.ScopeMemoryRead)
	w.refused(&mute, parley.PublishBatch{Events: events[:1]}, parley.CodeForbidden)
	w.must(svc, parley.PublishBatch{Events: events[1:]})
	for i, e := range w.log() {
		if b := e.Body.(*parley.PublishedBody); e.Position.Offset != uint64(i+1) || b.ResourceID != fmt.Sprint(i+1) {
			t.Fatalf("at %d is %s", i+1, b.ResourceID)
		}
	}
}

func TestABatchThatCannotBeStoredTellsNothing(t *testing.T) {
	w := newWorld(t)
	ear := w.listen()
	w.store.Close()
	w.refused(ann, parley.PublishBatch{Events: []parley.PublishEvent{
		{Type: "cursor.moved", Channel: "c"}, {Type: "a.b", Channel: "c"},
	}}, parley.CodeUnavailable)
	w.silent(ear)
}
