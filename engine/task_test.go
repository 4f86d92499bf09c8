package engine

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func ref[T any](v T) *T { return &v }

func TestATaskIsReported(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben", "demo")
	begun := clock.now
	r := w.must(&demo, parley.CreateTask{Conversation: id, Title: "Book a table", Status: parley.TaskPending})
	task := r.Task
	if r.Event.Type != parley.TaskStatusChanged || r.Event.Conversation != id || r.Event.ChangeSeq != 2 || task.Agent != "demo" {
		t.Errorf("began as %+v, %+v", task, r.Event)
	}
	ended := clock.tick()
	for i, c := range []struct {
		report parley.UpdateTask
		told   bool
	}{
		{parley.UpdateTask{Status: parley.TaskRunning, Step: ref("calling")}, true},
		{parley.UpdateTask{Step: ref("calling")}, false},
		{parley.UpdateTask{Status: parley.TaskWaiting, Narrative: ref("they ask for a name")}, true},
		{parley.UpdateTask{Status: parley.TaskCompleted, Result: parley.RawJSON(`{ "at": "8 pm" }`)}, true},
		{parley.UpdateTask{Status: parley.TaskCompleted, Result: parley.RawJSON(`{"at":"8 pm"}`)}, false}, // the same again
	} {
		c.report.Task = task.ID
		r := w.must(&demo, c.report)
		if (r.Event != nil) != c.told || r.Repeated == c.told {
			t.Fatalf("step %d: %+v", i, r)
		}
	}
	want := parley.TaskBody{
		Task: task.ID, Agent: "demo", Title: "Book a table", Status: parley.TaskCompleted,
		Step: "calling", Narrative: "they ask for a name", Result: parley.RawJSON(`{"at":"8 pm"}`),
	}
	log := w.log()
	if b := log[len(log)-1].Body.(*parley.TaskBody); string(b.Result) != string(want.Result) || b.Step != want.Step ||
		b.Narrative != want.Narrative || b.Status != want.Status || b.Title != want.Title || b.Agent != want.Agent {
		t.Errorf("told at last %+v, want %+v", b, want)
	}
	stored, err := w.store.Task(t.Context(), org, task.ID)
	if err != nil || stored.Status != parley.TaskCompleted || !stored.EndedAt.Equal(ended) || !stored.CreatedAt.Equal(begun) {
		t.Errorf("stored as %+v, %v", stored, err)
	}
	w.refused(&demo, parley.UpdateTask{Task: task.ID, Status: parley.TaskFailed}, parley.CodeConflict)
	w.refused(&demo, parley.UpdateTask{Task: task.ID, Step: ref("oops")}, parley.CodeConflict)
	if c, err := w.store.Conversation(t.Context(), org, id); err != nil || !c.LastActivity.Equal(begun) {
		t.Errorf("a task counts as activity: %v, %v", c.LastActivity, err)
	}
}

func TestATaskNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	id := w.group("demo")
	all := []parley.TaskStatus{
		parley.TaskPending, parley.TaskRunning, parley.TaskWaiting, parley.TaskCompleted, parley.TaskFailed, parley.TaskCancelled,
	}
	for _, from := range all {
		for _, to := range all {
			begin := parley.CreateTask{Conversation: id, Status: from}
			if from.Ended() {
				w.refused(&demo, begin, parley.CodeInvalidArgument)
				begin.Status = ""
			}
			task := w.must(&demo, begin).Task.ID
			w.must(&demo, parley.UpdateTask{Task: task, Status: from})
			move := parley.UpdateTask{Task: task, Status: to}
			if from == to || !from.Ended() && to != parley.TaskPending {
				w.must(&demo, move)
			} else {
				w.refused(&demo, move, parley.CodeConflict)
			}
		}
	}
}

func TestWhoseTasksMayBeReported(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "demo")
	boss := backend("boss")
	boss.Scopes = parley.NewScopes(parley.ScopeAdmin)
	create := parley.CreateTask{Conversation: id, Agent: "demo"}
	w.refused(ann, parley.CreateTask{Conversation: id}, parley.CodeInvalidArgument) // ann is no agent
	w.refused(ann, parley.CreateTask{Conversation: id, Agent: "ben"}, parley.CodeInvalidArgument)
	w.refused(ann, parley.CreateTask{Conversation: id, Agent: "elsewhere"}, parley.CodeInvalidArgument)
	w.refused(cleo, create, parley.CodeNotFound)
	w.refused(backend("svc"), create, parley.CodeNotFound) // may not do everything
	w.must(ben, create)
	task := w.must(boss, create).Task.ID
	report := func(step string) parley.UpdateTask { return parley.UpdateTask{Task: task, Step: &step} }
	w.must(&demo, report("1"))
	w.must(ann, report("2"))
	w.must(boss, report("3"))
	w.refused(ben, report("4"), parley.CodeForbidden)
	w.refused(cleo, report("5"), parley.CodeNotFound)
	w.refused(ann, parley.UpdateTask{Task: ids{}.NewID()}, parley.CodeNotFound)
	for _, bad := range []parley.UpdateTask{
		{Status: "asleep"}, {Step: ref("\xff")}, {Result: parley.RawJSON(`{`)}, {Error: ref("\x00")},
	} {
		bad.Task = task
		w.refused(&demo, bad, parley.CodeInvalidArgument)
	}
	w.refused(&demo, parley.UpdateTask{Task: task, Result: parley.RawJSON(`"` + strings.Repeat("x", 64<<10) + `"`)}, parley.CodeTooLarge)

	part := w.must(&demo, parley.CreateTask{Conversation: id, Parent: task})
	if b := part.Event.Body.(*parley.TaskBody); b.Parent != task {
		t.Errorf("told %+v", b)
	}
	elsewhere := w.group("demo")
	w.refused(&demo, parley.CreateTask{Conversation: elsewhere, Parent: task}, parley.CodeInvalidArgument)

	w.must(ann, parley.CloseConversation{Conversation: id})
	w.refused(&demo, create, parley.CodeClosed)
	w.must(&demo, report("to its end"))
	w.must(ann, parley.DeleteConversation{Conversation: id, ForEveryone: true})
	w.refused(&demo, report("6"), parley.CodeNotFound)
	w.refused(boss, report("7"), parley.CodeNotFound)
}

func TestATaskIsStreamed(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on, func(c *Config) { c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1, 3 })
	helper := &parley.Principal{Org: org, ID: "helper", Kind: parley.KindAgent, Scopes: parley.UserScopes}
	w.must(helper, parley.CreateConversation{}) // is seen, as an agent
	id := w.group("ben", "helper")
	task := w.must(helper, parley.CreateTask{Conversation: id}).Task.ID
	stored, ear := len(w.log()), w.listen()
	piece := parley.StreamTask{Task: task, Text: "so f"}
	w.must(helper, piece)
	ev := ear.next(parley.TaskStreamed)
	if b := ev.Body.(*parley.TaskDeltaBody); *b != (parley.TaskDeltaBody{Task: task, Agent: "helper", Text: "so f"}) ||
		ev.Conversation != id || ev.ChangeSeq != 2 || ev.Class != parley.Ephemeral {
		t.Errorf("heard %+v, %+v", ev, b)
	}
	if log := w.log(); len(log) != stored {
		t.Errorf("it was kept: %v", types(log[stored:]))
	}
	w.refused(ann, piece, parley.CodeForbidden)
	w.refused(cleo, piece, parley.CodeNotFound)
	w.refused(helper, parley.StreamTask{Task: ids{}.NewID(), Text: "x"}, parley.CodeNotFound)
	w.refused(helper, parley.StreamTask{Task: task}, parley.CodeInvalidArgument)
	w.refused(helper, parley.StreamTask{Task: task, Text: strings.Repeat("x", maxPiece+1)}, parley.CodeTooLarge)
	w.must(helper, piece)
	w.refused(helper, piece, parley.CodeRateLimited)
	clock.tick()
	w.must(helper, parley.UpdateTask{Task: task, Status: parley.TaskCompleted})
	w.refused(helper, piece, parley.CodeConflict)
}

func TestATasksTopicNamesItsStatus(t *testing.T) {
	w := newWorld(t)
	id := w.group("demo")
	task := w.must(&demo, parley.CreateTask{Conversation: id}).Task.ID
	ev := w.must(&demo, parley.UpdateTask{Task: task, Status: parley.TaskFailed, Error: ref("no table left")}).Event
	if topic := parley.TopicOf(ev); topic.Event != "failed" || topic.ResourceID != task.String() {
		t.Errorf("it is heard under %+v", topic)
	}
}
