package topics

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendEvent appends the frame that tells e (contracts.md section 10).
func (d Dialect) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	if !d.Speaks(e.Type) || e.Internal && v != parley.ViewInternal {
		return dst
	}
	name := e.Spec().Topic
	if b, ok := e.Body.(*parley.TaskBody); ok {
		name.Event = string(b.Status)
	}
	dst = append(dst, `{"op":"event","topic":"`...)
	dst = appendTopic(dst, e, name)
	dst = append(dst, '"')
	if e.Position != (parley.Position{}) {
		dst = append(jsonw.Key(dst, "cursor"), '"')
		dst = append(e.Position.AppendCursor(dst), '"')
	}
	dst = append(jsonw.Key(dst, "event"), '{')
	dst = jsonw.ID(dst, "id", e.ID)
	dst = jsonw.Text(dst, "organizationId", string(e.Org))
	dst = jsonw.Text(dst, "source", name.Source)
	dst = jsonw.Text(dst, "resource", name.Resource)
	dst = appendResourceID(dst, e)
	dst = jsonw.Text(dst, "eventName", name.Event)
	dst = jsonw.TimeAt(dst, "timestamp", e.Time)
	dst = appendPayload(dst, e)
	dst = appendMetadata(dst, e)
	return append(dst, '}', '}')
}

// appendTopic is parley.TopicOf(e).Append(dst) but for what that allocates. A
// topic holds no byte that JSON escapes.
func appendTopic(dst []byte, e *parley.Event, name parley.TopicName) []byte {
	dst = append(dst, "events."...)
	for _, segment := range [...]string{string(e.Org), name.Source, name.Resource, name.Event} {
		dst = append(parley.AppendSegment(dst, segment), '.')
	}
	if own := ownResource(e); own != "" {
		return parley.AppendSegment(dst, own)
	}
	return appendResource(dst, e)
}

// appendResourceID is e.ResourceID() as a field, allocating nothing.
func appendResourceID(dst []byte, e *parley.Event) []byte {
	if own := ownResource(e); own != "" {
		return jsonw.Text(dst, "resourceId", own)
	}
	dst = append(jsonw.Key(dst, "resourceId"), '"')
	return append(appendResource(dst, e), '"')
}

// ownResource is the resource id that a publisher gave, or an account's, which
// are not ids of ours; empty where the event is of a conversation or has none.
func ownResource(e *parley.Event) string {
	switch b := e.Body.(type) {
	case *parley.PublishedBody:
		if e.Conversation.IsZero() {
			return b.ResourceID
		}
	case *parley.PresenceBody:
		return string(b.Principal)
	case *parley.BlockBody:
		return string(b.Blocked)
	}
	return ""
}

// appendResource is the resource id where it is one of ours: a task's, that of a
// conversation, also where the event is told to one principal alone, or else the
// event's. It needs no escaping.
func appendResource(dst []byte, e *parley.Event) []byte {
	conversation := e.Conversation
	switch b := e.Body.(type) {
	case *parley.TaskBody:
		return b.Task.AppendTypeID(dst)
	case *parley.TaskDeltaBody:
		return b.Task.AppendTypeID(dst)
	case *parley.ReceiptBody:
		conversation = b.Conversation
	case *parley.MemberStateBody:
		conversation = b.Conversation
	}
	if !conversation.IsZero() {
		return conversation.AppendTypeID(dst)
	}
	return e.ID.AppendTypeID(dst)
}

// appendMetadata appends who caused the event and where it belongs. changeSeq is
// told of durable events only: of others it is no place of their own.
func appendMetadata(dst []byte, e *parley.Event) []byte {
	dst = append(jsonw.Key(dst, "metadata"), '{')
	dst = jsonw.TextIf(dst, "actor", string(e.Actor))
	if e.ActorKind != "" {
		dst = jsonw.Text(dst, "actorType", actorType(e.ActorKind))
	}
	dst = jsonw.IDIf(dst, "conversationId", e.Conversation)
	if e.Class == parley.Durable && e.ChangeSeq > 0 {
		dst = jsonw.Uint(jsonw.Key(dst, "changeSeq"), e.ChangeSeq)
	}
	dst = jsonw.True(dst, "internal", e.Internal)
	return append(dst, '}')
}

// actorType: user, agent, and system for back ends (C5).
func actorType(kind parley.PrincipalKind) string {
	if kind == parley.KindService {
		return "system"
	}
	return string(kind)
}
