package bot

import (
	"maps"

	"github.com/parley-chat/parley"
)

// names is how each event is spelled (contracts.md section 9); empty is "not
// spoken". Typing has two spellings: an agent's is bot_typing (C19).
var names = map[parley.EventType]string{
	parley.MessageCreated: "message",
	parley.MessageUpdated: "", // C18
	parley.MessageDeleted: "", // C18

	parley.ReactionChanged: "",

	parley.RunStarted:    "", // stream_start says it
	parley.StreamStarted: "stream_start",
	parley.StreamDelta:   "stream_chunk",
	parley.ToolCalled:    "tool_call",
	parley.ToolReturned:  "tool_result",
	parley.RunEnded:      "stream_end",

	parley.TypingStarted: "typing_start",
	parley.TypingStopped: "typing_stop",

	parley.PresenceChanged: "",

	parley.ConversationCreated: "session_created",
	parley.ConversationUpdated: "",
	parley.ConversationClosed:  "session_closed",
	parley.ConversationDeleted: "session_closed",
	parley.MessagesExpired:     "",
	parley.MemberJoined:        "", // rooms of calls only
	parley.MemberLeft:          "",
	parley.MemberUpdated:       "",

	parley.ReceiptUpdated:     "",
	parley.MemberMuted:        "",
	parley.MemberUnmuted:      "",
	parley.MemberArchived:     "",
	parley.MemberUnarchived:   "",
	parley.MemberHidden:       "",
	parley.PrincipalBlocked:   "",
	parley.PrincipalUnblocked: "",
	parley.PrincipalErased:    "",

	// Tools are told as what they are, tasks are not (C21).
	parley.TaskStatusChanged: "",
	parley.TaskStreamed:      "",

	parley.CallStarted:  "", // rooms of calls only
	parley.CallAnswered: "",
	parley.CallDeclined: "",
	parley.CallEnded:    "",

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

// Names returns how each built-in event is spelled; empty is "not spoken".
func (*Dialect) Names() map[parley.EventType]string {
	m := maps.Clone(names)
	m[parley.TypingStarted] += ", bot_typing"
	m[parley.TypingStopped] += ", bot_typing"
	return m
}

// Speaks reports whether events of the type have a frame; custom ones have none.
func (*Dialect) Speaks(t parley.EventType) bool { return names[t] != "" }
