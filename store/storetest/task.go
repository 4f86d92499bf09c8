package storetest

import (
	"errors"

	"github.com/parley-chat/parley"
)

var taskCases = group{"tasks", []testCase{
	{"all fields come back", func(e *env) {
		k := newTask(e.org, newConversationID(), 1)
		k.Parent, k.Title, k.Step, k.Narrative, k.Error = newTaskID(), "T\u00e4sk", "s", "n", "e"
		k.Result, k.UpdatedAt, k.EndedAt = parley.RawJSON(`{"a": [1]}`), at(2), at(3)
		k.Seq, k.ChangeSeq = 1<<40, 1<<41
		plain := newTask(e.org, k.Conversation, 1)
		e.insertTasks(k, plain)
		for _, want := range []*parley.Task{k, plain} {
			e.same("by the reader", must(e.s.Task(e.ctx, e.org, want.ID))(e), want)
			e.same("in a transaction", inTx(e, func(tx parley.Tx) (*parley.Task, error) { return tx.Task(e.org, want.ID) }), want)
		}
	}},
	{"one that does not exist, or is another org's, is not found", func(e *env) {
		k := newTask(e.org, newConversationID(), 1)
		e.insertTasks(k)
		for org, id := range map[parley.OrgID]parley.TaskID{e.org: newTaskID(), e.other: k.ID} {
			_, err := e.s.Task(e.ctx, org, id)
			e.fails(err, parley.ErrNotFound)
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Task(org, id); return err })
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.UpdateTask(newTask(org, k.Conversation, 1)) })
		}
	}},
	{"an update writes how it goes", func(e *env) {
		k := newTask(e.org, newConversationID(), 1)
		e.insertTasks(k)
		k.Status, k.Step, k.Narrative, k.Error = parley.TaskFailed, "s", "n", "e"
		k.Result, k.UpdatedAt, k.EndedAt = parley.RawJSON(`[]`), at(8), at(9)
		k.Seq, k.ChangeSeq = 7, 8
		changed := *k
		changed.Title, changed.Agent = "another", "eve"
		e.update(func(tx parley.Tx) error { return tx.UpdateTask(&changed) })
		e.same("task", must(e.s.Task(e.ctx, e.org, k.ID))(e), k)
	}},
	{"those of a conversation are listed by pages, the newest first", func(e *env) {
		in := newConversationID()
		var want []parley.Task
		for i := range 5 {
			k := newTask(e.org, in, i/2)
			e.insertTasks(k, newTask(e.org, newConversationID(), i))
			want = append([]parley.Task{*k}, want...)
		}
		for limit := 1; limit <= 6; limit++ {
			var walked []parley.Task
			for page := (parley.Page{Limit: limit}); ; {
				got, next, err := e.s.Tasks(e.ctx, e.org, in, page)
				e.ok(err)
				walked = append(walked, got...)
				if page.Cursor = next; next == "" || len(walked) > 5 {
					break
				}
			}
			e.same("tasks", walked, want)
		}
		got, next, err := e.s.Tasks(e.ctx, e.other, in, parley.Page{})
		e.ok(err)
		e.same("in another org", []any{len(got), next}, []any{0, ""})
		_, _, err = e.s.Tasks(e.ctx, e.org, in, parley.Page{Cursor: "?"})
		e.same("a cursor from elsewhere is refused", errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}), true)
	}},
}}

func newTask(org parley.OrgID, in parley.ConversationID, second int) *parley.Task {
	return &parley.Task{
		Org: org, ID: newTaskID(), Conversation: in, Agent: "bot", Title: "look it up", Status: parley.TaskRunning,
		CreatedAt: at(second), UpdatedAt: at(second),
	}
}

func (e *env) insertTasks(all ...*parley.Task) {
	e.Helper()
	e.update(func(tx parley.Tx) error {
		for _, k := range all {
			if err := tx.InsertTask(k); err != nil {
				return err
			}
		}
		return nil
	})
}
