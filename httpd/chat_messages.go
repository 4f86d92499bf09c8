package httpd

import (
	"math"
	"net/http"

	"github.com/parley-chat/parley"
)

// sendMessage posts a message; the answer comes once it is kept (P1).
func (s *Server) sendMessage(c *call) error {
	b := &c.body
	cmd := parley.PostMessage{
		Conversation: b.conversation("conversation_id"),
		Attachments:  b.attachments("attachments"),
		ContentType:  b.text("content_type"),
		ContentMeta:  b.text("content_meta"),
		ThreadRole:   b.text("thread_role"),
		TaskID:       b.text("task_id"),
		ClientMsgID:  b.once("client_msg_id", c.r.Header.Get(headerIdempotencyKey)),
		Internal:     b.flag("is_internal"),
	}
	if cmd.Content = b.text("content_text"); len(cmd.Attachments) == 0 {
		b.need("content_text")
	}
	if text := b.text("reply_to_id"); text != "" {
		var err error
		cmd.ReplyTo, err = parley.ParseMessageID(text)
		b.badIf(err != nil, "reply_to_id", "reply_to_id is not the id of a message")
	}
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, chatMessageOf(result.Message))
}

type messageList struct {
	Messages   []shown `json:"messages"`
	CurrentSeq uint64  `json:"current_seq"`
}

type messagePage struct {
	messageList
	// HasMore says that there may be more in the range that was asked for: after these
	// or, where from_seq was left out, before them.
	HasMore bool `json:"has_more"`
}

// listMessages reads from_seq to to_seq, both inclusive (contracts.md C24), the
// first of them; without from_seq it is the newest. It is at most limit, and as many
// as one answer has room for.
func (s *Server) listMessages(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	from, err := number(q, "from_seq", 0)
	if err != nil {
		return err
	}
	to, err := number(q, "to_seq", math.MaxUint64)
	if err != nil {
		return err
	}
	limit, err := limit(q, pageDefault, pageMax)
	if err != nil {
		return err
	}
	t, err := s.tell(c.ctx, v, max(from, 1), min(to, v.current()), &room{limit, answerBytes}, q.Get("from_seq") == "")
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, messagePage{messageList{t.messages, v.current()}, t.cut})
}

// conversation is a field that must be a conversation's id, in either spelling.
func (f *fields) conversation(key string) parley.ConversationID {
	id, err := parley.ParseConversationID(f.need(key))
	f.badIf(err != nil, key, "%s is not the id of a conversation", key)
	return id
}

// attachments is a field that is an array of attachments' ids, nil where it is
// absent.
func (f *fields) attachments(key string) []parley.AttachmentID {
	texts, err := f.object.Texts(key)
	f.fail(err)
	var ids []parley.AttachmentID
	for i, text := range texts {
		id, err := parley.ParseAttachmentID(text)
		f.badIf(err != nil, key, "%s[%d] is not the id of an attachment", key, i)
		ids = append(ids, id)
	}
	return ids
}

// seq is a field that is a place in a conversation, 0 where it is absent.
func (f *fields) seq(key string) uint64 {
	n, _, err := f.object.Uint(key)
	f.fail(err)
	return n
}

// flag is a field that is true or false, false where it is absent.
func (f *fields) flag(key string) bool {
	text := string(f.object[key])
	f.badIf(f.object.Has(key) && text != "true" && text != "false", key, "%s must be true or false", key)
	return text == "true"
}
