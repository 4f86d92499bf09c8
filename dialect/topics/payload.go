package topics

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// aiRoleAssistant is the aiRole of every piece of an answer. The reference of
// the surface has an integer there and does not say which; ours are 0 user,
// 1 assistant.
const aiRoleAssistant = 1

func appendPayload(dst []byte, e *parley.Event) []byte {
	if b, ok := e.Body.(*parley.PublishedBody); ok {
		return jsonw.Object(dst, "payload", b.Data)
	}
	dst = append(jsonw.Key(dst, "payload"), '{')
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		dst = appendMessage(dst, &b.Message, b.Deleted || e.Type == parley.MessageDeleted)
	case *parley.RunBody:
		if e.Type == parley.RunStarted {
			dst = appendRun(dst, b)
		} else {
			dst = appendStreamEdge(dst, b, e.Type == parley.RunEnded)
		}
	case *parley.DeltaBody:
		dst = appendPiece(dst, b.Message, b.Run, b.Text, false, "")
		dst = jsonw.Int(jsonw.Key(dst, "offset"), b.Offset)
	case *parley.ToolBody:
		dst = appendTool(dst, b, e.Type == parley.ToolReturned)
	case *parley.ReactionBody:
		dst = appendReaction(dst, e, b)
	case *parley.ReceiptBody:
		dst = appendReceipt(dst, e, b)
	case *parley.MemberStateBody:
		dst = appendState(dst, b)
	case *parley.ErasedBody:
		dst = jsonw.Text(dst, "accountId", string(b.Principal))
	case *parley.ExpiredBody:
		dst = jsonw.ID(dst, "conversationId", b.Conversation)
		dst = jsonw.Uint(jsonw.Key(dst, "fromSeq"), b.From)
		dst = jsonw.Uint(jsonw.Key(dst, "toSeq"), b.To)
	case *parley.BlockBody:
		dst = jsonw.Text(dst, "accountId", string(b.Blocked))
	case *parley.TaskBody:
		dst = appendTask(dst, e, b)
	case *parley.TaskDeltaBody:
		dst = jsonw.ID(dst, "id", b.Task)
		dst = jsonw.Text(dst, "content", b.Text)
		dst = jsonw.Text(dst, "executorId", string(b.Agent))
		dst = jsonw.ID(dst, "conversationId", e.Conversation)
	case *parley.CallBody:
		dst = appendCall(dst, e, b)
	case *parley.TypingBody:
		dst = jsonw.ID(dst, "conversationId", e.Conversation)
		dst = jsonw.Bool(jsonw.Key(dst, "isTyping"), e.Type == parley.TypingStarted)
		dst = append(jsonw.Key(dst, "participant"), '{')
		dst = append(appendActor(dst, b.Principal, b.Kind, b.Name), '}')
	case *parley.PresenceBody:
		dst = append(jsonw.Key(dst, "account"), '{')
		dst = append(appendActor(dst, b.Principal, b.Kind, ""), '}')
		dst = jsonw.Text(dst, "status", string(b.Status))
		dst = jsonw.TextIf(dst, "detail", b.Detail)
		dst = jsonw.TimeAt(dst, "at", b.At)
	case *parley.ConversationBody:
		dst = appendConversation(dst, b)
	case *parley.MemberBody:
		dst = appendMember(dst, e, b)
	}
	return append(dst, '}')
}

// appendMessage appends the message object of contracts.md section 3; what
// follows parts is additive. A deleted message has no parts.
func appendMessage(dst []byte, m *parley.Message, deleted bool) []byte {
	updated := m.EditedAt
	if updated.IsZero() {
		updated = m.CreatedAt
	}
	dst = jsonw.ID(dst, "id", m.ID)
	dst = jsonw.Text(dst, "role", role(m.SenderKind))
	dst = jsonw.TimeAt(dst, "createdAt", m.CreatedAt)
	dst = jsonw.TimeAt(dst, "updatedAt", updated)
	dst = append(jsonw.Key(dst, "parts"), '[')
	if !deleted {
		dst = appendParts(dst, m)
	}
	dst = append(dst, ']')
	dst = jsonw.ID(dst, "conversationId", m.Conversation)
	dst = jsonw.Uint(jsonw.Key(dst, "seq"), m.Seq)
	dst = append(jsonw.Key(dst, "sender"), '{')
	dst = append(appendActor(dst, m.Sender, m.SenderKind, m.SenderName), '}')
	dst = jsonw.Text(dst, "contentType", m.ContentType)
	if !deleted {
		dst = jsonw.TextIf(dst, "contentMeta", m.ContentMeta)
	}
	dst = jsonw.IDIf(dst, "replyTo", m.ReplyTo)
	dst = jsonw.IDIf(dst, "threadId", m.ThreadID)
	dst = jsonw.TextIf(dst, "threadRole", m.ThreadRole)
	dst = jsonw.TextIf(dst, "taskId", m.TaskID)
	if m.EditCount > 0 {
		dst = jsonw.Int(jsonw.Key(dst, "editCount"), m.EditCount)
	}
	dst = jsonw.True(dst, "internal", m.Internal)
	dst = jsonw.True(dst, "forwarded", m.Forwarded)
	dst = jsonw.True(dst, "deleted", deleted)
	if m.Run != nil {
		dst = jsonw.ID(dst, "runId", m.Run.ID)
		dst = jsonw.Text(dst, "status", string(m.Run.Status))
	}
	return dst
}

// appendParts appends the text and then the files, a part of kind asset each. A
// message that has files and says nothing has no text.
func appendParts(dst []byte, m *parley.Message) []byte {
	if m.Content != "" || len(m.Attachments) == 0 {
		dst = append(jsonw.String(append(dst, `{"kind":"text","text":`...), m.Content), '}')
	}
	for i, f := range m.Attachments {
		if i > 0 || m.Content != "" {
			dst = append(dst, ',')
		}
		dst = jsonw.ID(append(dst, `{"kind":"asset"`...), "assetId", f.ID)
		dst = jsonw.Text(dst, "name", f.Name)
		dst = jsonw.Text(dst, "contentType", f.ContentType)
		dst = append(jsonw.Number(dst, "size", uint64(f.Size)), '}')
	}
	return dst
}

// role is derived from who speaks (C5).
func role(kind parley.PrincipalKind) string {
	if kind == parley.KindAgent {
		return "assistant"
	}
	return "user"
}

func appendActor(dst []byte, id parley.PrincipalID, kind parley.PrincipalKind, name string) []byte {
	dst = jsonw.Text(dst, "type", actorType(kind))
	dst = jsonw.Text(dst, "id", string(id))
	return jsonw.TextIf(dst, "name", name)
}

func appendRun(dst []byte, b *parley.RunBody) []byte {
	dst = jsonw.ID(dst, "runId", b.Run)
	dst = jsonw.ID(dst, "messageId", b.Message)
	dst = jsonw.Text(dst, "agentId", string(b.Agent))
	dst = jsonw.TextIf(dst, "name", b.Name)
	return jsonw.Text(dst, "status", string(b.Status))
}

// appendPiece appends the stream element of contracts.md section 3 and the run
// it is of.
func appendPiece(dst []byte, message parley.MessageID, run parley.RunID, content string, done bool, failure string) []byte {
	dst = jsonw.ID(dst, "messageId", message)
	dst = jsonw.Text(dst, "content", content)
	dst = jsonw.Bool(jsonw.Key(dst, "done"), done)
	dst = jsonw.Text(dst, "error", failure)
	dst = jsonw.Int(jsonw.Key(dst, "aiRole"), aiRoleAssistant)
	dst = append(dst, `,"attachments":[]`...)
	return jsonw.ID(dst, "runId", run)
}

// appendStreamEdge tells the beginning or the end of an answer. Neither has
// content: all of it is in the pieces between, and once more in message_posted.
func appendStreamEdge(dst []byte, b *parley.RunBody, done bool) []byte {
	failure := ""
	if b.Status == parley.RunFailed || b.Status == parley.RunInterrupted {
		if failure = b.Detail; failure == "" {
			failure = string(b.Status)
		}
	}
	dst = appendPiece(dst, b.Message, b.Run, "", done, failure)
	dst = jsonw.Text(dst, "status", string(b.Status))
	if done {
		// The length of the whole text: who has assembled less has missed a piece.
		dst = jsonw.Int(jsonw.Key(dst, "offset"), len(b.Text))
		if b.Seq > 0 {
			dst = jsonw.Uint(jsonw.Key(dst, "seq"), b.Seq)
		}
		return dst
	}
	return append(dst, `,"offset":0`...)
}

func appendTool(dst []byte, b *parley.ToolBody, returned bool) []byte {
	dst = jsonw.Text(dst, "id", b.Call)
	dst = jsonw.Text(dst, "name", b.Tool)
	if returned {
		dst = appendJSON(dst, "response", b.Result)
	} else {
		dst = jsonw.Object(dst, "parameters", b.Arguments)
	}
	dst = jsonw.ID(dst, "messageId", b.Message)
	dst = jsonw.ID(dst, "runId", b.Run)
	return jsonw.Text(dst, "agentId", string(b.Agent))
}

// appendJSON appends a field of stored JSON of any type; none is null.
func appendJSON(dst []byte, key string, stored parley.RawJSON) []byte {
	dst = jsonw.Key(dst, key)
	if len(stored) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, stored...)
}

func appendConversation(dst []byte, b *parley.ConversationBody) []byte {
	dst = jsonw.ID(dst, "id", b.ID)
	dst = jsonw.Text(dst, "kind", string(b.Kind))
	dst = jsonw.TextIf(dst, "title", b.Title)
	dst = jsonw.TextIf(dst, "description", b.Description)
	dst = jsonw.Text(dst, "createdBy", string(b.CreatedBy))
	dst = jsonw.Text(dst, "status", string(b.Status))
	dst = jsonw.TimeAt(dst, "createdAt", b.CreatedAt)
	dst = jsonw.TextIf(dst, "reason", b.Reason)
	if b.Members == nil {
		return dst
	}
	dst = append(jsonw.Key(dst, "participants"), '[')
	for i := range b.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendParticipant(append(dst, '{'), &b.Members[i]), '}')
	}
	return append(dst, ']')
}

func appendMember(dst []byte, e *parley.Event, b *parley.MemberBody) []byte {
	dst = jsonw.ID(dst, "conversationId", e.Conversation)
	dst = append(jsonw.Key(dst, "participant"), '{')
	dst = append(appendParticipant(dst, b), '}')
	if b.Conversation == nil {
		return dst
	}
	dst = append(jsonw.Key(dst, "conversation"), '{')
	return append(appendConversation(dst, b.Conversation), '}')
}

func appendParticipant(dst []byte, b *parley.MemberBody) []byte {
	dst = appendActor(dst, b.Principal, b.Kind, b.Name)
	dst = jsonw.Text(dst, "role", string(b.Role))
	return jsonw.True(dst, "autoRespond", b.AutoRespond)
}
