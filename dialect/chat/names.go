package chat

import (
	"maps"

	"github.com/parley-chat/parley"
)

// names is how each event is spelled (contracts.md sections 9 and 10); empty is
// "not spoken". Tools are told in a brain_event frame of their own.
var names = map[parley.EventType]string{
	parley.MessageCreated: "message.created",
	parley.MessageUpdated: "message.edited",
	parley.MessageDeleted: "message.deleted",

	parley.ReactionChanged: "reaction.updated",

	parley.RunStarted:    "task.status_updated",
	parley.StreamStarted: "", // the first delta begins the text
	parley.StreamDelta:   "task_stream_delta",
	parley.ToolCalled:    "brain_event",
	parley.ToolReturned:  "brain_event",
	parley.RunEnded:      "task.status_updated",

	parley.TypingStarted: "typing.start",
	parley.TypingStopped: "typing.stop",

	parley.PresenceChanged: "presence.updated",

	parley.ConversationCreated: "conversation.created",
	parley.ConversationUpdated: "",
	parley.ConversationClosed:  "",
	parley.ConversationDeleted: "conversation.deleted",
	parley.MessagesExpired:     "",
	parley.MemberJoined:        "conversation.created", // to the one who joined
	parley.MemberLeft:          "conversation.deleted", // to the one who left
	parley.MemberUpdated:       "",

	parley.ReceiptUpdated:     "receipt.updated",
	parley.MemberMuted:        "conversation.muted",
	parley.MemberUnmuted:      "conversation.unmuted",
	parley.MemberArchived:     "conversation.archived",
	parley.MemberUnarchived:   "conversation.unarchived",
	parley.MemberHidden:       "conversation.hidden", // or message.hidden
	parley.PrincipalBlocked:   "user.blocked",
	parley.PrincipalUnblocked: "user.unblocked",
	parley.PrincipalErased:    "",

	parley.TaskStatusChanged: "task.status_updated",
	parley.TaskStreamed:      "task_stream_delta",

	parley.CallStarted:  "call.started",
	parley.CallAnswered: "call.answered",
	parley.CallDeclined: "call.declined",
	parley.CallEnded:    "call.ended",

	parley.MemoryCreated:           "",
	parley.MemoryUpdated:           "",
	parley.MemoryDeleted:           "",
	parley.MemoryEmbeddingComplete: "",
	parley.OfferingInstalled:       "",
	parley.OfferingUninstalled:     "",
	parley.OfferingUpdated:         "",
	parley.OfferingStatusChange:    "",
	parley.SystemNotification:      "",
	parley.SystemStatus:            "",
	parley.SystemMaintenance:       "",
}

// messageHidden is member.hidden where it is about one message.
const messageHidden = "message.hidden"

// Names returns how each built-in event is spelled; empty is "not spoken".
func (*Dialect) Names() map[parley.EventType]string {
	m := maps.Clone(names)
	m[parley.MemberHidden] += ", " + messageHidden
	return m
}

// Speaks reports whether events of the type have a frame; custom ones have none.
func (*Dialect) Speaks(t parley.EventType) bool { return names[t] != "" }
