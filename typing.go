package parley

// Typing events, conversation scope, ephemeral. The server ends typing by itself
// after Limits.TypingTTL.
const (
	TypingStarted EventType = "typing.started"
	TypingStopped EventType = "typing.stopped"
)

// TypingBody is the body of typing.started and typing.stopped.
type TypingBody struct {
	Principal PrincipalID   `json:"principal"`
	Kind      PrincipalKind `json:"kind"`
	Name      string        `json:"name,omitempty"`
	// Origin is the Conn that typed; it is not told of itself.
	Origin string `json:"origin,omitempty"`
}

func typingSpecs() []EventSpec {
	body := func() Body { return new(TypingBody) }
	topic := TopicName{"conversations", "conversation", "typing"}
	return []EventSpec{
		{TypingStarted, Ephemeral, ConversationScope, ChannelConversation, topic, "someone began to type", body},
		{TypingStopped, Ephemeral, ConversationScope, ChannelConversation, topic, "someone stopped typing", body},
	}
}
