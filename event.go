package parley

import "time"

// EventType is the canonical name of a kind of fact, `noun.past_participle`.
// Each dialect owns its own spelling of it (contracts.md section 9).
type EventType string

// Class says how long an event is kept. It is a property of the type.
type Class uint8

// The classes (contracts.md section 10, "Durable or not, and whose").
const (
	Durable   Class = iota + 1 // stored in the transaction that caused it; has a Position
	RunLogged                  // kept in the run log for the run's life; told once that log has it
	Ephemeral                  // straight to the bus, never stored
)

// ScopeKind says whom a kind of event concerns.
type ScopeKind uint8

// The scopes.
const (
	ConversationScope ScopeKind = iota + 1 // the members of Event.Conversation
	PrincipalScope                         // the principals in Event.Targets
	ChannelScope                           // the org's listeners on Event.Channel, or Event.Targets where there are any
)

// The channels of the events surface (contracts.md section 1.1). Custom events
// name their own.
const (
	ChannelConversation = "conversation"
	ChannelMemory       = "memory"
	ChannelOffering     = "offering"
	ChannelSystem       = "system"
)

// RawJSON is a validated, compact JSON value that is stored and told as it is.
type RawJSON []byte

// MarshalJSON returns the value itself; nil is null.
func (r RawJSON) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps a copy of the bytes.
func (r *RawJSON) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}

// Position is the place of a durable event in its org's log. Offsets are 1, 2,
// 3, … within an org, without gaps. Epoch names the opening of the store in
// which the offset was given, so that a cursor taken before a restored backup is
// noticed. The zero Position is before everything.
type Position struct {
	Epoch  Epoch  `json:"epoch,omitempty"`
	Offset uint64 `json:"offset"`
}

// Epoch is the random, non-zero id of one opening of the store.
type Epoch uint64

// Body is the typed content of an event; which type belongs to which EventType
// is in its EventSpec. A Body is immutable once its event was handed on.
type Body any

// Event is one canonical fact: stored once, told once, spelled by each dialect.
// It is immutable once it was handed on, so that it may be read concurrently.
type Event struct {
	ID   EventID
	Org  OrgID
	Type EventType
	// Class is the type's, or for custom types what the configuration says.
	Class Class
	Time  time.Time
	// Actor caused the event; empty for the system itself.
	Actor     PrincipalID
	ActorKind PrincipalKind

	// Conversation is set for conversation scope; ChangeSeq is then, for a durable
	// event, the number it took; for any other the conversation's as its author
	// knew it: listeners hold the event until they have passed that.
	Conversation ConversationID
	ChangeSeq    uint64
	// Targets are the principals concerned, for principal scope, and for channel
	// scope where the publisher named some. Nil otherwise.
	Targets []PrincipalID
	// Channel is what the events surface filters by.
	Channel string
	// Internal events are heard only where Membership.HearsInternal holds.
	Internal bool

	// Position is the event's place in the org's log: zero until the relay (or, on
	// SQLite, the commit) gave it one, and always for events that are not durable.
	Position Position

	Body Body
}

// Scope says whom this event concerns.
func (e *Event) Scope() ScopeKind {
	switch {
	case !e.Conversation.IsZero():
		return ConversationScope
	case e.Spec().Scope == PrincipalScope:
		return PrincipalScope
	}
	return ChannelScope
}

// Keys appends the log keys of the event to dst: what a replay finds it by. It
// has one for its conversation, or one for each target, or one for its channel.
func (e *Event) Keys(dst []string) []string {
	switch {
	case !e.Conversation.IsZero():
		return append(dst, ConversationKey(e.Conversation))
	case len(e.Targets) > 0:
		for _, t := range e.Targets {
			dst = append(dst, PrincipalKey(t))
		}
		return dst
	}
	return append(dst, ChannelKey(e.Channel))
}

// ConversationKey is the log key of a conversation's events.
func ConversationKey(id ConversationID) string { return "c/" + id.UUID() }

// PrincipalKey is the log key of the events that concern one principal.
func PrincipalKey(id PrincipalID) string { return "p/" + string(id) }

// ChannelKey is the log key of a channel's events.
func ChannelKey(channel string) string { return "h/" + channel }

// EventSpec is what is known of a type of event. There is one table of them, in
// EventSpecs; the event × dialect matrix, the topic grammar and the reference
// pages are made from it.
type EventSpec struct {
	Type    EventType
	Class   Class
	Scope   ScopeKind
	Channel string
	Topic   TopicName
	Doc     string
	New     func() Body // a fresh body to decode into
}

var eventSpecs = func() map[EventType]EventSpec {
	m := map[EventType]EventSpec{}
	for _, s := range EventSpecs() {
		m[s.Type] = s
	}
	return m
}()

// EventSpecs lists the built-in types of event, in documentation order.
func EventSpecs() []EventSpec {
	var all []EventSpec
	for _, group := range [][]EventSpec{
		messageSpecs(), reactionSpecs(), streamSpecs(), typingSpecs(), presenceSpecs(), conversationSpecs(),
		memberStateSpecs(), taskSpecs(), callSpecs(), publishedSpecs(),
	} {
		all = append(all, group...)
	}
	return all
}

// SpecOf returns what is known of a type; false for custom types.
func SpecOf(t EventType) (EventSpec, bool) {
	s, ok := eventSpecs[t]
	return s, ok
}

// Spec returns what is known of the event's type; for a custom one, the spec of
// all custom events with the event's own type, channel and topic.
func (e *Event) Spec() EventSpec {
	if s, ok := eventSpecs[e.Type]; ok {
		return s
	}
	return EventSpec{e.Type, e.Class, ChannelScope, e.Channel, CustomTopic(e.Channel, string(e.Type)), "a custom event", newPublished}
}

// ResourceID is the last segment of the event's topic.
func (e *Event) ResourceID() string {
	switch b := e.Body.(type) {
	case *TaskBody:
		return b.Task.String()
	case *TaskDeltaBody:
		return b.Task.String()
	}
	if !e.Conversation.IsZero() {
		return e.Conversation.String()
	}
	switch b := e.Body.(type) {
	case *PublishedBody:
		if b.ResourceID != "" {
			return b.ResourceID
		}
	case *PresenceBody:
		return string(b.Principal)
	case *MemberStateBody:
		return b.Conversation.String()
	case *ReceiptBody: // where it is told to the member alone
		return b.Conversation.String()
	case *BlockBody:
		return string(b.Blocked)
	}
	return e.ID.String()
}

// wireEvent is how an event is kept in the store and told over the bus.
type wireEvent struct {
	ID           EventID        `json:"id"`
	Org          OrgID          `json:"org"`
	Type         EventType      `json:"type"`
	Class        Class          `json:"class"`
	Time         time.Time      `json:"time"`
	Actor        PrincipalID    `json:"actor,omitempty"`
	ActorKind    PrincipalKind  `json:"actor_kind,omitempty"`
	Conversation ConversationID `json:"conversation,omitzero"`
	ChangeSeq    uint64         `json:"change_seq,omitempty"`
	Targets      []PrincipalID  `json:"targets,omitempty"`
	Channel      string         `json:"channel,omitempty"`
	Internal     bool           `json:"internal,omitempty"`
	Position     Position       `json:"position,omitzero"`
	Body         Body           `json:"body"`
}
