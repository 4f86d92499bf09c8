package topics

import (
	"maps"

	"github.com/parley-chat/parley"
)

// custom is the entry of types that parley.EventSpecs does not list.
const custom parley.EventType = "*"

// names is the spelling table, source.resource.event (contracts.md section 9).
// Empty is "not spoken". Topics are made from parley.EventSpec.Topic, which the
// matching of patterns uses too; a test holds the two together.
var names = map[parley.EventType]string{
	parley.MessageCreated: "conversations.conversation.message_posted",
	parley.MessageUpdated: "conversations.conversation.message_updated",
	parley.MessageDeleted: "conversations.conversation.message_deleted",

	parley.ReactionChanged: "conversations.conversation.reaction_updated",

	parley.RunStarted:    "flows.flow.run",
	parley.StreamStarted: "conversations.conversation.message_stream",
	parley.StreamDelta:   "conversations.conversation.message_stream",
	parley.ToolCalled:    "conversations.conversation.tool_called",
	parley.ToolReturned:  "conversations.conversation.tool_returned",
	parley.RunEnded:      "conversations.conversation.message_stream", // done

	parley.TypingStarted: "conversations.conversation.typing",
	parley.TypingStopped: "conversations.conversation.typing",

	parley.PresenceChanged: "accounts.account.presence",

	parley.ConversationCreated: "conversations.conversation.created",
	parley.ConversationUpdated: "conversations.conversation.updated",
	parley.ConversationClosed:  "conversations.conversation.closed",
	parley.ConversationDeleted: "conversations.conversation.deleted",
	parley.MessagesExpired:     "conversations.conversation.messages_expired",
	parley.MemberJoined:        "conversations.conversation.participant_added",
	parley.MemberLeft:          "conversations.conversation.participant_removed",
	parley.MemberUpdated:       "conversations.conversation.participant_updated",

	parley.ReceiptUpdated:     "conversations.conversation.receipt_updated",
	parley.MemberMuted:        "conversations.conversation.muted",
	parley.MemberUnmuted:      "conversations.conversation.unmuted",
	parley.MemberArchived:     "conversations.conversation.archived",
	parley.MemberUnarchived:   "conversations.conversation.unarchived",
	parley.MemberHidden:       "conversations.conversation.hidden",
	parley.PrincipalBlocked:   "accounts.account.blocked",
	parley.PrincipalUnblocked: "accounts.account.unblocked",
	parley.PrincipalErased:    "accounts.account.erased",

	parley.TaskStatusChanged: "tasks.task.{status}", // tasks.task.completed
	parley.TaskStreamed:      "tasks.task.streamed",

	parley.CallStarted:  "conversations.conversation.live",
	parley.CallAnswered: "conversations.conversation.live_answered",
	parley.CallDeclined: "conversations.conversation.call_declined",
	parley.CallEnded:    "conversations.conversation.live_ended",

	parley.MemoryCreated:           "memory.item.created",
	parley.MemoryUpdated:           "memory.item.updated",
	parley.MemoryDeleted:           "memory.item.deleted",
	parley.MemoryEmbeddingComplete: "memory.item.embedding_complete",

	parley.OfferingInstalled:    "offerings.offering.installed",
	parley.OfferingUninstalled:  "offerings.offering.uninstalled",
	parley.OfferingUpdated:      "offerings.offering.updated",
	parley.OfferingStatusChange: "offerings.offering.status_change",

	parley.SystemNotification: "system.system.notification",
	parley.SystemStatus:       "system.system.status",
	parley.SystemMaintenance:  "system.system.maintenance",

	custom: "{channel}.{type}",
}

// Names returns the spelling table; an empty name is "not spoken", the key "*"
// stands for custom types.
func (Dialect) Names() map[parley.EventType]string { return maps.Clone(names) }

// Speaks reports whether the surface has a frame for the type; it has one for
// every custom type.
func (Dialect) Speaks(t parley.EventType) bool {
	name, known := names[t]
	return name != "" || !known
}
