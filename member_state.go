package parley

import "time"

// MutedForever is until when a conversation is muted that is muted without an end
// (contracts.md C25).
var MutedForever = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// MemberState is what a conversation is to one principal, on all its devices. It
// outlasts a stay: whoever comes back finds it. The zero state is that of somebody
// who has done nothing yet.
type MemberState struct {
	Org          OrgID
	Conversation ConversationID
	Principal    PrincipalID
	// ReadSeq is the last message that was read, DeliveredSeq the last that reached
	// a device. Both only grow, and ReadSeq <= DeliveredSeq.
	ReadSeq, DeliveredSeq uint64
	MutedUntil            time.Time // zero: not muted
	ArchivedAt            time.Time // zero: not archived
	// HiddenAt is when the conversation was deleted for oneself, zero where it was
	// not: it is not listed until it has a message beyond HiddenSeq. Messages up to
	// HiddenSeq are never shown again, also when HiddenAt has become zero.
	HiddenAt  time.Time
	HiddenSeq uint64
}

// Listed reports whether a conversation whose last message is seq is on its
// principal's list.
func (s *MemberState) Listed(seq uint64) bool { return s.HiddenAt.IsZero() || seq > s.HiddenSeq }

// StatesOf returns a principal's state in each of some conversations, in their order:
// the one that is stored, or the zero one.
func StatesOf(org OrgID, principal PrincipalID, ids []ConversationID, stored []MemberState) []MemberState {
	byID := make(map[ConversationID]*MemberState, len(stored))
	for i := range stored {
		byID[stored[i].Conversation] = &stored[i]
	}
	all := make([]MemberState, len(ids))
	for i, id := range ids {
		if all[i] = (MemberState{Org: org, Conversation: id, Principal: principal}); byID[id] != nil {
			all[i] = *byID[id]
		}
	}
	return all
}

// Unread is how many messages of a conversation a principal has not read: those
// beyond ReadSeq that it may see, that are not its own, and that neither were
// deleted, for everyone or for itself, nor come from somebody it blocks. It is
// counted anew each time, never kept.
type Unread struct {
	Conversation ConversationID
	Count        int
	ReadSeq      uint64
}

// UnreadQuery asks for a principal's unread counts.
type UnreadQuery struct {
	Org       OrgID
	Principal PrincipalID
	// Conversations are those asked for; the answer has them in this order, without
	// those that the principal was never in. Nil asks for all that the principal is in
	// now, that are listed and have a count above 0, the latest activity first, by
	// pages.
	Conversations []ConversationID
	Page          Page
	// Internal counts internal messages too, whatever the principal's role.
	Internal bool
}

// Block is that one principal does not want to hear another: what the other says
// is kept from it, live, in history, in search and in counts; the other is not
// told.
type Block struct {
	Org            OrgID
	Owner, Blocked PrincipalID
	At             time.Time
}

// Events of what a conversation, or somebody else, is to one principal: principal
// scope, told to that principal alone, on all its devices.
const (
	ReceiptUpdated     EventType = "receipt.updated" // conversation scope: the other members see it
	MemberMuted        EventType = "member.muted"
	MemberUnmuted      EventType = "member.unmuted"
	MemberArchived     EventType = "member.archived"
	MemberUnarchived   EventType = "member.unarchived"
	MemberHidden       EventType = "member.hidden" // a conversation, or one message, was deleted for oneself
	PrincipalBlocked   EventType = "principal.blocked"
	PrincipalUnblocked EventType = "principal.unblocked"
)

// ReceiptBody is the body of receipt.updated: how far a member has come. In a
// conversation of more than Limits.ReceiptMembers it is told to the member alone.
type ReceiptBody struct {
	Conversation ConversationID `json:"conversation"`
	Principal    PrincipalID    `json:"principal"`
	Read         uint64         `json:"read"`
	Delivered    uint64         `json:"delivered"`
}

// MemberStateBody is the body of member.muted, .unmuted, .archived, .unarchived and
// .hidden.
type MemberStateBody struct {
	Conversation ConversationID `json:"conversation"`
	MutedUntil   time.Time      `json:"muted_until,omitzero"`
	ArchivedAt   time.Time      `json:"archived_at,omitzero"`
	// Message is the one that was hidden; zero where it was the conversation.
	Message MessageID `json:"message,omitzero"`
	Seq     uint64    `json:"seq,omitempty"` // the message's, or up to which all is hidden
}

// BlockBody is the body of principal.blocked and principal.unblocked.
type BlockBody struct {
	Blocked PrincipalID `json:"blocked"`
}

// SpeakerOf returns whose words or doings an event tells; empty for a fact that is
// nobody's alone and is told to everybody. A message is its sender's, whoever deletes
// it. Whoever blocks somebody is not told what has that speaker.
func SpeakerOf(e *Event) PrincipalID {
	switch b := e.Body.(type) {
	case *MessageBody:
		return b.Sender
	case *ReactionBody:
		return b.Principal
	case *TypingBody:
		return b.Principal
	case *RunBody:
		return b.Agent
	case *DeltaBody:
		return b.Agent
	case *ToolBody:
		return b.Agent
	case *TaskBody:
		return b.Agent
	case *TaskDeltaBody:
		return b.Agent
	case *PresenceBody:
		return b.Principal
	case *CallBody:
		return b.Initiator // it does not ring, so that nothing becomes of it
	}
	return ""
}

func memberStateSpecs() []EventSpec {
	state := func() Body { return new(MemberStateBody) }
	block := func() Body { return new(BlockBody) }
	topic := func(event string) TopicName { return TopicName{"conversations", "conversation", event} }
	account := func(event string) TopicName { return TopicName{"accounts", "account", event} }
	return []EventSpec{
		{ReceiptUpdated, Durable, ConversationScope, ChannelConversation, topic("receipt_updated"), "how far a member has read and received moved", func() Body { return new(ReceiptBody) }},
		{MemberMuted, Durable, PrincipalScope, ChannelConversation, topic("muted"), "one muted a conversation", state},
		{MemberUnmuted, Durable, PrincipalScope, ChannelConversation, topic("unmuted"), "one unmuted a conversation", state},
		{MemberArchived, Durable, PrincipalScope, ChannelConversation, topic("archived"), "one archived a conversation", state},
		{MemberUnarchived, Durable, PrincipalScope, ChannelConversation, topic("unarchived"), "one took a conversation out of the archive", state},
		{MemberHidden, Durable, PrincipalScope, ChannelConversation, topic("hidden"), "one deleted a conversation or a message for oneself", state},
		{PrincipalBlocked, Durable, PrincipalScope, ChannelConversation, account("blocked"), "one blocked somebody", block},
		{PrincipalUnblocked, Durable, PrincipalScope, ChannelConversation, account("unblocked"), "one unblocked somebody", block},
		{PrincipalErased, Durable, PrincipalScope, ChannelConversation, account("erased"), "a user was erased", func() Body { return new(ErasedBody) }},
	}
}
