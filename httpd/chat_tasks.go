package httpd

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/parley-chat/parley"
)

// chatTask is a task as the chat surface shows it.
type chatTask struct {
	TaskID         parley.TaskID         `json:"task_id"`
	ConversationID parley.ConversationID `json:"conversation_id"`
	AgentID        parley.PrincipalID    `json:"agent_id"`
	ParentID       *parley.TaskID        `json:"parent_id"`
	Title          *string               `json:"title"`
	Status         parley.TaskStatus     `json:"status"`
	CurrentStep    *string               `json:"current_step"`
	Narrative      *string               `json:"progress_narrative"`
	Result         json.RawMessage       `json:"result"`
	Error          *string               `json:"error"`
	CreatedAt      stamp                 `json:"created_at"`
	UpdatedAt      stamp                 `json:"updated_at"`
	EndedAt        *stamp                `json:"ended_at"`
}

func chatTaskOf(t *parley.Task) chatTask {
	return chatTask{
		TaskID: t.ID, ConversationID: t.Conversation, AgentID: t.Agent, ParentID: orNull(t.Parent),
		Title: orNull(t.Title), Status: t.Status, CurrentStep: orNull(t.Step), Narrative: orNull(t.Narrative),
		Result: json.RawMessage(t.Result), Error: orNull(t.Error),
		CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt), EndedAt: stampOrNull(t.EndedAt),
	}
}

// taskID is the id in the path.
func (c *call) taskID() (parley.TaskID, error) {
	id, err := parley.ParseTaskID(c.r.PathValue("id"))
	if err != nil {
		return id, errNoTask
	}
	return id, nil
}

var errNoTask = parley.Errorf(parley.CodeNotFound, "there is no such task")

// createTask begins a task in a conversation.
func (s *Server) createTask(c *call) error {
	b := &c.body
	cmd := parley.CreateTask{
		Conversation: b.conversation("conversation_id"), Agent: parley.PrincipalID(b.text("agent_id")),
		Title: b.text("title"), Status: parley.TaskStatus(b.text("status")),
		Step: b.text("current_step"), Narrative: b.text("progress_narrative"),
	}
	if text := b.text("parent_id"); text != "" {
		var err error
		cmd.Parent, err = parley.ParseTaskID(text)
		b.badIf(err != nil, "parent_id", "parent_id is not the id of a task")
	}
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, chatTaskOf(result.Task))
}

// updateTask reports how a task goes.
func (s *Server) updateTask(c *call) error {
	id, err := c.taskID()
	if err != nil {
		return err
	}
	b := &c.body
	cmd := parley.UpdateTask{
		Task: id, Status: parley.TaskStatus(b.text("status")), Step: b.textOrNil("current_step"),
		Narrative: b.textOrNil("progress_narrative"), Error: b.textOrNil("error"),
	}
	if text, ok := b.object["result"]; ok {
		cmd.Result = parley.RawJSON(text)
	}
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, chatTaskOf(result.Task))
}

// streamTask tells some text of a running task.
func (s *Server) streamTask(c *call) error {
	id, err := c.taskID()
	if err != nil {
		return err
	}
	return s.do(c, parley.StreamTask{Task: id, Text: c.body.need("delta")})
}

// getTask shows a task to those who are in its conversation.
func (s *Server) getTask(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	id, err := c.taskID()
	if err != nil {
		return err
	}
	t, err := s.Store.Task(c.ctx, c.who.Org, id)
	if isNotFound(err) {
		return errNoTask
	}
	if err != nil {
		return err
	}
	v, err := s.look(c.ctx, c.who, t.Conversation)
	if isNotFound(err) || err == nil && !v.shows(t) {
		return errNoTask
	}
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, chatTaskOf(t))
}

type taskList struct {
	Tasks      []chatTask `json:"tasks"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

// shows reports whether the principal, who must be in the conversation, sees a task: one
// whose last report it heard, or that was before its stay where the history is shared;
// none of an agent that it blocks, or of before a message up to which it deleted all for
// itself.
func (v *sight) shows(t *parley.Task) bool {
	if !v.member() || v.blocks[t.Agent] || v.state.HiddenSeq > 0 && t.Seq <= v.state.HiddenSeq {
		return false
	}
	return slices.ContainsFunc(v.own, func(stay parley.Membership) bool {
		return stay.Covers(t.ChangeSeq) || v.conversation.SharedHistory && stay.FromSeq == 1 && t.ChangeSeq < stay.From
	})
}

// taskRounds bounds how many rows one list reads to find what the caller may see: so
// many times the limit.
const taskRounds = 8

// listTasks lists the tasks of a conversation that the caller sees, the newest first;
// whoever left it sees none.
func (s *Server) listTasks(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	list := taskList{Tasks: []chatTask{}}
	if !v.member() {
		return c.reply(http.StatusOK, list)
	}
	most := page.Limit
	r := room{most, answerBytes}
	for rows := taskRounds * most; rows > 0 && !r.full(); rows -= page.Limit {
		page.Limit = min(r.items, readAtOnce/4)
		found, next, err := s.Store.Tasks(c.ctx, c.who.Org, v.conversation.ID, page)
		if err != nil {
			return err
		}
		for i := range found {
			t := &found[i]
			if !v.shows(t) {
				continue
			}
			list.Tasks = append(list.Tasks, chatTaskOf(t))
			r.items--
			r.bytes -= itemBytes + jsonSize(t.Title) + jsonSize(t.Step) + jsonSize(t.Narrative) + jsonSize(t.Error) + rawSize(t.Result)
		}
		page.Cursor, list.NextCursor = next, next
		if next == "" {
			break
		}
	}
	return c.reply(http.StatusOK, list)
}
