package parley

import "time"

// RunStatus is where an agent's run stands. A run ends exactly once (P4).
type RunStatus string

// The states of a run; all but running are ends.
const (
	RunRunning     RunStatus = "running"
	RunCompleted   RunStatus = "completed"
	RunCancelled   RunStatus = "cancelled"
	RunInterrupted RunStatus = "interrupted" // its owner died; the prefix clients saw is kept
	RunFailed      RunStatus = "failed"
)

// Run is one agent answer in progress. Its row is written at its start and at
// its end, never per token; what lies between is in the run log.
type Run struct {
	Org          OrgID
	ID           RunID
	Conversation ConversationID
	// Message is the id the answer has from its start; the message takes its seq
	// in the transaction that ends the run.
	Message MessageID
	Agent   PrincipalID
	Name    string // the agent's display name
	// Trigger is the message that asked; (Trigger, Agent) is unique, so that a
	// question starts one run however often it is seen. Zero for none.
	Trigger MessageID
	Status  RunStatus
	// Owner is the node that produces the run, Epoch its fencing number: each
	// takeover adds one, and deltas or an end of a lower epoch are refused.
	Owner string
	Epoch uint64
	// After: see RunRef.After. ChangeSeq is the conversation's at the start: every
	// delta carries it, and a Conn holds deltas until it has passed it.
	After     uint64
	ChangeSeq uint64
	StartedAt time.Time
	EndedAt   time.Time // zero while running
}

// Run, stream and tool events, conversation scope.
const (
	RunStarted    EventType = "run.started"
	StreamStarted EventType = "message.stream.started"
	StreamDelta   EventType = "message.stream.delta"
	ToolCalled    EventType = "tool.called"
	ToolReturned  EventType = "tool.returned"
	RunEnded      EventType = "run.ended"
)

// RunBody is the body of run.started, message.stream.started and run.ended.
// A run's end is one fact, run.ended; contracts.md section 9 spells it as the
// end of the stream too.
type RunBody struct {
	Run     RunID       `json:"run"`
	Message MessageID   `json:"message"`
	Agent   PrincipalID `json:"agent"`
	Name    string      `json:"name,omitempty"`
	Status  RunStatus   `json:"status"`
	Epoch   uint64      `json:"epoch,omitempty"`
	After   uint64      `json:"after"`
	// Text is the whole answer; set on run.ended only.
	Text string `json:"text,omitempty"`
	// Seq is the seq the message took; set on run.ended only.
	Seq uint64 `json:"seq,omitempty"`
	// Detail says in words why the run failed or was interrupted; may be empty.
	Detail string `json:"detail,omitempty"`
}

// DeltaBody is the body of message.stream.delta: a piece of text that belongs at
// byte Offset of the message. Neither end of it splits a rune. Pieces may be
// merged on their way to a slow listener, and a snapshot is a piece at offset 0.
type DeltaBody struct {
	Run     RunID       `json:"run"`
	Message MessageID   `json:"message"`
	Agent   PrincipalID `json:"agent"`
	Epoch   uint64      `json:"epoch"`
	RSeq    uint64      `json:"rseq"` // gapless per run, from 1
	Offset  int         `json:"offset"`
	Text    string      `json:"text"`
}

// ToolBody is the body of tool.called and tool.returned. Arguments and Result
// are JSON.
type ToolBody struct {
	Run       RunID       `json:"run"`
	Message   MessageID   `json:"message"`
	Agent     PrincipalID `json:"agent"`
	Epoch     uint64      `json:"epoch"`
	RSeq      uint64      `json:"rseq"`
	Call      string      `json:"call"` // unique within the run
	Tool      string      `json:"tool"`
	Arguments RawJSON     `json:"arguments,omitempty"` // tool.called
	Result    RawJSON     `json:"result,omitempty"`    // tool.returned
}

func streamSpecs() []EventSpec {
	run := func() Body { return new(RunBody) }
	tool := func() Body { return new(ToolBody) }
	stream := TopicName{"conversations", "conversation", "message_stream"}
	return []EventSpec{
		{RunStarted, RunLogged, ConversationScope, ChannelConversation, TopicName{"flows", "flow", "run"}, "an agent began to answer", run},
		{StreamStarted, RunLogged, ConversationScope, ChannelConversation, stream, "an answer's text begins to grow", run},
		{StreamDelta, RunLogged, ConversationScope, ChannelConversation, stream, "a piece of an answer's text", func() Body { return new(DeltaBody) }},
		{ToolCalled, RunLogged, ConversationScope, ChannelConversation, TopicName{"conversations", "conversation", "tool_called"}, "an agent called a tool", tool},
		{ToolReturned, RunLogged, ConversationScope, ChannelConversation, TopicName{"conversations", "conversation", "tool_returned"}, "a tool answered", tool},
		{RunEnded, Durable, ConversationScope, ChannelConversation, stream, "a run ended: completed, cancelled, interrupted or failed", run},
	}
}
