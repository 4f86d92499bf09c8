package parley

import "time"

// ConversationKind says how a conversation came to be and who may be in it.
type ConversationKind string

// The kinds of conversation.
const (
	KindDirect      ConversationKind = "direct"       // two people; one per pair, found again
	KindGroup       ConversationKind = "group"        // people, and agents who were added
	KindAgentDirect ConversationKind = "agent_direct" // one person and one agent; a bot session
	KindAgentGroup  ConversationKind = "agent_group"  // people around one or more agents
)

// ConversationStatus says whether a conversation takes messages.
type ConversationStatus string

// The states of a conversation.
const (
	StatusActive  ConversationStatus = "active"
	StatusClosed  ConversationStatus = "closed"
	StatusDeleted ConversationStatus = "deleted"
)

// Conversation is a container of messages with members.
//
// Seq and ChangeSeq are the last numbers taken: Seq by its messages, ChangeSeq
// by its durable events (messages too). Both are 1, 2, 3, … without gap or
// repeat, and are only ever moved inside the transaction that stores what took
// the number (design.md section 5).
type Conversation struct {
	Org           OrgID
	ID            ConversationID
	Kind          ConversationKind
	Title         string
	Description   string
	CreatedBy     PrincipalID
	Status        ConversationStatus
	SharedHistory bool // new members see what was said before they joined
	// PairKey makes a direct conversation findable by its pair; empty for the others. Unique within the org.
	PairKey      string
	Seq          uint64
	ChangeSeq    uint64
	CreatedAt    time.Time
	LastActivity time.Time
}

// Role is what a member may do in a conversation.
type Role string

// The roles.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleAgent  Role = "agent"
)

// Membership is one stay of a principal in a conversation: an interval of the
// conversation's change_seq. Someone who left and came back has two. Live
// delivery, replay and history are clipped to these intervals (P6).
type Membership struct {
	Org          OrgID
	Conversation ConversationID
	Principal    PrincipalID
	Kind         PrincipalKind
	Name         string
	Role         Role
	// AutoRespond makes an agent answer what others post.
	AutoRespond bool
	JoinedAt    time.Time
	// From is the change_seq of the event that began the stay, inclusive; To that
	// of the event that ended it, inclusive (one's own "left" is the last event
	// one hears), zero while the stay lasts.
	From, To uint64
	// FromSeq is the first message visible in history: 1 where history is shared
	// or from the beginning, else the seq after the last one at the join.
	FromSeq uint64
	// ToSeq is the last message visible in history, zero while the stay lasts.
	ToSeq uint64
}

// Open reports whether the stay still lasts.
func (m *Membership) Open() bool { return m.To == 0 }

// Covers reports whether the event with this change_seq is heard in this stay.
func (m *Membership) Covers(changeSeq uint64) bool {
	return changeSeq >= m.From && (m.To == 0 || changeSeq <= m.To)
}

// Reaches reports whether this stay lets its member see the message with this seq.
func (m *Membership) Reaches(seq uint64) bool {
	return seq >= m.FromSeq && (m.To == 0 || seq <= m.ToSeq)
}

// HearsInternal reports whether this member hears internal messages: agents do,
// and the people who run the conversation, but in a conversation of one person
// with an agent the person is a customer, not staff.
func (m *Membership) HearsInternal(kind ConversationKind) bool {
	switch m.Role {
	case RoleAgent:
		return true
	case RoleOwner, RoleAdmin:
		return kind == KindGroup || kind == KindAgentGroup
	}
	return false
}

// Conversation events, conversation scope.
const (
	ConversationCreated EventType = "conversation.created"
	ConversationUpdated EventType = "conversation.updated"
	ConversationClosed  EventType = "conversation.closed"
	ConversationDeleted EventType = "conversation.deleted"
	MemberJoined        EventType = "member.joined"
	MemberLeft          EventType = "member.left"
	// MemberUpdated says that a member has another role. It ends a stay and begins
	// the next: what a role lets one hear holds from here on.
	MemberUpdated EventType = "member.updated"
)

// ReasonErased is why a conversation ends whose user was erased: all that was said in
// it is erased too where it was deleted.
const ReasonErased = "erased"

// ConversationBody is the body of conversation.* events.
type ConversationBody struct {
	ID          ConversationID     `json:"id"`
	Kind        ConversationKind   `json:"kind"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	CreatedBy   PrincipalID        `json:"created_by"`
	Status      ConversationStatus `json:"status"`
	CreatedAt   time.Time          `json:"created_at"`
	// Members are those the conversation began with; set on conversation.created.
	// Each one's stay begins with this event.
	Members []MemberBody `json:"members,omitempty"`
	// Reason says why it was closed: ended, user_disconnect, idle_timeout, deleted,
	// erased.
	Reason string `json:"reason,omitempty"`
	// RetentionDays is how long messages are kept here from now on (Retention.Days); set
	// on the conversation.updated of a change of that, and nil where the org decides again.
	RetentionDays *int `json:"retention_days,omitempty"`
}

// MemberBody is the body of member.joined, .left and .updated, and an element of
// ConversationBody.Members.
type MemberBody struct {
	Principal   PrincipalID   `json:"principal"`
	Kind        PrincipalKind `json:"kind"`
	Name        string        `json:"name,omitempty"`
	Role        Role          `json:"role"`
	AutoRespond bool          `json:"auto_respond,omitempty"`
	// FromSeq is the first message that the stay lets see which begins with the event,
	// ToSeq the last of the one that ends with it (Membership.FromSeq, ToSeq). For nodes,
	// not for clients: who was not there is not told how a message changes later.
	FromSeq uint64 `json:"from_seq,omitempty"`
	ToSeq   uint64 `json:"to_seq,omitempty"`
	// Conversation is what the member joined: the S3 surface tells one's own
	// joining as conversation.created, which wants its shape. Nil inside
	// ConversationBody.Members.
	Conversation *ConversationBody `json:"conversation,omitempty"`
}

func conversationSpecs() []EventSpec {
	body := func() Body { return new(ConversationBody) }
	member := func() Body { return new(MemberBody) }
	topic := func(event string) TopicName { return TopicName{"conversations", "conversation", event} }
	return []EventSpec{
		{ConversationCreated, Durable, ConversationScope, ChannelConversation, topic("created"), "a conversation began", body},
		{ConversationUpdated, Durable, ConversationScope, ChannelConversation, topic("updated"), "a conversation's title, description or status changed", body},
		{ConversationClosed, Durable, ConversationScope, ChannelConversation, topic("closed"), "a conversation takes no more messages", body},
		{ConversationDeleted, Durable, ConversationScope, ChannelConversation, topic("deleted"), "a conversation was deleted for everyone", body},
		{MessagesExpired, Durable, ConversationScope, ChannelConversation, topic("messages_expired"), "messages were kept as long as they are to be", func() Body { return new(ExpiredBody) }},
		{MemberJoined, Durable, ConversationScope, ChannelConversation, topic("participant_added"), "a principal joined a conversation", member},
		{MemberLeft, Durable, ConversationScope, ChannelConversation, topic("participant_removed"), "a principal left a conversation or was removed", member},
		{MemberUpdated, Durable, ConversationScope, ChannelConversation, topic("participant_updated"), "a member has another role", member},
	}
}
