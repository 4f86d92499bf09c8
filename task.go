package parley

import "time"

// TaskStatus is where a task stands.
type TaskStatus string

// The states of a task; the last three are ends.
const (
	TaskPending   TaskStatus = "pending"
	TaskRunning   TaskStatus = "running"
	TaskWaiting   TaskStatus = "waiting" // for somebody's input
	TaskCompleted TaskStatus = "completed"
	TaskFailed    TaskStatus = "failed"
	TaskCancelled TaskStatus = "cancelled"
)

// Ended reports whether the task is over.
func (s TaskStatus) Ended() bool {
	return s == TaskCompleted || s == TaskFailed || s == TaskCancelled
}

// Task is a piece of work that an agent, or a service for it, reports to a
// conversation. Runs are told as tasks of their own where a surface has no other
// word; they are not kept here.
type Task struct {
	Org          OrgID
	ID           TaskID
	Conversation ConversationID
	Agent        PrincipalID // who works on it
	Parent       TaskID      // zero for none
	Title        string
	Status       TaskStatus
	Step         string // what is done just now; may be empty
	Narrative    string // progress in words; may be empty
	Result       RawJSON
	Error        string // why it failed; may be empty
	CreatedAt    time.Time
	UpdatedAt    time.Time
	EndedAt      time.Time // zero while it is not over
	// ChangeSeq is the number of the event that told it last, Seq the conversation's last
	// message then: who heard that event has heard all of the task.
	Seq, ChangeSeq uint64
}

// Task events, conversation scope.
const (
	TaskStatusChanged EventType = "task.status_changed"
	TaskStreamed      EventType = "task.streamed"
)

// TaskBody is the body of task.status_changed: the task as it is now. The last
// segment of its topic's name is the status.
type TaskBody struct {
	Task      TaskID      `json:"task"`
	Agent     PrincipalID `json:"agent,omitempty"`
	Parent    TaskID      `json:"parent,omitzero"`
	Title     string      `json:"title,omitempty"`
	Status    TaskStatus  `json:"status"`
	Step      string      `json:"step,omitempty"`
	Narrative string      `json:"narrative,omitempty"`
	Result    RawJSON     `json:"result,omitempty"`
	Error     string      `json:"error,omitempty"`
}

// TaskDeltaBody is the body of task.streamed: some text of a running task, told as
// it comes and not kept. Whoever needs all of it reads the task's result.
type TaskDeltaBody struct {
	Task  TaskID      `json:"task"`
	Agent PrincipalID `json:"agent"`
	Text  string      `json:"text"`
}

func taskSpecs() []EventSpec {
	return []EventSpec{
		{TaskStatusChanged, Durable, ConversationScope, ChannelConversation, TopicName{"tasks", "task", "status_changed"}, "a task came to another state or step", func() Body { return new(TaskBody) }},
		{TaskStreamed, Ephemeral, ConversationScope, ChannelConversation, TopicName{"tasks", "task", "streamed"}, "some text of a running task", func() Body { return new(TaskDeltaBody) }},
	}
}
