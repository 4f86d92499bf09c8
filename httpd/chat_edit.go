package httpd

import (
	"net/http"
	"strconv"

	"github.com/parley-chat/parley"
)

// message is the id in the path.
func (c *call) message() (parley.MessageID, error) {
	id, err := parley.ParseMessageID(c.r.PathValue("id"))
	if err != nil {
		return id, errNoMessage
	}
	return id, nil
}

type editedMessage struct {
	MessageID   parley.MessageID `json:"message_id"`
	ContentText string           `json:"content_text"`
	ContentMeta *string          `json:"content_meta"`
	EditCount   int              `json:"edit_count"`
	EditedAt    *stamp           `json:"edited_at"`
}

// getMessage shows one message.
func (s *Server) getMessage(c *call) error {
	m, v, err := s.readMessage(c)
	if err != nil {
		return err
	}
	shown, err := s.show(c.ctx, v, []parley.Message{*m})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, shown[0])
}

// readMessage reads the message in the path, which the caller must be able to see.
func (s *Server) readMessage(c *call) (*parley.Message, *sight, error) {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return nil, nil, err
	}
	id, err := c.message()
	if err != nil {
		return nil, nil, err
	}
	return s.one(c.ctx, c.who, id)
}

// editMessage changes what the caller said.
func (s *Server) editMessage(c *call) error {
	id, err := c.message()
	if err != nil {
		return err
	}
	cmd := parley.EditMessage{Message: id, Content: c.body.need("content_text"), ContentMeta: c.body.textOrNil("content_meta")}
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	m := result.Message
	return c.reply(http.StatusOK, editedMessage{m.ID, m.Content, orNull(m.ContentMeta), m.EditCount, stampOrNull(m.EditedAt)})
}

type editList struct {
	Edits      []chatEdit `json:"edits"`
	NextCursor string     `json:"next_cursor,omitempty"`
}

type chatEdit struct {
	Version     int     `json:"version"` // 0 is what was first said
	ContentText string  `json:"content_text"`
	ContentMeta *string `json:"content_meta"`
	At          stamp   `json:"at"` // when it was said
}

// listEdits lists what a message said before, the first first, at most limit and as
// many as one answer has room for.
func (s *Server) listEdits(c *call) error {
	m, _, err := s.readMessage(c)
	if err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	from, err := editCursor(page.Cursor)
	if err != nil {
		return err
	}
	list := editList{Edits: []chatEdit{}}
	// What is beyond was said since the message was read, or since the caller left.
	r := room{min(page.Limit, m.EditCount-from), answerBytes}
	for !r.full() {
		edits, err := s.Store.Edits(c.ctx, c.who.Org, m.Conversation, m.ID, from, min(r.items, readAtOnce/4))
		if err != nil {
			return err
		}
		if len(edits) == 0 {
			return c.reply(http.StatusOK, list) // deleted meanwhile
		}
		for i := 0; i < len(edits) && !r.full(); i++ {
			e := &edits[i]
			list.Edits = append(list.Edits, chatEdit{e.Number, e.Content, orNull(e.ContentMeta), stamp(e.At)})
			r.items--
			r.bytes -= itemBytes + jsonSize(e.Content) + jsonSize(e.ContentMeta)
			from = e.Number + 1
		}
	}
	if from < m.EditCount {
		list.NextCursor = strconv.Itoa(from)
	}
	return c.reply(http.StatusOK, list)
}

// editCursor reads the version at which a page of edits begins.
func editCursor(text string) (from int, err error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, &parley.Error{Code: parley.CodeInvalidArgument, Message: "the cursor is not one of this list", Field: "cursor"}
	}
	return int(n), nil
}

// deleteMessage deletes a message for oneself or for everyone (contracts.md section
// 10).
func (s *Server) deleteMessage(c *call) error {
	id, err := c.message()
	if err != nil {
		return err
	}
	return s.do(c, parley.DeleteMessage{Message: id, ForEveryone: c.body.forEveryone()})
}

type reacted struct {
	Action string `json:"action"` // added, removed
}

// react toggles an emoji of the caller's under a message.
func (s *Server) react(c *call) error {
	id, err := c.message()
	if err != nil {
		return err
	}
	cmd := parley.React{Message: id, Emoji: c.body.need("emoji")}
	if c.body.object.Has("conversation_id") {
		cmd.Conversation = c.body.conversation("conversation_id")
	}
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	if result.Reacted {
		return c.reply(http.StatusOK, reacted{"added"})
	}
	return c.reply(http.StatusOK, reacted{"removed"})
}

type forwardedList struct {
	Forwarded []chatMessage `json:"forwarded"`
}

// forward says a message again elsewhere.
func (s *Server) forward(c *call) error {
	b := &c.body
	id, err := parley.ParseMessageID(b.need("message_id"))
	b.badIf(err != nil, "message_id", "message_id is not the id of a message")
	texts, err := b.object.Texts("conversation_ids")
	b.fail(err)
	b.badIf(len(texts) == 0, "conversation_ids", "conversation_ids is required and must name at least one conversation")
	cmd := parley.ForwardMessage{Message: id, ClientMsgID: b.once("client_msg_id", c.r.Header.Get(headerIdempotencyKey))}
	for i, text := range texts {
		to, err := parley.ParseConversationID(text)
		b.badIf(err != nil, "conversation_ids", "conversation_ids[%d] is not the id of a conversation", i)
		cmd.Conversations = append(cmd.Conversations, to)
	}
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	list := forwardedList{Forwarded: []chatMessage{}}
	blocks, err := s.blocks(c.ctx, c.who)
	if err != nil {
		return err
	}
	eyes := &watcher{s, c.who, blocks, map[parley.ConversationID]*sight{}}
	for i := range result.Forwarded {
		m := &result.Forwarded[i]
		full := chatMessageOf(m)
		if full.Source, err = eyes.source(c.ctx, m); err != nil {
			return err
		}
		list.Forwarded = append(list.Forwarded, full)
	}
	return c.reply(http.StatusOK, list)
}
