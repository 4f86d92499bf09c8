package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// createTask begins a task of an agent, who must be a member. It is told by the
// agent itself, by a member, or by a service that may do everything.
func (e *Engine) createTask(ctx context.Context, p *parley.Principal, cmd parley.CreateTask) (parley.Result, error) {
	if cmd.Agent == "" {
		cmd.Agent = p.ID
	}
	if cmd.Status == "" {
		cmd.Status = parley.TaskRunning
	}
	if err := firstError(
		checkText("agent_id", string(cmd.Agent), maxID),
		checkText("title", cmd.Title, maxTitle),
		checkText("current_step", cmd.Step, maxTitle),
		checkText("progress_narrative", cmd.Narrative, maxDescription),
		checkOneOf("status", cmd.Status, parley.TaskPending, parley.TaskRunning, parley.TaskWaiting)); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, err := w.reporting(cmd.Conversation, toCreateTask, cmd.Agent)
		if err != nil {
			return err
		}
		if c.Status != parley.StatusActive {
			return errClosed()
		}
		t := &parley.Task{
			Org: p.Org, ID: e.cfg.IDs.NewID(), Conversation: c.ID, Agent: cmd.Agent, Parent: cmd.Parent,
			Title: cmd.Title, Status: cmd.Status, Step: cmd.Step, Narrative: cmd.Narrative,
			CreatedAt: w.now, UpdatedAt: w.now,
		}
		if err := w.checkTask(t); err != nil {
			return err
		}
		result, err = w.tellTask(c, t, w.InsertTask)
		return err
	})
	return result, err
}

// reporting reads the conversation of a task, and holds it, where the caller may do
// something to the tasks of an agent there.
func (w *write) reporting(id parley.ConversationID, do action, agent parley.PrincipalID) (*parley.Conversation, error) {
	c, m, err := w.conversation(id)
	if err == nil {
		if reportsAll(w.caller) {
			return c, nil
		}
		return c, may(do, c, m, agent == w.caller.ID)
	}
	if !reportsAll(w.caller) || !errors.Is(err, parley.ErrNotFound) {
		return nil, err
	}
	c, err = w.Conversation(w.caller.Org, id)
	if err == nil && c.Status == parley.StatusDeleted {
		err = parley.ErrNotFound
	}
	if errors.Is(err, parley.ErrNotFound) {
		return nil, errNoConversation(err)
	}
	return c, err
}

// reportsAll reports whether a principal may report the tasks of any agent, in
// conversations that it is no member of too.
func reportsAll(p *parley.Principal) bool {
	return p.Kind == parley.KindService && p.Can(parley.ScopeAdmin)
}

// checkTask refuses a task of somebody who is no agent of the conversation, and a
// parent from elsewhere.
func (w *write) checkTask(t *parley.Task) error {
	m, err := w.Member(t.Org, t.Conversation, t.Agent)
	if err != nil && !errors.Is(err, parley.ErrNotFound) {
		return fmt.Errorf("read stay in %s: %w", t.Conversation, err)
	}
	if err != nil || m.Kind != parley.KindAgent {
		return invalid("agent_id", "agent_id names no agent of this conversation")
	}
	if t.Parent.IsZero() {
		return nil
	}
	parent, err := w.Task(t.Org, t.Parent)
	if err != nil && !errors.Is(err, parley.ErrNotFound) {
		return fmt.Errorf("read task %s: %w", t.Parent, err)
	}
	if err != nil || parent.Conversation != t.Conversation {
		return invalid("parent_id", "parent_id names no task of this conversation")
	}
	return nil
}

// updateTask reports how a task goes; that nothing changed is not told. A task may
// be reported to its end in a conversation that was closed.
func (e *Engine) updateTask(ctx context.Context, p *parley.Principal, cmd parley.UpdateTask) (parley.Result, error) {
	if err := checkReport(&cmd); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		t, c, err := w.task(cmd.Task)
		if err != nil {
			return err
		}
		next, err := reported(t, &cmd)
		if err != nil {
			return err
		}
		if next == nil {
			result = parley.Result{Conversation: c, Task: t, Repeated: true}
			return nil
		}
		next.UpdatedAt = w.now
		if next.Status.Ended() {
			next.EndedAt = w.now
		}
		result, err = w.tellTask(c, next, w.UpdateTask)
		return err
	})
	return result, err
}

// checkReport validates a report and makes its result compact.
func checkReport(cmd *parley.UpdateTask) error {
	for _, f := range []struct {
		name  string
		text  *string
		limit int
	}{
		{"current_step", cmd.Step, maxTitle},
		{"progress_narrative", cmd.Narrative, maxDescription},
		{"error", cmd.Error, maxDescription},
	} {
		if f.text == nil {
			continue
		}
		if err := checkText(f.name, *f.text, f.limit); err != nil {
			return err
		}
	}
	if cmd.Result != nil {
		if len(cmd.Result) > maxToolValue {
			return &parley.Error{Code: parley.CodeTooLarge, Message: fmt.Sprintf("result is longer than %d bytes", maxToolValue), Field: "result"}
		}
		if !utf8.Valid(cmd.Result) || !json.Valid(cmd.Result) {
			return invalid("result", "result must be JSON")
		}
		cmd.Result = jsonr.Compact(nil, cmd.Result)
	}
	return checkOneOf("status", cmd.Status, "", parley.TaskPending, parley.TaskRunning, parley.TaskWaiting,
		parley.TaskCompleted, parley.TaskFailed, parley.TaskCancelled)
}

// task reads a task that the caller may report, and holds its conversation.
func (w *write) task(id parley.TaskID) (*parley.Task, *parley.Conversation, error) {
	t, err := w.Task(w.caller.Org, id)
	if err != nil {
		return nil, nil, noTask(id, err)
	}
	c, err := w.reporting(t.Conversation, toUpdateTask, t.Agent)
	if err != nil {
		return nil, nil, noTask(id, err)
	}
	if t, err = w.Task(c.Org, id); err != nil { // as it is now that nobody else changes it
		return nil, nil, noTask(id, err)
	}
	return t, c, nil
}

// noTask makes what every caller hears who may not know of a task out of an error.
func noTask(id parley.TaskID, err error) error {
	var refused *parley.Error
	switch {
	case errors.Is(err, parley.ErrNotFound):
		return &parley.Error{Code: parley.CodeNotFound, Message: "there is no such task", Err: err}
	case errors.As(err, &refused):
		return err
	}
	return fmt.Errorf("read task %s: %w", id, err)
}

// reported returns the task as a report makes it; nil where it is so already. What
// has begun is not pending again, and what has ended stays as it is.
func reported(t *parley.Task, cmd *parley.UpdateTask) (*parley.Task, error) {
	next := *t
	changed := set(&next.Step, cmd.Step)
	changed = set(&next.Narrative, cmd.Narrative) || changed
	changed = set(&next.Error, cmd.Error) || changed
	if cmd.Status != "" {
		changed = set(&next.Status, &cmd.Status) || changed
	}
	if cmd.Result != nil && !bytes.Equal(t.Result, cmd.Result) {
		next.Result, changed = cmd.Result, true
	}
	switch {
	case !changed:
		return nil, nil
	case t.Status.Ended():
		return nil, parley.Errorf(parley.CodeConflict, "the task has ended as %s", t.Status)
	case next.Status == parley.TaskPending && t.Status != parley.TaskPending:
		return nil, parley.Errorf(parley.CodeConflict, "the task has begun already")
	}
	return &next, nil
}

// tellTask tells a task as it is now, and stores it with the place at which it is told.
func (w *write) tellTask(c *parley.Conversation, t *parley.Task, store func(*parley.Task) error) (parley.Result, error) {
	ev := w.event(c, parley.TaskStatusChanged, &parley.TaskBody{
		Task: t.ID, Agent: t.Agent, Parent: t.Parent, Title: t.Title, Status: t.Status,
		Step: t.Step, Narrative: t.Narrative, Result: t.Result, Error: t.Error,
	})
	t.Seq, t.ChangeSeq = c.Seq, ev.ChangeSeq
	if err := store(t); err != nil {
		return parley.Result{}, fmt.Errorf("store task %s: %w", t.ID, err)
	}
	return parley.Result{Conversation: c, Task: t, Event: ev}, firstError(w.append(ev), w.save(c))
}
