package bot

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendEvent appends the frame that tells e. A run's end is told as stream_end
// whether or not the Conn has heard its beginning; which of stream_end and
// message it is told is for the caller to choose (EndsStreams).
func (*Dialect) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	if e.Internal && v != parley.ViewInternal || names[e.Type] == "" {
		return dst
	}
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		return appendMessage(dst, &b.Message, e.Position)
	case *parley.RunBody:
		if e.Type == parley.RunEnded {
			return appendStreamEnd(dst, e, b)
		}
		return appendStreamStart(dst, e, b)
	case *parley.DeltaBody:
		return appendChunk(dst, e, b)
	case *parley.ToolBody:
		return appendTool(dst, e, b)
	case *parley.TypingBody:
		return appendTyping(dst, e, b)
	case *parley.ConversationBody:
		return appendSession(dst, e, b)
	}
	return dst
}

// appendMessage serves live messages and history; the latter has no Position, and
// may hold deleted messages: their text is not told.
func appendMessage(dst []byte, m *parley.Message, at parley.Position) []byte {
	dst = append(dst, `{"type":"message"`...)
	dst = appendID(dst, "session_id", m.Conversation)
	dst = appendID(dst, "message_id", m.ID)
	dst = jsonw.Text(dst, "role", role(m.SenderKind))
	dst = jsonw.Text(dst, "user_id", string(m.Sender))
	if m.Deleted {
		dst = append(dst, `,"content":"","deleted":true`...)
	} else {
		dst = jsonw.Text(dst, "content", m.Content)
		dst = appendFiles(dst, m.Attachments)
	}
	dst = jsonw.Key(dst, "timestamp")
	dst = jsonw.Time(dst, m.CreatedAt)
	dst = jsonw.Number(dst, "seq", m.Seq)
	return appendEnd(dst, at)
}

// appendFiles tells which files a message carries; who fetches them goes by their
// ids. Additive.
func appendFiles(dst []byte, files []parley.File) []byte {
	for i, f := range files {
		if i == 0 {
			dst = append(jsonw.Key(dst, "attachments"), '[')
		} else {
			dst = append(dst, ',')
		}
		dst = appendID(append(dst, '{'), "id", f.ID)
		dst = jsonw.Text(dst, "name", f.Name)
		dst = jsonw.Text(dst, "content_type", f.ContentType)
		dst = append(jsonw.Number(dst, "size", uint64(f.Size)), '}')
	}
	if len(files) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// role is derived from who speaks (C5); what a back end says is "system".
func role(kind parley.PrincipalKind) string {
	switch kind {
	case parley.KindAgent:
		return "assistant"
	case parley.KindService:
		return "system"
	}
	return "user"
}

func appendStreamStart(dst []byte, e *parley.Event, b *parley.RunBody) []byte {
	dst = append(dst, `{"type":"stream_start"`...)
	dst = appendID(dst, "session_id", e.Conversation)
	dst = appendID(dst, "message_id", b.Message)
	return append(dst, '}')
}

// appendChunk adds session_id and offset, in bytes, to the documented fields.
func appendChunk(dst []byte, e *parley.Event, b *parley.DeltaBody) []byte {
	dst = append(dst, `{"type":"stream_chunk"`...)
	dst = appendID(dst, "message_id", b.Message)
	dst = jsonw.Text(dst, "content", b.Text)
	dst = appendID(dst, "session_id", e.Conversation)
	dst = jsonw.Number(dst, "offset", uint64(b.Offset))
	return append(dst, '}')
}

// appendStreamEnd holds the whole text; seq is left out of a run that ended
// without a message.
func appendStreamEnd(dst []byte, e *parley.Event, b *parley.RunBody) []byte {
	dst = append(dst, `{"type":"stream_end"`...)
	dst = appendID(dst, "message_id", b.Message)
	dst = jsonw.Text(dst, "content", b.Text)
	dst = appendID(dst, "session_id", e.Conversation)
	dst = jsonw.Text(dst, "status", string(b.Status))
	if b.Seq > 0 {
		dst = jsonw.Number(dst, "seq", b.Seq)
	}
	return appendEnd(dst, e.Position)
}

func appendTool(dst []byte, e *parley.Event, b *parley.ToolBody) []byte {
	called := e.Type == parley.ToolCalled
	dst = append(dst, `{"type":`...)
	dst = jsonw.String(dst, names[e.Type])
	dst = appendID(dst, "session_id", e.Conversation)
	dst = jsonw.Text(dst, "tool", b.Tool)
	if called {
		dst = jsonw.Raw(dst, "arguments", b.Arguments, "{}")
	} else {
		dst = jsonw.Raw(dst, "result", b.Result, "null")
	}
	dst = appendID(dst, "message_id", b.Message)
	dst = jsonw.Text(dst, "call_id", b.Call)
	return append(dst, '}')
}

// appendTyping tells an agent's typing as bot_typing and a person's as the pair
// that clients send themselves (C19).
func appendTyping(dst []byte, e *parley.Event, b *parley.TypingBody) []byte {
	if b.Kind == parley.KindAgent {
		dst = append(dst, `{"type":"bot_typing"`...)
		dst = appendID(dst, "session_id", e.Conversation)
		dst = jsonw.Key(dst, "is_typing")
		dst = jsonw.Bool(dst, e.Type == parley.TypingStarted)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":`...)
	dst = jsonw.String(dst, names[e.Type])
	dst = appendID(dst, "session_id", e.Conversation)
	dst = jsonw.Text(dst, "user_id", string(b.Principal))
	return append(dst, '}')
}

// appendSession tells that a session began or ended; one that ended says why:
// ended, user_disconnect, idle_timeout or deleted.
func appendSession(dst []byte, e *parley.Event, b *parley.ConversationBody) []byte {
	dst = append(dst, `{"type":`...)
	dst = jsonw.String(dst, names[e.Type])
	dst = appendID(dst, "session_id", e.Conversation)
	switch e.Type {
	case parley.ConversationClosed:
		reason := b.Reason
		if reason == "" {
			reason = "ended"
		}
		dst = jsonw.Text(dst, "reason", reason)
	case parley.ConversationDeleted:
		dst = jsonw.Text(dst, "reason", "deleted")
	}
	return appendEnd(dst, e.Position)
}
