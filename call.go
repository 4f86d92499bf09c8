package parley

// Call events, conversation scope. A call rings on every socket of every member.
const (
	CallStarted  EventType = "call.started"
	CallAnswered EventType = "call.answered"
	CallDeclined EventType = "call.declined"
	CallEnded    EventType = "call.ended"
)

// CallBody is the body of call.* events.
type CallBody struct {
	Call      CallID      `json:"call"`
	Room      string      `json:"room"`
	Kind      string      `json:"kind"` // audio, video
	Initiator PrincipalID `json:"initiator"`
	// Principal answered or declined; empty otherwise.
	Principal PrincipalID `json:"principal,omitempty"`
	// Seconds is how long the call was; set on call.ended only, 0 where nobody
	// answered.
	Seconds uint64 `json:"seconds,omitempty"`
	// Reason says why it ended: hangup, missed, declined, failed. call.ended only.
	Reason string `json:"reason,omitempty"`
}

func callSpecs() []EventSpec {
	body := func() Body { return new(CallBody) }
	spec := func(t EventType, event, doc string) EventSpec {
		return EventSpec{t, Durable, ConversationScope, ChannelConversation, TopicName{"conversations", "conversation", event}, doc, body}
	}
	return []EventSpec{
		spec(CallStarted, "live", "a call began to ring"),
		spec(CallAnswered, "live_answered", "somebody answered a call"),
		spec(CallDeclined, "call_declined", "somebody declined a call"),
		spec(CallEnded, "live_ended", "a call is over"),
	}
}
