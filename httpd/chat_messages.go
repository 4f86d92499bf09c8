package httpd

import (
	"context"
	"math"
	"net/http"

	"github.com/parley-chat/parley"
)

// Bounds of one sync: how many conversations it may name, and how many messages
// it answers. What lies beyond is told by has_more.
const (
	syncConversations = 1000
	syncMessages      = 2000
)

// sendMessage posts a message; the answer comes once it is kept (P1).
func (s *Server) sendMessage(c *call) error {
	b := &c.body
	cmd := parley.PostMessage{
		Conversation: b.conversation("conversation_id"),
		Content:      b.need("content_text"),
		ContentType:  b.text("content_type"),
		ContentMeta:  b.text("content_meta"),
		ThreadRole:   b.text("thread_role"),
		TaskID:       b.text("task_id"),
		ClientMsgID:  b.once("client_msg_id", c.r.Header.Get(headerIdempotencyKey)),
		Internal:     b.flag("is_internal"),
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
	Messages   []any  `json:"messages"` // chatMessage or chatTombstone
	CurrentSeq uint64 `json:"current_seq"`
}

// listMessages reads from_seq to to_seq, both inclusive (contracts.md C24), the
// first of them; without from_seq it is the newest.
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
	messages, err := s.messages(c.ctx, v, max(from, 1), to, limit, q.Get("from_seq") == "")
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, messageList{chatMessagesOf(v, messages), v.current()})
}

type batchList struct {
	Batches []batch `json:"batches"`
	// Missing names the conversations asked for that are not the caller's to read.
	Missing []string `json:"missing,omitempty"`
}

type batch struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	messageList
	// CompleteTo is the seq up to which nothing is left out: the last_seq of the
	// next sync.
	CompleteTo uint64 `json:"complete_to"`
	HasMore    bool   `json:"has_more"`
}

// sync tells what was said in many conversations after each one's last_seq, which
// is exclusive (contracts.md C24).
func (s *Server) sync(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	wanted := c.body.objects("conversations")
	c.body.badIf(len(wanted) > syncConversations, "conversations", "conversations names more than %d", syncConversations)
	limit := uint64(pageMax) // of each conversation
	if c.body.object.Has("limit") {
		limit = c.body.seq("limit")
		c.body.badIf(limit == 0, "limit", "limit must be 1 or more")
	}
	places := make([]syncPlace, len(wanted))
	for i := range wanted {
		w := &wanted[i]
		places[i] = syncPlace{w.need("conversation_id"), w.conversation("conversation_id"), w.seq("last_seq")}
		c.body.fail(w.err)
	}
	if c.body.err != nil {
		return c.body.err
	}
	list := batchList{Batches: []batch{}}
	budget := syncMessages
	for _, at := range places {
		b, err := s.batch(c.ctx, c.who, at, int(min(limit, uint64(budget), pageMax)))
		switch {
		case parley.AsError(err) == errNoConversation:
			list.Missing = append(list.Missing, at.text)
			continue
		case err != nil:
			return err
		}
		budget -= len(b.Messages)
		list.Batches = append(list.Batches, b)
	}
	return c.reply(http.StatusOK, list)
}

// syncPlace is how far a client has one conversation, under the id it used.
type syncPlace struct {
	text string
	id   parley.ConversationID
	last uint64
}

// batch reads what comes after a place, at most limit messages, which may be 0.
func (s *Server) batch(ctx context.Context, who *parley.Principal, at syncPlace, limit int) (batch, error) {
	v, err := s.look(ctx, who, at.id)
	if err != nil {
		return batch{}, err
	}
	current := v.current()
	b := batch{ConversationID: at.id, messageList: messageList{[]any{}, current}, CompleteTo: current}
	if at.last >= current {
		return b, nil
	}
	messages, err := s.messages(ctx, v, at.last+1, current, limit, false)
	if err != nil {
		return batch{}, err
	}
	b.Messages = chatMessagesOf(v, messages)
	if len(messages) == limit {
		b.CompleteTo = at.last
		if limit > 0 {
			b.CompleteTo = messages[limit-1].Seq
		}
	}
	b.HasMore = b.CompleteTo < current
	return b, nil
}

// conversation is a field that must be a conversation's id, in either spelling.
func (f *fields) conversation(key string) parley.ConversationID {
	id, err := parley.ParseConversationID(f.need(key))
	f.badIf(err != nil, key, "%s is not the id of a conversation", key)
	return id
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
