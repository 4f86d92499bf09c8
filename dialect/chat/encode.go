package chat

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendEvent appends the frame that tells e. member.joined and member.left are
// spelled for the one who joined or left; to choose them is the caller's part.
func (*Dialect) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	if e.Internal && v != parley.ViewInternal || names[e.Type] == "" {
		return dst
	}
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendMessage(dst, e.Type, &b.Message)
	case *parley.ReactionBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendReaction(dst, b)
	case *parley.DeltaBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendDelta(dst, b)
	case *parley.TaskBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendTask(dst, b)
	case *parley.TaskDeltaBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendTaskDelta(dst, b)
	case *parley.CallBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendCall(dst, e, b)
	case *parley.RunBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendRun(dst, b)
	case *parley.ToolBody:
		return appendTool(dst, e, b)
	case *parley.TypingBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendTyping(dst, e, b)
	case *parley.PresenceBody:
		dst = appendStart(dst, e, b.Shared)
		dst = appendPresence(dst, b)
	case *parley.ReceiptBody:
		dst = appendStart(dst, e, e.Conversation)
		dst = appendReceipt(dst, b)
	case *parley.MemberStateBody:
		dst = appendStart(dst, e, parley.ConversationID{})
		dst = appendState(dst, e.Type, b)
	case *parley.BlockBody:
		dst = appendStart(dst, e, parley.ConversationID{})
		dst = append(jsonw.String(open(dst, "user_id"), string(b.Blocked)), '}')
	case *parley.ConversationBody:
		dst = appendStart(dst, e, parley.ConversationID{})
		dst = appendConversation(dst, e, b)
	case *parley.MemberBody:
		dst = appendStart(dst, e, parley.ConversationID{})
		dst = appendConversation(dst, e, b.Conversation)
	default:
		return dst
	}
	return appendEnd(append(dst, '}'), e.Position)
}

// appendStart opens the envelope up to the inner payload. A user-scoped event has
// no conversation id in the envelope: the zero id leaves it out.
func appendStart(dst []byte, e *parley.Event, id parley.ConversationID) []byte {
	dst = append(dst, `{"type":"event"`...)
	if !id.IsZero() {
		dst = jsonw.ID(dst, "conversation_id", id)
	}
	dst = append(dst, `,"payload":{"type":"`...)
	dst = append(dst, spelling(e)...)
	return append(dst, `","payload":`...)
}

// spelling is the type that the inner payload has. One who deletes something for
// itself deletes a conversation or one message: there are two words for it.
func spelling(e *parley.Event) string {
	if b, ok := e.Body.(*parley.MemberStateBody); ok && e.Type == parley.MemberHidden && !b.Message.IsZero() {
		return messageHidden
	}
	return names[e.Type]
}

// appendMessage tells that a message was stored, edited or deleted. A stored one
// is told without its text: clients read it by seq.
func appendMessage(dst []byte, t parley.EventType, m *parley.Message) []byte {
	if t == parley.MessageUpdated {
		return appendEdited(dst, m)
	}
	dst = open(dst, "message_id")
	dst = appendTypeID(dst, m.ID)
	dst = jsonw.Number(dst, "seq_num", m.Seq)
	if t == parley.MessageCreated && m.Internal {
		dst = append(dst, `,"is_internal":true`...)
	}
	return append(dst, '}')
}

func appendEdited(dst []byte, m *parley.Message) []byte {
	dst = open(dst, "id")
	dst = appendTypeID(dst, m.ID)
	dst = jsonw.ID(dst, "conversation_id", m.Conversation)
	dst = jsonw.Text(dst, "content_text", m.Content)
	if m.ContentMeta != "" {
		dst = jsonw.Text(dst, "content_meta", m.ContentMeta)
	}
	dst = jsonw.Number(dst, "edit_count", uint64(m.EditCount))
	dst = jsonw.Key(dst, "edited_at")
	dst = jsonw.Time(dst, m.EditedAt)
	return append(dst, '}')
}

// appendDelta adds offset, in bytes, and message_id to the catalogue's fields.
// session_id is the run's id (contracts.md section 10).
func appendDelta(dst []byte, b *parley.DeltaBody) []byte {
	dst = open(dst, "delta")
	dst = jsonw.String(dst, b.Text)
	dst = jsonw.Text(dst, "agent_id", string(b.Agent))
	dst = jsonw.ID(dst, "session_id", b.Run)
	dst = jsonw.Number(dst, "offset", uint64(b.Offset))
	dst = jsonw.ID(dst, "message_id", b.Message)
	return append(dst, '}')
}

// appendRun tells a run as a task; the words on why it failed are its narrative.
func appendRun(dst []byte, b *parley.RunBody) []byte {
	dst = open(dst, "task_id")
	dst = appendTypeID(dst, b.Run)
	dst = jsonw.Text(dst, "status", string(b.Status))
	if b.Detail != "" {
		dst = jsonw.Text(dst, "progress_narrative", b.Detail)
	}
	dst = jsonw.Text(dst, "agent_id", string(b.Agent))
	return append(dst, '}')
}

// appendTool is a frame of its own; the shape of its payload is ours.
func appendTool(dst []byte, e *parley.Event, b *parley.ToolBody) []byte {
	dst = append(dst, `{"type":"brain_event"`...)
	dst = jsonw.ID(dst, "conversation_id", e.Conversation)
	called := e.Type == parley.ToolCalled
	if called {
		dst = append(dst, `,"payload":{"type":"tool_call"`...)
	} else {
		dst = append(dst, `,"payload":{"type":"tool_result"`...)
	}
	dst = jsonw.ID(dst, "session_id", b.Run)
	dst = jsonw.ID(dst, "message_id", b.Message)
	dst = jsonw.Text(dst, "agent_id", string(b.Agent))
	dst = jsonw.Text(dst, "call_id", b.Call)
	dst = jsonw.Text(dst, "tool", b.Tool)
	if called {
		dst = jsonw.Raw(dst, "arguments", b.Arguments, "{}")
	} else {
		dst = jsonw.Raw(dst, "result", b.Result, "null")
	}
	return append(dst, "}}"...)
}

func appendTyping(dst []byte, e *parley.Event, b *parley.TypingBody) []byte {
	dst = open(dst, "conversation_id")
	dst = appendTypeID(dst, e.Conversation)
	dst = jsonw.Text(dst, "user_id", string(b.Principal))
	dst = jsonw.Key(dst, "at")
	dst = jsonw.Time(dst, e.Time)
	return append(dst, '}')
}

func appendPresence(dst []byte, b *parley.PresenceBody) []byte {
	if b.Kind == parley.KindAgent {
		dst = open(dst, "agent_id")
	} else {
		dst = open(dst, "user_id")
	}
	dst = jsonw.String(dst, string(b.Principal))
	dst = jsonw.Text(dst, "status", string(b.Status))
	if b.Detail != "" {
		dst = jsonw.Text(dst, "status_detail", b.Detail)
	}
	return append(dst, '}')
}

// appendConversation tells that a conversation came or went. b may be nil, where
// nothing but the id is known.
func appendConversation(dst []byte, e *parley.Event, b *parley.ConversationBody) []byte {
	dst = open(dst, "conversation_id")
	dst = appendTypeID(dst, e.Conversation)
	if b != nil && (e.Type == parley.ConversationCreated || e.Type == parley.MemberJoined) {
		dst = appendContact(dst, b)
	}
	return append(dst, '}')
}

// appendContact says whom or what a new conversation shows, as far as that is
// the same for all who hear of it (see the package comment).
func appendContact(dst []byte, b *parley.ConversationBody) []byte {
	switch b.Kind {
	case parley.KindAgentDirect:
		for i := range b.Members {
			if m := &b.Members[i]; m.Kind == parley.KindAgent {
				if m.Name != "" {
					dst = jsonw.Text(dst, "contact_name", m.Name)
				}
				return jsonw.Text(dst, "contact_id", string(m.Principal))
			}
		}
	case parley.KindGroup, parley.KindAgentGroup:
		if b.Title != "" {
			dst = jsonw.Text(dst, "group_name", b.Title)
		}
	}
	return dst
}
