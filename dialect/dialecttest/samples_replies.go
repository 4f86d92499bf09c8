package dialecttest

import (
	"time"

	"github.com/parley-chat/parley"
)

// ReplySample is a named reply.
type ReplySample struct {
	Name  string
	Reply parley.Reply
}

// Cursor is the cursor of the sample replies.
var Cursor = parley.Position{Epoch: 0x5eed_0000_cafe_f00d, Offset: 4200}.Cursor()

// MustPattern parses a topic pattern and panics where it is not one.
func MustPattern(text string) parley.Pattern {
	p, err := parley.ParsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Replies returns one fully filled reply of every type, and the variants that
// surfaces tell apart. The caller owns what it gets.
func Replies() []ReplySample {
	message, internal := Message(), Message()
	internal.Internal = true
	robot := runMessage(parley.RunCompleted)
	keyless := Message()
	keyless.ClientMsgID = ""
	other := parley.ConversationID(UUID(9))
	topics := parley.Subscribe{
		Ref: "all messages",
		Interest: parley.Interest{Patterns: []parley.Pattern{
			MustPattern("events.org_acme.conversations.conversation.message_posted.*"),
			MustPattern("events.org_acme.tasks.task.completed.*.participant.part_789"),
		}},
	}
	sessions := parley.Subscribe{
		Interest:      parley.Interest{Conversations: []parley.ConversationID{Conversation, other}},
		Conversations: []parley.ConversationID{Conversation, other},
	}
	run := parley.Subscribe{Interest: parley.Interest{Runs: []parley.RunID{RunID}}}
	bad := parley.Errorf(parley.CodeInvalidFormat, "the frame is not %s", `JSON "at all"`)
	post := parley.PostMessage{Conversation: Conversation, Content: "hi", ClientMsgID: SecretClientMsgID, Origin: SecretOrigin}
	list := []ReplySample{
		{"greeting", parley.Greeting{}},
		{"authenticated", parley.Authenticated{ExpiresAt: Time.Add(time.Hour), Cursor: Cursor}},
		{"authenticated/for ever", parley.Authenticated{Cursor: Cursor}},
		{"subscribed/topics", parley.Subscribed{Request: topics, Cursor: Cursor}},
		{"subscribed/conversations", parley.Subscribed{Request: sessions, Cursor: Cursor}},
		{"subscribed/run", parley.Subscribed{Request: run, Cursor: Cursor}},
		{"subscribed/nothing", parley.Subscribed{Request: parley.Subscribe{Ref: "none"}, Cursor: Cursor}},
		{"unsubscribed/topics", parley.Unsubscribed{Request: parley.Unsubscribe{Ref: "all messages", Interest: topics.Interest}}},
		{"unsubscribed/conversations", parley.Unsubscribed{Request: parley.Unsubscribe{Interest: sessions.Interest}}},
		{"accepted", parley.Accepted{Message: &message}},
		{"accepted/no key", parley.Accepted{Message: &keyless}},
		{"published", parley.Published{Ref: "order 7", Event: Event("order.shipped")}},
		{"published/live", parley.Published{Ref: Hostile, Event: Event("cursor.moved/ephemeral")}},
		{"history", parley.History{Message: &message}},
		{"history/internal", parley.History{Message: &internal}},
		{"history/run", parley.History{Message: &robot}},
		{"pong", parley.Pong{Time: Time}},
		{"cursor moved", parley.CursorMoved{Time: Time, Cursor: Cursor}},
		{"reload", parley.Reload{Time: Time, Reason: "the log is no longer kept"}},
		{"reload/named", parley.Reload{Time: Time, Reason: Hostile, Subscriptions: []parley.ConversationID{Conversation, other}}},
		{"reload/conversation", parley.Reload{Time: Time, Reason: "erased", Conversation: Conversation, Subscriptions: []parley.ConversationID{Conversation, other}}},
		{"expiring", parley.Expiring{ExpiresAt: Time.Add(time.Minute)}},
		{"failure/frame", parley.Failure{Err: bad}},
		{"failure/pattern", parley.Failure{
			Err: parley.Errorf(parley.CodeForbidden, "that topic is not yours to hear"), Command: topics,
			Ref: "all messages", Pattern: "events.*.conversations.conversation.message_posted.*",
		}},
		{"failure/post", parley.Failure{Err: &parley.Error{
			Code: parley.CodeRateLimited, Message: "too many messages", RetryAfter: 1500 * time.Millisecond,
		}, Command: post}},
		{"failure/subscribe", parley.Failure{Err: parley.Errorf(parley.CodeNotFound, "there is no such conversation"), Command: sessions}},
		{"failure/publish", parley.Failure{Err: &parley.Error{
			Code: parley.CodeInvalidArgument, Message: "data.conversation_id is not a conversation's id", Field: "data.conversation_id",
		}, Command: parley.PublishEvent{Type: "order.shipped", Channel: "shop", Ref: "order 7"}}},
		{"failure/hostile", parley.Failure{Err: parley.Errorf(parley.CodeInvalidArgument, "%s", Hostile), Ref: Hostile, Pattern: Hostile}},
	}
	for _, spec := range parley.ErrorSpecs() {
		list = append(list, ReplySample{
			"failure/code " + string(spec.Code),
			parley.Failure{Err: &parley.Error{Code: spec.Code, Message: spec.Doc}},
		})
	}
	return list
}

// Reply returns the sample reply of that name; it panics where there is none.
func Reply(name string) parley.Reply {
	for _, s := range Replies() {
		if s.Name == name {
			return s.Reply
		}
	}
	panic("dialecttest: no sample reply is called " + name)
}
