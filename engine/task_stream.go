package engine

import (
	"context"

	"github.com/parley-chat/parley"
)

// streamTask tells some text of a task as it comes, and keeps nothing of it. That
// is for the task's agent, and for services that may report any task.
func (e *Engine) streamTask(ctx context.Context, p *parley.Principal, cmd parley.StreamTask) (parley.Result, error) {
	if cmd.Text == "" {
		return parley.Result{}, invalid("delta", "delta is empty")
	}
	if err := checkText("delta", cmd.Text, maxPiece); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.streamed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	t, err := e.cfg.Store.Task(ctx, p.Org, cmd.Task)
	if err != nil {
		return parley.Result{}, noTask(cmd.Task, err)
	}
	c, err := e.audience(ctx, p.Org, t.Conversation)
	if err == nil && !c.members[p.ID] && !reportsAll(p) {
		err = errNoConversation(parley.ErrNotFound)
	}
	switch {
	case err != nil:
		return parley.Result{}, noTask(cmd.Task, err)
	case p.ID != t.Agent && !reportsAll(p):
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "only the agent of a task may stream it")
	case t.Status.Ended():
		return parley.Result{}, parley.Errorf(parley.CodeConflict, "the task has ended as %s", t.Status)
	}
	ev := e.liveEvent(p.Org, c.ID, c.ChangeSeq, parley.TaskStreamed, p.ID, p.Kind,
		&parley.TaskDeltaBody{Task: t.ID, Agent: t.Agent, Text: cmd.Text})
	e.tellLive(ev)
	return parley.Result{Conversation: c.Conversation, Task: t, Event: ev}, nil
}
