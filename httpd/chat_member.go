package httpd

import (
	"net/http"
	"time"

	"github.com/parley-chat/parley"
)

// getConversation shows one conversation.
func (s *Server) getConversation(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	list, err := s.describe(c.ctx, c.who, []parley.Conversation{*v.conversation})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNoConversation
	}
	if v.member() {
		if list[0].RetentionDays, err = s.retentionOf(c, list[0].ID); err != nil {
			return err
		}
	}
	return c.reply(http.StatusOK, list[0])
}

// updateConversation changes name and description; what is absent stays.
func (s *Server) updateConversation(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	cmd := parley.UpdateConversation{Conversation: id, Title: c.body.textOrNil("name"), Description: c.body.textOrNil("description")}
	return s.do(c, cmd)
}

// do carries out a command whose answer is empty.
func (s *Server) do(c *call, cmd parley.Command) error {
	if c.body.err != nil {
		return c.body.err
	}
	if _, err := s.Engine.Do(c.ctx, c.who, cmd); err != nil {
		return err
	}
	return c.reply(http.StatusOK, empty{})
}

// forEveryone reads the mode of a deletion; without a body it is for oneself.
func (f *fields) forEveryone() bool {
	mode := f.text("mode")
	f.badIf(mode != "" && mode != "for_me" && mode != "for_everyone", "mode", "mode must be for_me or for_everyone")
	return mode == "for_everyone"
}

// deleteConversation deletes a conversation for oneself or for everyone.
func (s *Server) deleteConversation(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	return s.do(c, parley.DeleteConversation{Conversation: id, ForEveryone: c.body.forEveryone()})
}

// updateParticipant gives a member another role.
func (s *Server) updateParticipant(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	member, ok := c.userID()
	if !ok {
		return parley.Errorf(parley.CodeNotFound, "there is no such member")
	}
	return s.do(c, parley.SetRole{Conversation: id, Member: member, Role: parley.Role(c.body.need("role"))})
}

// markRead moves the caller's read place forward; without up_to_seq to the end.
func (s *Server) markRead(c *call) error { return s.moveReceipts(c, true) }

// markDelivered moves the caller's delivered place forward.
func (s *Server) markDelivered(c *call) error { return s.moveReceipts(c, false) }

func (s *Server) moveReceipts(c *call, read bool) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	upTo := uint64(noSeq) // the engine stops at the last message
	if c.body.object.Has("up_to_seq") {
		upTo = min(c.body.seq("up_to_seq"), noSeq)
	}
	cmd := parley.MoveReceipts{Conversation: id, Delivered: upTo}
	if read {
		cmd.Read = upTo
	}
	return s.do(c, cmd)
}

type receiptList struct {
	Receipts []receipt `json:"receipts"`
}

type receipt struct {
	UserID       parley.PrincipalID `json:"user_id"`
	ReadSeq      uint64             `json:"read_seq"`
	DeliveredSeq uint64             `json:"delivered_seq"`
}

// listReceipts tells how far the members have come; in a large conversation, and to who
// left it, only how far the caller has.
func (s *Server) listReceipts(c *call) error {
	v, err := s.read(c)
	if err != nil {
		return err
	}
	members, err := s.participants(c.ctx, v)
	if err != nil {
		return err
	}
	states, err := s.Store.Receipts(c.ctx, c.who.Org, v.conversation.ID)
	if err != nil {
		return err
	}
	in := make(map[parley.PrincipalID]bool, len(members))
	for i := range members {
		in[members[i].Principal] = v.member() && len(members) <= s.Limits.ReceiptMembers
	}
	list := receiptList{Receipts: []receipt{}}
	for _, st := range states {
		if in[st.Principal] || st.Principal == c.who.ID {
			list.Receipts = append(list.Receipts, receipt{st.Principal, min(st.ReadSeq, v.current()), min(st.DeliveredSeq, v.current())})
		}
	}
	return c.reply(http.StatusOK, list)
}

type muteState struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	MutedUntil     *stamp                `json:"muted_until"`
}

// mute mutes a conversation until a time, for some seconds, or for good (contracts.md
// C25); `until` wins.
func (s *Server) mute(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	until := parley.MutedForever
	if text := c.body.text("until"); text != "" {
		until, err = time.Parse(time.RFC3339, text)
		c.body.badIf(err != nil || until.Year() > 9999, "until", "until must be a time like 2026-11-21T16:30:00Z")
	} else if c.body.object.Has("duration_sec") {
		seconds := c.body.seq("duration_sec")
		const most = 100 * 365 * 24 * 3600
		c.body.badIf(seconds == 0 || seconds > most, "duration_sec", "duration_sec must be 1 or more and at most a hundred years")
		until = s.Now().Add(time.Duration(min(seconds, most)) * time.Second)
	}
	return s.setMute(c, parley.MuteConversation{Conversation: id, Until: until.UTC()})
}

func (s *Server) unmute(c *call) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	return s.setMute(c, parley.MuteConversation{Conversation: id})
}

func (s *Server) setMute(c *call, cmd parley.MuteConversation) error {
	if c.body.err != nil {
		return c.body.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, muteState{cmd.Conversation, stampOrNull(result.State.MutedUntil)})
}

type archiveState struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	ArchivedAt     *stamp                `json:"archived_at"`
}

func (s *Server) archive(c *call) error   { return s.setArchived(c, true) }
func (s *Server) unarchive(c *call) error { return s.setArchived(c, false) }

func (s *Server) setArchived(c *call, on bool) error {
	id, err := c.conversation()
	if err != nil {
		return err
	}
	result, err := s.Engine.Do(c.ctx, c.who, parley.ArchiveConversation{Conversation: id, On: on})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, archiveState{id, stampOrNull(result.State.ArchivedAt)})
}

type unreadList struct {
	Conversations []unreadCount `json:"conversations"`
	// Total is the sum over the conversations of this answer.
	Total      int    `json:"total"`
	NextCursor string `json:"next_cursor,omitempty"`
}

type unreadCount struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	UnreadCount    int                   `json:"unread_count"`
	LastReadSeq    uint64                `json:"last_read_seq"`
}

// listUnread lists the conversations in which the caller has something unread.
func (s *Server) listUnread(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	found, next, err := s.Store.Unread(c.ctx, unreadQuery(c.who, nil, page))
	if err != nil {
		return err
	}
	list := unreadList{Conversations: []unreadCount{}, NextCursor: next}
	for _, u := range found {
		list.Conversations = append(list.Conversations, unreadCount{u.Conversation, u.Count, u.ReadSeq})
		list.Total += u.Count
	}
	return c.reply(http.StatusOK, list)
}

// page reads which part of a list is asked for.
func (c *call) page() (parley.Page, error) {
	q := c.r.URL.Query()
	limit, err := limit(q, pageDefault, pageMax)
	return parley.Page{Limit: limit, Cursor: q.Get("cursor")}, err
}
