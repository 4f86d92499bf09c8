package httpd

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// Bounds of the lists of the chat surface (contracts.md section 10).
const (
	pageDefault  = 100
	pageMax      = 500
	previewRunes = 100
)

// empty is the answer of routes that have none: clients parse it all the same.
type empty struct{}

type conversationList struct {
	Conversations []chatConversation `json:"conversations"`
	NextCursor    string             `json:"next_cursor,omitempty"` // names the next page with `cursor`
}

// listConversations lists the conversations the caller is in, the latest first.
func (s *Server) listConversations(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	q := c.r.URL.Query()
	limit, err := limit(q, pageDefault, pageMax)
	if err != nil {
		return err
	}
	page := parley.Page{Limit: limit, Cursor: q.Get("cursor")}
	found, next, err := s.Store.ConversationsOf(c.ctx, c.who.Org, c.who.ID, page)
	if err != nil {
		return err
	}
	list := conversationList{Conversations: []chatConversation{}, NextCursor: next}
	for i := range found {
		v, err := s.describe(c.ctx, c.who, found[i].ID)
		if parley.AsError(err) == errNoConversation {
			continue // left or deleted since the list was read
		}
		if err != nil {
			return err
		}
		list.Conversations = append(list.Conversations, v)
	}
	return c.reply(http.StatusOK, list)
}

// describe shows one conversation with the last thing said in it that the caller
// may see.
func (s *Server) describe(ctx context.Context, who *parley.Principal, id parley.ConversationID) (chatConversation, error) {
	v, err := s.look(ctx, who, id)
	if err != nil {
		return chatConversation{}, err
	}
	shown := s.chatConversationOf(v.conversation, v.stays, who.ID)
	last, err := s.messages(ctx, v, 1, v.current(), 1, true)
	if err != nil {
		return chatConversation{}, err
	}
	if len(last) == 1 && !v.hides(&last[0]) {
		preview := []rune(last[0].Content)
		preview = preview[:min(len(preview), previewRunes)]
		shown.LastMessagePreview = orNull(string(preview))
	}
	return shown, nil
}

// createConversation begins a conversation, or finds the one of a pair.
func (s *Server) createConversation(c *call) error {
	b := &c.body
	cmd := parley.CreateConversation{
		Kind: parley.ConversationKind(b.text("type")), Title: b.text("name"), Description: b.text("description"),
		Members: b.principals("participant_ids"),
	}
	kinds := []parley.ConversationKind{"", parley.KindDirect, parley.KindGroup, parley.KindAgentDirect, parley.KindAgentGroup}
	b.badIf(!slices.Contains(kinds, cmd.Kind), "type", "type must be direct, group, agent_direct or agent_group")
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(createdStatus(result), s.chatConversationOf(result.Conversation, result.Members, c.who.ID))
}

type participantList struct {
	Participants []chatParticipant `json:"participants"`
}

// listParticipants lists the members; one who left sees those it left behind.
func (s *Server) listParticipants(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, participantList{s.chatParticipantsOf(v.participants(), c.who.ID)})
}

// addParticipants makes users and agents join.
func (s *Server) addParticipants(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	cmd := parley.AddMembers{
		Conversation: id, Members: c.body.principals("user_ids"), Role: parley.Role(c.body.text("role")),
	}
	c.body.badIf(len(cmd.Members) == 0, "user_ids", "user_ids is required and must name at least one user")
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, participantList{s.chatParticipantsOf(result.Members, c.who.ID)})
}

// removeParticipant ends a stay, one's own too.
func (s *Server) removeParticipant(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	member := parley.PrincipalID(c.r.PathValue("userId"))
	if !utf8.ValidString(string(member)) || strings.IndexByte(string(member), 0) >= 0 {
		return parley.Errorf(parley.CodeNotFound, "there is no such member") // no store could hold it
	}
	if _, err := s.Engine.Do(c.ctx, c.who, parley.RemoveMember{Conversation: id, Member: member}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, empty{})
}

// typing tells that the caller types or stopped.
func (s *Server) typing(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	state := c.body.need("state")
	c.body.badIf(state != "start" && state != "stop", "state", "state must be start or stop")
	if c.body.err != nil {
		return c.body.err
	}
	if _, err := s.Engine.Do(c.ctx, c.who, parley.SetTyping{Conversation: id, On: state == "start"}); err != nil {
		return err
	}
	return c.reply(http.StatusOK, empty{})
}
