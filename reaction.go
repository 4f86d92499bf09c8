package parley

import "time"

// Reaction is one principal's emoji under a message. Somebody has each emoji under
// a message at most once.
type Reaction struct {
	Conversation ConversationID
	Message      MessageID
	Seq          uint64 // the message's
	Principal    PrincipalID
	Emoji        string // some text, as the client sent it
	At           time.Time
}

// ReactionChanged says that somebody put an emoji under a message or took it away,
// conversation scope.
const ReactionChanged EventType = "reaction.changed"

// ReactionBody is the body of reaction.changed.
type ReactionBody struct {
	Message   MessageID   `json:"message"`
	Seq       uint64      `json:"seq"` // the message's
	Principal PrincipalID `json:"principal"`
	Emoji     string      `json:"emoji"`
	Added     bool        `json:"added,omitempty"` // else taken away
	// HiddenFrom is as in MessageBody.
	HiddenFrom []PrincipalID `json:"hidden_from,omitempty"`
}

func reactionSpecs() []EventSpec {
	return []EventSpec{
		{ReactionChanged, Durable, ConversationScope, ChannelConversation, TopicName{"conversations", "conversation", "reaction_updated"}, "someone reacted to a message or took it back", func() Body { return new(ReactionBody) }},
	}
}
