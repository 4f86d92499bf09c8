package chat

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

func appendReaction(dst []byte, b *parley.ReactionBody) []byte {
	dst = open(dst, "message_id")
	dst = appendTypeID(dst, b.Message)
	dst = jsonw.Text(dst, "user_id", string(b.Principal))
	dst = jsonw.Text(dst, "emoji", b.Emoji)
	if b.Added {
		return append(dst, `,"action":"added"}`...)
	}
	return append(dst, `,"action":"removed"}`...)
}

// appendReceipt is ours: how far somebody has come. 0 is that nothing was read.
func appendReceipt(dst []byte, b *parley.ReceiptBody) []byte {
	dst = open(dst, "conversation_id")
	dst = appendTypeID(dst, b.Conversation)
	dst = jsonw.Text(dst, "user_id", string(b.Principal))
	dst = jsonw.Number(dst, "last_read_seq", b.Read)
	dst = jsonw.Number(dst, "last_delivered_seq", b.Delivered)
	return append(dst, '}')
}

// appendState tells what a conversation is now to the one who is told. What was
// deleted for oneself is ours: one message with its seq_num, or a conversation with
// the seq up to which nothing of it is shown again.
func appendState(dst []byte, t parley.EventType, b *parley.MemberStateBody) []byte {
	dst = open(dst, "conversation_id")
	dst = appendTypeID(dst, b.Conversation)
	switch {
	case t == parley.MemberMuted:
		dst = appendUntil(dst, b)
	case t == parley.MemberArchived:
		dst = jsonw.TimeAt(dst, "archived_at", b.ArchivedAt)
	case t == parley.MemberHidden && b.Message.IsZero():
		dst = jsonw.Number(dst, "up_to_seq", b.Seq)
	case t == parley.MemberHidden:
		dst = jsonw.ID(dst, "message_id", b.Message)
		dst = jsonw.Number(dst, "seq_num", b.Seq)
	}
	return append(dst, '}')
}

// appendUntil appends muted_until; what has no end is spelled as contracts.md C25
// has it, to the letter.
func appendUntil(dst []byte, b *parley.MemberStateBody) []byte {
	if b.MutedUntil.Equal(parley.MutedForever) {
		return append(dst, `,"muted_until":"9999-12-31T23:59:59Z"`...)
	}
	return jsonw.TimeAt(dst, "muted_until", b.MutedUntil)
}

// appendTask tells where a task stands. The words on why it failed are its
// narrative where it has no other.
func appendTask(dst []byte, b *parley.TaskBody) []byte {
	dst = open(dst, "task_id")
	dst = appendTypeID(dst, b.Task)
	dst = jsonw.Text(dst, "status", string(b.Status))
	dst = jsonw.TextIf(dst, "current_step", b.Step)
	if b.Narrative != "" {
		dst = jsonw.Text(dst, "progress_narrative", b.Narrative)
	} else {
		dst = jsonw.TextIf(dst, "progress_narrative", b.Error)
	}
	dst = jsonw.TextIf(dst, "agent_id", string(b.Agent))
	return append(dst, '}')
}

// appendTaskDelta tells some text of a task, whose id is the session's.
func appendTaskDelta(dst []byte, b *parley.TaskDeltaBody) []byte {
	dst = open(dst, "delta")
	dst = jsonw.String(dst, b.Text)
	dst = jsonw.Text(dst, "agent_id", string(b.Agent))
	dst = jsonw.ID(dst, "session_id", b.Task)
	return append(dst, '}')
}

func appendCall(dst []byte, e *parley.Event, b *parley.CallBody) []byte {
	dst = open(dst, "call_id")
	dst = appendTypeID(dst, b.Call)
	if e.Type == parley.CallStarted {
		dst = jsonw.Text(dst, "room_name", b.Room)
		dst = jsonw.Text(dst, "call_type", b.Kind)
	}
	dst = jsonw.ID(dst, "conversation_id", e.Conversation)
	switch e.Type {
	case parley.CallStarted:
		dst = jsonw.Text(dst, "initiator_id", string(b.Initiator))
	case parley.CallAnswered:
		dst = jsonw.Text(dst, "answered_by", string(b.Principal))
	case parley.CallDeclined: // ours
		dst = jsonw.Text(dst, "declined_by", string(b.Principal))
	case parley.CallEnded:
		dst = jsonw.Number(dst, "duration_seconds", b.Seconds)
		dst = jsonw.TextIf(dst, "reason", b.Reason) // ours
	}
	return append(dst, '}')
}
