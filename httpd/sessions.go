package httpd

import (
	"context"
	"net/http"

	"github.com/parley-chat/parley"
)

// session is a conversation as the bot surface shows it (contracts.md 2.4): the
// documented fields and those its pages read. Ids are UUIDs (C26).
type session struct {
	ID           string             `json:"id"`
	SessionID    string             `json:"session_id"`
	UserID       parley.PrincipalID `json:"user_id"`
	BotID        parley.PrincipalID `json:"bot_id"`
	Status       string             `json:"status"` // active, closed
	Title        string             `json:"title"`
	CreatedAt    stamp              `json:"created_at"`
	LastActivity stamp              `json:"last_activity"`
}

// sessionOf shows a conversation of any kind; the bot is its first agent, the
// user whoever began it, or the first person where an agent did.
func sessionOf(c *parley.Conversation, stays []parley.Membership) session {
	v := session{
		ID: c.ID.UUID(), SessionID: c.ID.UUID(), UserID: c.CreatedBy, Status: string(c.Status), Title: c.Title,
		CreatedAt: stamp(c.CreatedAt), LastActivity: stamp(c.LastActivity),
	}
	var person parley.PrincipalID
	for _, m := range stays {
		switch {
		case m.Kind == parley.KindAgent && v.BotID == "":
			v.BotID = m.Principal
		case m.Kind != parley.KindAgent && (person == "" || m.Principal == c.CreatedBy):
			person = m.Principal
		}
	}
	if person != "" {
		v.UserID = person
	}
	return v
}

// createSession begins a conversation with one agent. user_id is not looked at:
// the session is the caller's own.
func (s *Server) createSession(c *call) error {
	bot := parley.PrincipalID(c.body.text("bot_id"))
	if bot == "" {
		bot = s.DefaultAgent
	}
	cmd := parley.CreateConversation{
		Kind: parley.KindAgentDirect, Title: c.body.text("title"), Members: []parley.PrincipalID{bot},
	}
	c.body.text("user_id")
	if c.body.object.Has("metadata") {
		c.body.raw("metadata")
	}
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if e := parley.AsError(err); err != nil && e.Code == parley.CodeInvalidArgument && e.Field == "members" && c.who.Kind != parley.KindAgent {
		// The engine speaks of members; the caller named one agent, who is none.
		return &parley.Error{Code: parley.CodeNotFound, Message: "there is no such agent", Field: "bot_id", Err: err}
	}
	if err != nil {
		return err
	}
	return c.reply(createdStatus(result), sessionOf(result.Conversation, result.Members))
}

// createdStatus is 200 where what was to be created is there already.
func createdStatus(result parley.Result) int {
	if result.Repeated {
		return http.StatusOK
	}
	return http.StatusCreated
}

type sessionList struct {
	Sessions []session `json:"sessions"`
	Total    int       `json:"total"`
	Limit    int       `json:"limit"`
	Offset   int       `json:"offset"`
}

// listSessions lists the caller's conversations with one agent, the latest first.
// The total makes it read all of them; only those shown are read in full.
func (s *Server) listSessions(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	q := c.r.URL.Query()
	limit, err := limit(q, 50, 500)
	if err != nil {
		return err
	}
	offset, err := number(q, "offset", 0)
	if err != nil {
		return err
	}
	status := q.Get("status")
	if status != "" && status != string(parley.StatusActive) && status != string(parley.StatusClosed) {
		return &parley.Error{Code: parley.CodeInvalidArgument, Message: "status must be active or closed", Field: "status"}
	}
	list := sessionList{Sessions: []session{}, Limit: limit, Offset: int(min(offset, 1<<31))}
	err = s.eachConversation(c.ctx, c.who, func(conv *parley.Conversation) error {
		if conv.Kind != parley.KindAgentDirect || status != "" && string(conv.Status) != status {
			return nil
		}
		list.Total++
		if list.Total <= list.Offset || len(list.Sessions) == limit {
			return nil
		}
		stays, err := s.Store.Stays(c.ctx, c.who.Org, conv.ID)
		list.Sessions = append(list.Sessions, sessionOf(conv, stays))
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, list)
}

// eachConversation calls fn for every conversation of a principal.
func (s *Server) eachConversation(ctx context.Context, who *parley.Principal, fn func(*parley.Conversation) error) error {
	page := parley.Page{Limit: 500}
	for {
		list, next, err := s.Store.ConversationsOf(ctx, who.Org, who.ID, page)
		if err != nil {
			return err
		}
		for i := range list {
			if err := fn(&list[i]); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}

// getSession shows one session, of whatever kind the conversation is.
func (s *Server) getSession(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	return s.replySession(c, v)
}

// replySession shows a session.
func (s *Server) replySession(c *call, v *sight) error {
	stays, err := s.Store.Stays(c.ctx, c.who.Org, v.conversation.ID)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, sessionOf(v.conversation, v.known(stays)))
}

// read is what the caller may see of the conversation in the path.
func (s *Server) read(c *call) (*sight, error) {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return nil, err
	}
	id, err := c.conversation()
	if err != nil {
		return nil, err
	}
	return s.look(c.ctx, c.who, id)
}

// startSession has nothing to start: a session lives from its creation on.
func (s *Server) startSession(c *call) error { return s.getSession(c) }

// endSession closes a session; one that is closed stays so.
func (s *Server) endSession(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	if _, err := s.Engine.Do(c.ctx, c.who, parley.CloseConversation{Conversation: id, Reason: "ended"}); err != nil {
		return err
	}
	v, err := s.look(c.ctx, c.who, id)
	if err != nil {
		return err
	}
	return s.replySession(c, v)
}

// historyLimit bounds a history: its newest messages.
const historyLimit = 500

// sessionHistory lists [role, content] pairs. What the caller may not see has no
// pair: this shape has no way to say that something is hidden.
func (s *Server) sessionHistory(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	limit, err := limit(c.r.URL.Query(), historyLimit, historyLimit)
	if err != nil {
		return err
	}
	messages, _, err := s.fitting(c.ctx, v, 1, v.current(), room{limit, answerBytes}, true)
	if err != nil {
		return err
	}
	hidden, err := s.hiddenAmong(c.ctx, v, messages)
	if err != nil {
		return err
	}
	pairs := [][2]string{}
	for i := range messages {
		if m := &messages[i]; !v.hides(m) && !hidden[m.Seq] {
			pairs = append(pairs, [2]string{roleOf(m), m.Content})
		}
	}
	return c.reply(http.StatusOK, pairs)
}

// roleOf is the sender in the words of the bot surface (contracts.md C5).
func roleOf(m *parley.Message) string {
	switch {
	case m.ContentType == "system", m.SenderKind == parley.KindService:
		return "system" // as sockets say
	case m.SenderKind == parley.KindAgent:
		return "assistant"
	}
	return "user"
}

type sessionMessage struct {
	ID        string `json:"id"`
	SessionID string `json:"session_id"`
	Role      string `json:"role"`
	Content   string `json:"content"`
	Timestamp stamp  `json:"timestamp"`
	Seq       uint64 `json:"seq"`
}

// sessionMessage posts a message; the answer comes once it is kept (P1).
func (s *Server) sessionMessage(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	cmd := parley.PostMessage{
		Conversation: id,
		Content:      c.body.need("content"),
		ContentType:  c.body.text("type"),
		ClientMsgID:  c.body.once("client_msg_id", c.r.Header.Get(headerIdempotencyKey)),
	}
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	m := result.Message
	return c.reply(http.StatusOK, sessionMessage{
		ID: m.ID.UUID(), SessionID: m.Conversation.UUID(), Role: roleOf(m),
		Content: m.Content, Timestamp: stamp(m.CreatedAt), Seq: m.Seq,
	})
}
