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
	list := conversationList{NextCursor: next}
	if list.Conversations, err = s.describe(c.ctx, c.who, found); err != nil {
		return err
	}
	return c.reply(http.StatusOK, list)
}

// describe shows conversations to a member, each with the last thing said in it
// that it may see. One that it has left since is left out.
func (s *Server) describe(ctx context.Context, who *parley.Principal, found []parley.Conversation) ([]chatConversation, error) {
	list := []chatConversation{}
	if len(found) == 0 {
		return list, nil
	}
	ids := make([]parley.ConversationID, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	blocks, err := s.blocks(ctx, who)
	if err != nil {
		return nil, err
	}
	states, err := s.Store.MemberStates(ctx, who.Org, who.ID, ids)
	if err != nil {
		return nil, err
	}
	unread, err := s.unread(ctx, who, ids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		v, err := s.sightOf(ctx, who, &found[i], states[i], blocks)
		if parley.AsError(err) == errNoConversation {
			continue
		}
		if err != nil {
			return nil, err
		}
		shown, err := s.describeOne(ctx, v)
		if err != nil {
			return nil, err
		}
		shown.UnreadCount = unread[found[i].ID]
		list = append(list, shown)
	}
	return list, s.introduceContacts(ctx, who.Org, list)
}

// describeOne shows a conversation without its unread count.
func (s *Server) describeOne(ctx context.Context, v *sight) (chatConversation, error) {
	var members []parley.Membership
	if ofTwo(v.conversation.Kind) {
		var err error
		if members, err = s.Store.Stays(ctx, v.who.Org, v.conversation.ID); err != nil {
			return chatConversation{}, err
		}
		members = v.known(members)
	}
	shown := s.chatConversationOf(v, members)
	shown.setState(&v.state)
	last, err := s.messages(ctx, v, 1, v.current(), 1, true)
	if err != nil {
		return chatConversation{}, err
	}
	hidden, err := s.hiddenAmong(ctx, v, last)
	if err != nil {
		return chatConversation{}, err
	}
	if len(last) == 1 && !v.hides(&last[0]) && !hidden[last[0].Seq] {
		shown.LastMessagePreview = orNull(firstRunes(last[0].Content, previewRunes))
	}
	return shown, nil
}

// firstRunes is the beginning of a text.
func firstRunes(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			return text[:i]
		}
		n++
	}
	return text
}

// unread counts what a principal has not read of some conversations.
func (s *Server) unread(ctx context.Context, who *parley.Principal, ids []parley.ConversationID) (map[parley.ConversationID]int, error) {
	list, _, err := s.Store.Unread(ctx, unreadQuery(who, ids, parley.Page{}))
	if err != nil {
		return nil, err
	}
	counts := make(map[parley.ConversationID]int, len(list))
	for i := range list {
		counts[list[i].Conversation] = list[i].Count
	}
	return counts, nil
}

func unreadQuery(who *parley.Principal, ids []parley.ConversationID, page parley.Page) parley.UnreadQuery {
	return parley.UnreadQuery{
		Org: who.Org, Principal: who.ID, Conversations: ids, Page: page,
		Internal: who.Can(parley.ScopeConversationsReadAll),
	}
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
	shown, err := s.describe(c.ctx, c.who, []parley.Conversation{*result.Conversation})
	if err != nil {
		return err
	}
	if len(shown) == 0 {
		return errNoConversation // left in the meantime
	}
	return c.reply(createdStatus(result), shown[0])
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
	members, err := s.participants(c.ctx, v)
	if err != nil {
		return err
	}
	list, err := s.introduce(c.ctx, c.who.Org, s.chatParticipantsOf(members, c.who.ID, v.blocks))
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, participantList{list})
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
	blocks, err := s.blocks(c.ctx, c.who)
	if err != nil {
		return err
	}
	list, err := s.introduce(c.ctx, c.who.Org, s.chatParticipantsOf(result.Members, c.who.ID, blocks))
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, participantList{list})
}

// removeParticipant ends a stay, one's own too.
func (s *Server) removeParticipant(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	member, ok := c.userID()
	if !ok {
		return parley.Errorf(parley.CodeNotFound, "there is no such member") // no store could hold it
	}
	return s.do(c, parley.RemoveMember{Conversation: id, Member: member})
}

// userID is the principal's id in the path; false where none can be spelled so.
func (c *call) userID() (parley.PrincipalID, bool) {
	id := c.r.PathValue("userId")
	return parley.PrincipalID(id), id != "" && utf8.ValidString(id) && strings.IndexByte(id, 0) < 0
}

// typing tells that the caller types or stopped.
func (s *Server) typing(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	state := c.body.need("state")
	c.body.badIf(state != "start" && state != "stop", "state", "state must be start or stop")
	return s.do(c, parley.SetTyping{Conversation: id, On: state == "start"})
}
