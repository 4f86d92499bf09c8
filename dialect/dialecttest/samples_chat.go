package dialecttest

import (
	"time"

	"github.com/parley-chat/parley"
)

// hostileID is a principal's id that breaks careless encoders.
const hostileID parley.PrincipalID = `user".*>%/` + "\u2028"

func (b *builder) reactions() {
	add := func(variant string, who parley.PrincipalID, kind parley.PrincipalKind, emoji string, added bool) {
		body := &parley.ReactionBody{Message: MessageID, Seq: 7, Principal: who, Emoji: emoji, Added: added}
		b.add(variant, parley.ReactionChanged, body, func(e *parley.Event) { e.Actor, e.ActorKind = who, kind })
	}
	add("", Ada, parley.KindUser, "👍🏽", true)
	add("removed", Ada, parley.KindUser, "👍🏽", false)
	add("joined", Robot, parley.KindAgent, "👩‍🚀", true)
	add("hostile", hostileID, parley.KindUser, Hostile, true)
	b.add("hidden", parley.ReactionChanged, &parley.ReactionBody{
		Message: MessageID, Seq: 9, Principal: Ada, Emoji: "🙈", Added: true, HiddenFrom: []parley.PrincipalID{SecretSource},
	}, nil)
	b.add("internal", parley.ReactionChanged, &parley.ReactionBody{Message: MessageID, Seq: 9, Principal: Ada, Emoji: "🤐", Added: true},
		func(e *parley.Event) { e.Internal = true })
}

// states are the facts about what a conversation, or somebody, is to one
// principal: without a conversation, and with that principal as their only target.
func (b *builder) states() {
	own := func(e *parley.Event) { e.Targets = []parley.PrincipalID{Ada} }
	b.add("", parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: Conversation, Principal: Ada, Read: 7, Delivered: 8}, nil)
	b.add("hostile", parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: Conversation, Principal: hostileID, Read: 7, Delivered: 7},
		func(e *parley.Event) { e.Actor = hostileID })
	b.add("delivered", parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: Conversation, Principal: Ada, Delivered: 8}, nil)
	// In a large conversation it is told to the member alone.
	b.add("own", parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: Conversation, Principal: Ada, Read: 7, Delivered: 8},
		func(e *parley.Event) {
			e.Conversation, e.ChangeSeq, e.Targets = parley.ConversationID{}, 0, []parley.PrincipalID{Ada}
		})

	state := func(variant string, t parley.EventType, body parley.MemberStateBody) {
		body.Conversation = Conversation
		b.add(variant, t, &body, own)
	}
	state("", parley.MemberMuted, parley.MemberStateBody{MutedUntil: Time.Add(8 * time.Hour)})
	state("forever", parley.MemberMuted, parley.MemberStateBody{MutedUntil: parley.MutedForever})
	state("", parley.MemberUnmuted, parley.MemberStateBody{})
	state("", parley.MemberArchived, parley.MemberStateBody{ArchivedAt: Time})
	state("", parley.MemberUnarchived, parley.MemberStateBody{})
	state("", parley.MemberHidden, parley.MemberStateBody{Seq: 12})
	state("empty", parley.MemberHidden, parley.MemberStateBody{})
	state("message", parley.MemberHidden, parley.MemberStateBody{Message: MessageID, Seq: 7})

	b.add("", parley.PrincipalBlocked, &parley.BlockBody{Blocked: Bruno}, own)
	b.add("hostile", parley.PrincipalBlocked, &parley.BlockBody{Blocked: hostileID}, own)
	b.add("", parley.PrincipalUnblocked, &parley.BlockBody{Blocked: Bruno}, own)
	b.add("", parley.PrincipalErased, &parley.ErasedBody{Principal: Ada}, own)
	b.add("", parley.MessagesExpired, &parley.ExpiredBody{Conversation: Conversation, From: 3, To: 12}, func(e *parley.Event) {
		e.Actor, e.ActorKind = "", ""
	})
}

func (b *builder) tasks() {
	full := parley.TaskBody{
		Task: TaskID, Agent: Robot, Parent: parley.TaskID(UUID(24)), Title: "Book a room", Status: parley.TaskRunning,
		Step: "looking at calendars", Narrative: "Two of three rooms are taken.",
	}
	b.add("", parley.TaskStatusChanged, &full, byRobot)
	b.add("minimal", parley.TaskStatusChanged, &parley.TaskBody{Task: TaskID, Status: parley.TaskPending}, nil)
	done := full
	done.Status, done.Step, done.Result = parley.TaskCompleted, "", parley.RawJSON(`{"room":"B","n":1.50}`)
	b.add("completed", parley.TaskStatusChanged, &done, byRobot)
	failed := full
	failed.Status, failed.Step, failed.Narrative, failed.Error = parley.TaskFailed, "", "", "upstream said 500: "+Hostile
	b.add("failed", parley.TaskStatusChanged, &failed, byRobot)
	hostile := parley.TaskBody{
		Task: TaskID, Agent: hostileID, Title: Hostile, Status: parley.TaskWaiting, Step: Hostile, Narrative: Hostile, Error: Hostile,
	}
	b.add("hostile", parley.TaskStatusChanged, &hostile, nil)

	b.add("", parley.TaskStreamed, &parley.TaskDeltaBody{Task: TaskID, Agent: Robot, Text: "Room B is free. "}, byRobot)
	b.add("multibyte", parley.TaskStreamed, &parley.TaskDeltaBody{Task: TaskID, Agent: Robot, Text: Multibyte}, byRobot)
	b.add("hostile", parley.TaskStreamed, &parley.TaskDeltaBody{Task: TaskID, Agent: hostileID, Text: Hostile}, nil)
}

func (b *builder) calls() {
	call := parley.CallBody{Call: CallID, Room: "room_7", Kind: "video", Initiator: Ada}
	started := call
	b.add("", parley.CallStarted, &started, nil)
	hostile := parley.CallBody{Call: CallID, Room: Hostile, Kind: Hostile, Initiator: hostileID}
	b.add("hostile", parley.CallStarted, &hostile, nil)

	byBruno := func(e *parley.Event) { e.Actor = Bruno }
	answered := call
	answered.Principal = Bruno
	b.add("", parley.CallAnswered, &answered, byBruno)
	declined := answered
	b.add("", parley.CallDeclined, &declined, byBruno)
	ended := call
	ended.Seconds, ended.Reason = 95, "hangup"
	b.add("", parley.CallEnded, &ended, byBruno)
	missed := call
	missed.Reason = "missed"
	b.add("missed", parley.CallEnded, &missed, func(e *parley.Event) { e.Actor, e.ActorKind = "", "" })
	unsaid := call
	b.add("no reason", parley.CallEnded, &unsaid, nil)
}
