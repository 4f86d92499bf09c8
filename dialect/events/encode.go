package events

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendEvent appends the envelope that tells e (contracts.md 1.1).
func (Dialect) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	name := spelling(e.Type)
	if name == "" || e.Internal && v != parley.ViewInternal {
		return dst
	}
	dst = append(dst, '{')
	dst = jsonw.ID(dst, "id", e.ID)
	dst = jsonw.Text(dst, "type", name)
	dst = jsonw.Text(dst, "channel", e.Channel)
	dst = jsonw.TimeAt(dst, "timestamp", e.Time)
	dst = appendData(dst, e)
	if e.Position != (parley.Position{}) {
		dst = append(jsonw.Key(dst, "cursor"), '"')
		dst = append(e.Position.AppendCursor(dst), '"')
	}
	return append(dst, '}')
}

func appendData(dst []byte, e *parley.Event) []byte {
	if b, ok := e.Body.(*parley.PublishedBody); ok {
		return jsonw.Object(dst, "data", b.Data)
	}
	dst = append(jsonw.Key(dst, "data"), '{')
	dst = jsonw.IDIf(dst, "conversation_id", e.Conversation)
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		dst = appendMessage(dst, &b.Message, b.Deleted || e.Type == parley.MessageDeleted)
	case *parley.ReactionBody:
		dst = appendReaction(dst, e, b)
		dst = appendChange(dst, e.Type)
	case *parley.TypingBody:
		dst = appendActor(dst, "sender", b.Principal, b.Kind, b.Name)
		dst = append(dst, '}')
	case *parley.ConversationBody:
		dst = appendConversation(dst, b)
		dst = appendChange(dst, e.Type)
	case *parley.MemberBody:
		dst = appendMember(dst, e, b)
		dst = appendChange(dst, e.Type)
	}
	return append(dst, '}')
}

// appendMessage appends `message`. What follows created_at is additive. A
// deleted message keeps its id, sender and seq; its content is not told again
// (contracts.md section 9).
func appendMessage(dst []byte, m *parley.Message, deleted bool) []byte {
	content, meta := m.Content, m.ContentMeta
	if deleted {
		content, meta = "", ""
	}
	dst = append(jsonw.Key(dst, "message"), '{')
	dst = jsonw.ID(dst, "id", m.ID)
	dst = jsonw.Text(dst, "content", content)
	dst = appendActor(dst, "sender", m.Sender, m.SenderKind, m.SenderName)
	dst = append(dst, '}')
	dst = jsonw.TimeAt(dst, "created_at", m.CreatedAt)
	dst = jsonw.Uint(jsonw.Key(dst, "seq"), m.Seq)
	dst = jsonw.Text(dst, "content_type", m.ContentType)
	dst = jsonw.TextIf(dst, "content_meta", meta)
	if !deleted {
		dst = appendFiles(dst, m.Attachments)
	}
	dst = jsonw.IDIf(dst, "reply_to", m.ReplyTo)
	dst = jsonw.IDIf(dst, "thread_id", m.ThreadID)
	dst = jsonw.TextIf(dst, "thread_role", m.ThreadRole)
	dst = jsonw.TextIf(dst, "task_id", m.TaskID)
	if m.EditCount > 0 {
		dst = jsonw.TimeAt(dst, "edited_at", m.EditedAt)
		dst = jsonw.Int(jsonw.Key(dst, "edit_count"), m.EditCount)
	}
	dst = jsonw.True(dst, "internal", m.Internal)
	dst = jsonw.True(dst, "forwarded", m.Forwarded)
	dst = jsonw.True(dst, "deleted", deleted)
	if m.Run != nil {
		dst = jsonw.ID(dst, "run_id", m.Run.ID)
		dst = jsonw.Text(dst, "status", string(m.Run.Status))
	}
	return append(dst, '}')
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
		dst = jsonw.ID(append(dst, '{'), "id", f.ID)
		dst = jsonw.Text(dst, "name", f.Name)
		dst = jsonw.Text(dst, "content_type", f.ContentType)
		dst = append(jsonw.Number(dst, "size", uint64(f.Size)), '}')
	}
	if len(files) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendReaction tells who put which emoji under a message, or took it away: of the
// message itself no more than which it is.
func appendReaction(dst []byte, e *parley.Event, b *parley.ReactionBody) []byte {
	dst = append(jsonw.Key(dst, "message"), '{')
	dst = jsonw.ID(dst, "id", b.Message)
	dst = append(jsonw.Uint(jsonw.Key(dst, "seq"), b.Seq), '}')
	dst = append(jsonw.Key(dst, "reaction"), '{')
	dst = jsonw.Text(dst, "emoji", b.Emoji)
	if b.Added {
		dst = jsonw.Text(dst, "action", "added")
	} else {
		dst = jsonw.Text(dst, "action", "removed")
	}
	dst = appendActor(dst, "sender", b.Principal, e.ActorKind, "")
	return append(dst, '}', '}')
}

// appendActor appends {type, id, name?} under the key and leaves it open.
func appendActor(dst []byte, key string, id parley.PrincipalID, kind parley.PrincipalKind, name string) []byte {
	dst = append(jsonw.Key(dst, key), '{')
	return appendActorFields(dst, id, kind, name)
}

func appendActorFields(dst []byte, id parley.PrincipalID, kind parley.PrincipalKind, name string) []byte {
	if kind == parley.KindService {
		kind = "system" // C5
	}
	dst = jsonw.Text(dst, "type", string(kind))
	dst = jsonw.Text(dst, "id", string(id))
	return jsonw.TextIf(dst, "name", name)
}

func appendConversation(dst []byte, b *parley.ConversationBody) []byte {
	dst = append(jsonw.Key(dst, "conversation"), '{')
	dst = jsonw.ID(dst, "id", b.ID)
	dst = jsonw.Text(dst, "kind", string(b.Kind))
	dst = jsonw.TextIf(dst, "title", b.Title)
	dst = jsonw.TextIf(dst, "description", b.Description)
	dst = jsonw.Text(dst, "created_by", string(b.CreatedBy))
	dst = jsonw.Text(dst, "status", string(b.Status))
	dst = jsonw.TimeAt(dst, "created_at", b.CreatedAt)
	dst = jsonw.TextIf(dst, "reason", b.Reason)
	if b.Members != nil {
		dst = append(jsonw.Key(dst, "members"), '[')
		for i := range b.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendMemberFields(append(dst, '{'), &b.Members[i]), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendMember tells who joined, left or has another role. One who leaves is told no more of the
// conversation than its id.
func appendMember(dst []byte, e *parley.Event, b *parley.MemberBody) []byte {
	if b.Conversation != nil {
		dst = appendConversation(dst, b.Conversation)
	} else {
		dst = append(jsonw.Key(dst, "conversation"), '{')
		dst = append(jsonw.ID(dst, "id", e.Conversation), '}')
	}
	dst = append(jsonw.Key(dst, "member"), '{')
	return append(appendMemberFields(dst, b), '}')
}

func appendMemberFields(dst []byte, b *parley.MemberBody) []byte {
	dst = appendActorFields(dst, b.Principal, b.Kind, b.Name)
	dst = jsonw.Text(dst, "role", string(b.Role))
	return jsonw.True(dst, "auto_respond", b.AutoRespond)
}

// appendChange tells apart what conversation.updated stands for, and a reaction from
// an edit.
func appendChange(dst []byte, t parley.EventType) []byte {
	if t == parley.ConversationCreated {
		return dst
	}
	return jsonw.Text(dst, "change", string(t))
}
