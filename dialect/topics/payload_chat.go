package topics

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

func appendReaction(dst []byte, e *parley.Event, b *parley.ReactionBody) []byte {
	dst = jsonw.ID(dst, "conversationId", e.Conversation)
	dst = jsonw.ID(dst, "messageId", b.Message)
	dst = jsonw.Uint(jsonw.Key(dst, "seq"), b.Seq)
	dst = appendParticipantOf(dst, e, b.Principal)
	dst = jsonw.Text(dst, "emoji", b.Emoji)
	if b.Added {
		return jsonw.Text(dst, "action", "added")
	}
	return jsonw.Text(dst, "action", "removed")
}

func appendReceipt(dst []byte, e *parley.Event, b *parley.ReceiptBody) []byte {
	dst = jsonw.ID(dst, "conversationId", b.Conversation)
	dst = appendParticipantOf(dst, e, b.Principal)
	dst = jsonw.Uint(jsonw.Key(dst, "readSeq"), b.Read)
	return jsonw.Uint(jsonw.Key(dst, "deliveredSeq"), b.Delivered)
}

// appendParticipantOf appends the one whose doing the event is, of whom the body
// says no more than the id.
func appendParticipantOf(dst []byte, e *parley.Event, id parley.PrincipalID) []byte {
	dst = append(jsonw.Key(dst, "participant"), '{')
	if e.ActorKind != "" && e.Actor == id {
		dst = jsonw.Text(dst, "type", actorType(e.ActorKind))
	}
	return append(jsonw.Text(dst, "id", string(id)), '}')
}

// appendState appends what a conversation is now to the one who is told. seq is the
// hidden message's, or the last of a conversation that was hidden.
func appendState(dst []byte, b *parley.MemberStateBody) []byte {
	dst = jsonw.ID(dst, "conversationId", b.Conversation)
	if !b.MutedUntil.IsZero() {
		dst = jsonw.TimeAt(dst, "mutedUntil", b.MutedUntil)
	}
	if !b.ArchivedAt.IsZero() {
		dst = jsonw.TimeAt(dst, "archivedAt", b.ArchivedAt)
	}
	dst = jsonw.IDIf(dst, "messageId", b.Message)
	if b.Seq > 0 {
		dst = jsonw.Uint(jsonw.Key(dst, "seq"), b.Seq)
	}
	return dst
}

// appendTask appends the task of contracts.md section 3 as far as it is known;
// conversationId, step and narrative are additive.
func appendTask(dst []byte, e *parley.Event, b *parley.TaskBody) []byte {
	dst = jsonw.ID(dst, "id", b.Task)
	dst = jsonw.Text(dst, "kind", "default")
	dst = jsonw.Text(dst, "status", string(b.Status))
	dst = jsonw.TextIf(dst, "title", b.Title)
	dst = jsonw.IDIf(dst, "parentId", b.Parent)
	dst = jsonw.TextIf(dst, "executorId", string(b.Agent))
	if len(b.Result) > 0 {
		dst = appendJSON(dst, "output", b.Result)
	}
	dst = append(jsonw.Key(dst, "errors"), '[')
	if b.Error != "" {
		dst = append(jsonw.Text(append(dst, `{"code":"failed"`...), "message", b.Error), '}')
	}
	dst = append(dst, ']')
	dst = jsonw.ID(dst, "conversationId", e.Conversation)
	dst = jsonw.TextIf(dst, "step", b.Step)
	return jsonw.TextIf(dst, "narrative", b.Narrative)
}

func appendCall(dst []byte, e *parley.Event, b *parley.CallBody) []byte {
	dst = jsonw.ID(dst, "callId", b.Call)
	dst = jsonw.Text(dst, "roomName", b.Room)
	dst = jsonw.Text(dst, "callType", b.Kind)
	dst = jsonw.ID(dst, "conversationId", e.Conversation)
	dst = jsonw.Text(dst, "initiatorId", string(b.Initiator))
	if b.Principal != "" {
		dst = appendParticipantOf(dst, e, b.Principal)
	}
	if e.Type == parley.CallEnded {
		dst = jsonw.Uint(jsonw.Key(dst, "durationSeconds"), b.Seconds)
		dst = jsonw.TextIf(dst, "reason", b.Reason)
	}
	return dst
}
