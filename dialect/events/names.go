package events

import (
	"maps"

	"github.com/parley-chat/parley"
)

// custom is the entry of types that parley.EventSpecs does not list.
const custom parley.EventType = "*"

// names is the spelling table (contracts.md sections 1.2 and 9). Empty is "not
// spoken".
var names = map[parley.EventType]string{
	parley.MessageCreated: "message.new",
	parley.MessageUpdated: "message.updated",
	parley.MessageDeleted: "message.updated", // content empty, deleted true

	parley.ReactionChanged: "message.updated", // with the reaction

	// Of a run only its message is told (C20).
	parley.RunStarted:    "",
	parley.StreamStarted: "",
	parley.StreamDelta:   "",
	parley.ToolCalled:    "",
	parley.ToolReturned:  "",
	parley.RunEnded:      "",

	parley.TypingStarted: "typing.start",
	parley.TypingStopped: "typing.stop",

	parley.PresenceChanged: "",

	parley.ConversationCreated: "conversation.created",
	parley.ConversationUpdated: "conversation.updated",
	parley.ConversationClosed:  "conversation.updated",
	parley.ConversationDeleted: "conversation.updated", // C22
	parley.MessagesExpired:     "",
	parley.MemberJoined:        "conversation.updated",
	parley.MemberLeft:          "conversation.updated",
	parley.MemberUpdated:       "conversation.updated",

	// What a conversation is to one member, tasks and calls have no name here.
	parley.ReceiptUpdated:     "",
	parley.MemberMuted:        "",
	parley.MemberUnmuted:      "",
	parley.MemberArchived:     "",
	parley.MemberUnarchived:   "",
	parley.MemberHidden:       "",
	parley.PrincipalBlocked:   "",
	parley.PrincipalUnblocked: "",
	parley.PrincipalErased:    "",
	parley.TaskStatusChanged:  "",
	parley.TaskStreamed:       "",
	parley.CallStarted:        "",
	parley.CallAnswered:       "",
	parley.CallDeclined:       "",
	parley.CallEnded:          "",

	parley.MemoryCreated:           "memory.created",
	parley.MemoryUpdated:           "memory.updated",
	parley.MemoryDeleted:           "memory.deleted",
	parley.MemoryEmbeddingComplete: "memory.embedding_complete",

	parley.OfferingInstalled:    "offering.installed",
	parley.OfferingUninstalled:  "offering.uninstalled",
	parley.OfferingUpdated:      "offering.updated",
	parley.OfferingStatusChange: "offering.status_change",

	parley.SystemNotification: "system.notification",
	parley.SystemStatus:       "system.status",
	parley.SystemMaintenance:  "system.maintenance",

	custom: "as published",
}

// Names returns the spelling table; an empty name is "not spoken", the key "*"
// stands for custom types.
func (Dialect) Names() map[parley.EventType]string { return maps.Clone(names) }

// Speaks reports whether the surface has a frame for the type. Custom types are
// told as they were published.
func (Dialect) Speaks(t parley.EventType) bool { return spelling(t) != "" }

// spelling is the type as the envelope names it; empty where it is not spoken.
func spelling(t parley.EventType) string {
	if name, known := names[t]; known && t != custom {
		return name
	}
	return string(t)
}
