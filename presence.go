package parley

import "time"

// PresenceChanged says that a principal came online, went offline or said of itself
// that it is away or back, principal scope, ephemeral: to those who share a
// conversation with it, once per socket.
const PresenceChanged EventType = "presence.changed"

// PresenceStatus says whether somebody is there.
type PresenceStatus string

// The states of a principal. Whoever has no connection is offline; away is said by
// the principal itself.
const (
	PresenceOnline  PresenceStatus = "online"
	PresenceAway    PresenceStatus = "away"
	PresenceOffline PresenceStatus = "offline"
)

// MaxPresenceDetail bounds PresenceBody.Detail, in bytes.
const MaxPresenceDetail = 256

// PresenceBody is the body of presence.changed.
type PresenceBody struct {
	Principal PrincipalID    `json:"principal"`
	Kind      PrincipalKind  `json:"kind"`
	Status    PresenceStatus `json:"status"`
	// Detail says more in the principal's own words; may be empty.
	Detail string    `json:"detail,omitempty"`
	At     time.Time `json:"at"` // when it changed
	// Shared is a conversation in which the principal and all of the event's Targets
	// are: the surfaces that file every event under a conversation file it there.
	Shared ConversationID `json:"shared"`
}

func presenceSpecs() []EventSpec {
	return []EventSpec{
		{PresenceChanged, Ephemeral, PrincipalScope, ChannelConversation, TopicName{"accounts", "account", "presence"}, "someone came online, stepped away or went offline", func() Body { return new(PresenceBody) }},
	}
}
