package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/parley-chat/parley"
)

// chatConversation is a conversation as the chat surface shows it (contracts.md
// 4.2, Objects).
type chatConversation struct {
	ID                 parley.ConversationID   `json:"id"`
	Type               parley.ConversationKind `json:"type"`
	Name               *string                 `json:"name"`
	Description        *string                 `json:"description"`
	CreatedBy          parley.PrincipalID      `json:"created_by"`
	Status             string                  `json:"status"` // active, closed
	LastActivity       stamp                   `json:"last_activity"`
	SeqCounter         uint64                  `json:"seq_counter"`
	CreatedAt          stamp                   `json:"created_at"`
	LastMessagePreview *string                 `json:"last_message_preview"`
	UnreadCount        int                     `json:"unread_count"`
	LastReadSeq        uint64                  `json:"last_read_seq"`
	MutedUntil         *stamp                  `json:"muted_until"`
	ArchivedAt         *stamp                  `json:"archived_at"`
	Contact            *chatContact            `json:"contact"`
	// RetentionDays is how long messages are kept; of one conversation only, and left
	// out where they are kept for ever.
	RetentionDays *int `json:"retention_days,omitempty"`
}

// setState adds what the conversation is to whom it is shown.
func (v *chatConversation) setState(s *parley.MemberState) {
	v.MutedUntil, v.ArchivedAt = stampOrNull(s.MutedUntil), stampOrNull(s.ArchivedAt)
	v.LastReadSeq = s.ReadSeq
}

// chatContact is the other one of a pair.
type chatContact struct {
	UserID      parley.PrincipalID `json:"user_id"`
	DisplayName string             `json:"display_name"`
	IsAgent     bool               `json:"is_agent"`
	Status      *string            `json:"status"`
	AvatarURL   *string            `json:"avatar_url"`
	Bio         *string            `json:"bio"`
	LastSeen    *stamp             `json:"last_seen"`
	JobRole     *string            `json:"job_role"`
	IsDefault   bool               `json:"is_default_agent"`
	Language    *string            `json:"language"`

	absent bool // when it was there is not shown
}

// chatParticipant is a member.
type chatParticipant struct {
	UserID      parley.PrincipalID `json:"user_id"`
	DisplayName string             `json:"display_name"`
	IsAgent     bool               `json:"is_agent"`
	Role        parley.Role        `json:"role"`
	AvatarURL   *string            `json:"avatar_url"`
	Status      *string            `json:"status"`
	JobTitle    *string            `json:"job_title"`
}

// chatMessage is a message.
type chatMessage struct {
	ID             parley.MessageID      `json:"id"`
	ConversationID parley.ConversationID `json:"conversation_id"`
	Seq            uint64                `json:"seq_num"`
	SenderID       parley.PrincipalID    `json:"sender_id"`
	SenderType     string                `json:"sender_type"` // human, agent
	ContentType    string                `json:"content_type"`
	ContentText    string                `json:"content_text"`
	ContentMeta    *string               `json:"content_meta"`
	ReplyToID      *parley.MessageID     `json:"reply_to_id"`
	ThreadID       *parley.MessageID     `json:"thread_id"`
	ThreadRole     *string               `json:"thread_role"`
	TaskID         *string               `json:"task_id"`
	CreatedAt      stamp                 `json:"created_at"`
	IsInternal     bool                  `json:"is_internal"`
	IsForwarded    bool                  `json:"is_forwarded"`
	Reactions      []chatReaction        `json:"reactions"`
	EditCount      int                   `json:"edit_count"`
	EditedAt       *stamp                `json:"edited_at"`
	ClientMsgID    string                `json:"client_msg_id,omitempty"`
	Source         *chatSource           `json:"forwarded_from,omitempty"`
	Attachments    []parley.File         `json:"attachments,omitempty"`
}

// chatSource is where a forwarded message was first said, for who may see it there.
type chatSource struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	MessageID      parley.MessageID      `json:"message_id"`
	SenderID       parley.PrincipalID    `json:"sender_id"`
	SenderName     string                `json:"sender_name,omitempty"`
}

// shown is a message as its reader may see it: a chatMessage or a chatTombstone.
type shown any

// chatReaction is one emoji under a message and who chose it.
type chatReaction struct {
	Emoji   string               `json:"emoji"`
	Count   int                  `json:"count"`
	UserIDs []parley.PrincipalID `json:"user_ids"`
}

// chatTombstone is a message that keeps its place and shows nothing else
// (design.md section 5). The id is that of a message which was deleted, so that
// clients can drop what they have of it.
type chatTombstone struct {
	ID     *parley.MessageID `json:"id,omitempty"`
	Seq    uint64            `json:"seq_num"`
	Hidden bool              `json:"hidden"` // always true
}

// orNull is a pointer to a value, nil where it is the zero value.
func orNull[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func stampOrNull(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return (*stamp)(&t)
}

func chatMessageOf(m *parley.Message) chatMessage {
	v := chatMessage{
		ID: m.ID, ConversationID: m.Conversation, Seq: m.Seq,
		SenderID: m.Sender, SenderType: "human",
		ContentType: m.ContentType, ContentText: m.Content, ContentMeta: orNull(m.ContentMeta),
		ReplyToID: orNull(m.ReplyTo), ThreadID: orNull(m.ThreadID), ThreadRole: orNull(m.ThreadRole),
		TaskID: orNull(m.TaskID), CreatedAt: stamp(m.CreatedAt),
		IsInternal: m.Internal, IsForwarded: m.Forwarded, Reactions: []chatReaction{},
		EditCount: m.EditCount, EditedAt: stampOrNull(m.EditedAt), ClientMsgID: m.ClientMsgID, Attachments: m.Attachments,
	}
	if len(m.Attachments) > 0 && m.ContentMeta == "" {
		v.ContentMeta = attachmentMeta(m.Attachments)
	}
	if m.SenderKind == parley.KindAgent {
		v.SenderType = "agent"
	}
	return v
}

// attachmentMeta is the content_meta of a message whose sender said none, for clients
// that know of files from there only.
func attachmentMeta(files []parley.File) *string {
	text, _ := json.Marshal(map[string][]parley.File{"attachments": files}) // plain values: it cannot fail
	return orNull(string(text))
}

// show shows messages, ascending, as far as the caller may see them, with their
// reactions. errManyReactions where those of several are too many to be read at once.
func (s *Server) show(ctx context.Context, v *sight, messages []parley.Message) ([]shown, error) {
	list := make([]shown, len(messages))
	if len(messages) == 0 {
		return list, nil
	}
	hidden, err := s.hiddenAmong(ctx, v, messages)
	if err != nil {
		return nil, err
	}
	most := 0
	if len(messages) > 1 {
		most = reactionsAtOnce
	}
	reactions, err := s.reactions(ctx, v, messages[0].Seq, messages[len(messages)-1].Seq, most)
	if err != nil {
		return nil, err
	}
	eyes := v.watcher(s)
	for i := range messages {
		m := &messages[i]
		switch {
		case !v.hides(m) && !hidden[m.Seq]:
			full := chatMessageOf(m)
			if full.Source, err = eyes.source(ctx, m); err != nil {
				return nil, err
			}
			if r := reactions[m.Seq]; r != nil {
				full.Reactions = r
			}
			list[i] = full
		case m.Deleted:
			list[i] = chatTombstone{ID: &m.ID, Seq: m.Seq, Hidden: true}
		default:
			list[i] = chatTombstone{Seq: m.Seq, Hidden: true}
		}
	}
	return list, nil
}

// reactions reads those under the messages of a range, by their seq, without those
// of principals the caller blocks. Who left is shown none: which there were then is not
// known. errManyReactions where there are most of them, or more; 0 reads all.
func (s *Server) reactions(ctx context.Context, v *sight, from, to uint64, most int) (map[uint64][]chatReaction, error) {
	if !v.member() {
		return nil, nil
	}
	all, err := s.Store.Reactions(ctx, v.who.Org, v.conversation.ID, from, to, most)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if len(all) == most {
		return nil, errManyReactions
	}
	m := map[uint64][]chatReaction{}
	for i := range all {
		r := &all[i]
		if v.blocks[r.Principal] {
			continue
		}
		list := m[r.Seq]
		at := slices.IndexFunc(list, func(have chatReaction) bool { return have.Emoji == r.Emoji })
		if at < 0 {
			list, at = append(list, chatReaction{Emoji: r.Emoji}), len(list)
		}
		list[at].Count++
		list[at].UserIDs = append(list[at].UserIDs, r.Principal)
		m[r.Seq] = list
	}
	return m, nil
}

var errManyReactions = errors.New("too many reactions")

// chatParticipantsOf shows members to who, and whom of them it does not block as
// present.
func (s *Server) chatParticipantsOf(members []parley.Membership, who parley.PrincipalID, blocks blocked) []chatParticipant {
	list := make([]chatParticipant, len(members))
	present := s.present(members, who, blocks)
	for i, m := range members {
		list[i] = chatParticipant{
			UserID: m.Principal, DisplayName: displayName(&m),
			IsAgent: m.Kind == parley.KindAgent, Role: m.Role, Status: orNull(string(present[m.Principal])),
		}
	}
	return list
}

// present tells who of a conversation's members is online, as far as who may know:
// those who are in it see one another, unless they are too many to be told of it, but
// for whom they block.
func (s *Server) present(members []parley.Membership, who parley.PrincipalID, blocks blocked) map[parley.PrincipalID]parley.PresenceStatus {
	var ids []parley.PrincipalID
	for i := range members {
		if members[i].Open() {
			ids = append(ids, members[i].Principal)
		}
	}
	if s.Presence == nil || !slices.Contains(ids, who) || len(ids) > s.Limits.PresenceMembers {
		return nil
	}
	present := s.Presence(members[0].Org, ids)
	maps.DeleteFunc(present, func(id parley.PrincipalID, _ parley.PresenceStatus) bool { return blocks[id] })
	return present
}

// displayName is never empty: whoever was never seen is shown by its id.
func displayName(m *parley.Membership) string {
	if m.Name == "" {
		return string(m.Principal)
	}
	return m.Name
}

// ofTwo reports whether a conversation shows the other one of a pair.
func ofTwo(kind parley.ConversationKind) bool {
	return kind == parley.KindDirect || kind == parley.KindAgentDirect
}

// chatConversationOf shows a conversation to one of its members. Of the members
// only those of a pair are looked at.
func (s *Server) chatConversationOf(sight *sight, members []parley.Membership) chatConversation {
	c, who := sight.conversation, sight.who.ID
	v := chatConversation{
		ID: c.ID, Type: c.Kind, Name: orNull(c.Title), Description: orNull(c.Description), CreatedBy: c.CreatedBy,
		Status: string(c.Status), LastActivity: stamp(c.LastActivity), SeqCounter: c.Seq, CreatedAt: stamp(c.CreatedAt),
	}
	if !ofTwo(c.Kind) {
		return v
	}
	present := s.present(members, who, sight.blocks)
	for _, m := range members {
		if m.Principal != who {
			v.Contact = &chatContact{
				UserID: m.Principal, DisplayName: displayName(&m), Status: orNull(string(present[m.Principal])),
				IsAgent: m.Kind == parley.KindAgent, IsDefault: m.Principal == s.DefaultAgent,
				absent: !sight.member() || sight.blocks[m.Principal],
			}
		}
	}
	return v
}
