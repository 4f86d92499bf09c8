package bot_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/bot"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

var session = dialecttest.Conversation

const sessionUUID = "01a1fef1-77bc-7000-8000-000000000001"

// What failed decides how a code is spelled: the samples of the suite say each
// code without a command, this table says what a command changes.
func TestFailuresByCommand(t *testing.T) {
	one := parley.Subscribe{Conversations: []parley.ConversationID{session}}
	for name, tc := range map[string]struct {
		code    parley.Code
		command parley.Command
		want    string
	}{
		"a session of someone else":        {parley.CodeForbidden, one, `{"type":"error","code":"SESSION_NOT_FOUND","message":"no","session_id":"` + sessionUUID + `"}`},
		"too many subscriptions":           {parley.CodeInvalidArgument, one, `{"type":"error","code":"SUBSCRIPTION_FAILED","message":"no","session_id":"` + sessionUUID + `"}`},
		"the store is away for a resume":   {parley.CodeUnavailable, parley.Resume{}, `{"type":"error","code":"SUBSCRIPTION_FAILED","message":"no"}`},
		"a subscribe that is not readable": {parley.CodeInvalidFormat, parley.Subscribe{}, `{"type":"error","code":"INVALID_FORMAT","message":"no"}`},
		"a token of someone else":          {parley.CodeForbidden, parley.Authenticate{}, `{"type":"error","code":"AUTH_FAILED","message":"no"}`},
		"typing where one is no member":    {parley.CodeNotFound, parley.SetTyping{Conversation: session}, `{"type":"error","code":"SESSION_NOT_FOUND","message":"no","session_id":"` + sessionUUID + `"}`},
		"the store is away for a message":  {parley.CodeUnavailable, parley.PostMessage{Conversation: session, ClientMsgID: "c1"}, `{"type":"error","code":"INTERNAL_ERROR","message":"no","session_id":"` + sessionUUID + `","client_msg_id":"c1"}`},
	} {
		got := bot.New().AppendReply(nil, parley.Failure{Err: &parley.Error{Code: tc.code, Message: "no"}, Command: tc.command})
		if string(got) != tc.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

func TestRetryAfterIsInWholeSecondsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0:                       `{"type":"error","code":"RATE_LIMITED","message":"slow down"}`,
		time.Millisecond:        `{"type":"error","code":"RATE_LIMITED","message":"slow down","retry_after":1}`,
		time.Second:             `{"type":"error","code":"RATE_LIMITED","message":"slow down","retry_after":1}`,
		1001 * time.Millisecond: `{"type":"error","code":"RATE_LIMITED","message":"slow down","retry_after":2}`,
	} {
		err := &parley.Error{Code: parley.CodeRateLimited, Message: "slow down", RetryAfter: wait}
		if got := bot.New().AppendReply(nil, parley.Failure{Err: err}); string(got) != want {
			t.Errorf("%v: got %s", wait, got)
		}
	}
}

// A client that never named a cursor hears nothing for its authentication and
// its subscriptions: the Conn leaves Cursor empty.
func TestAcknowledgementsWithoutCursorAreSilent(t *testing.T) {
	for _, r := range []parley.Reply{parley.Authenticated{}, parley.Subscribed{}, parley.CursorMoved{}} {
		if got := bot.New().AppendReply(nil, r); len(got) > 0 {
			t.Errorf("%T says %s", r, got)
		}
	}
}

func TestHistoryDoesNotTellWhatWasDeleted(t *testing.T) {
	m := parley.Message{
		ID: dialecttest.MessageID, Conversation: session, Seq: 7, Sender: "ada", SenderKind: parley.KindUser,
		Content: "a secret", CreatedAt: dialecttest.Time, Deleted: true,
	}
	want := `{"type":"message","session_id":"` + sessionUUID + `","message_id":"01a1fef1-77bd-7000-8000-000000000002",` +
		`"role":"user","user_id":"ada","content":"","deleted":true,"timestamp":"2026-11-21T16:30:00.123Z","seq":7}`
	if got := bot.New().AppendReply(nil, parley.History{Message: &m}); string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestReasonsOfClosedSessions(t *testing.T) {
	for reason, want := range map[string]string{"": "ended", "idle_timeout": "idle_timeout"} {
		e := &parley.Event{Type: parley.ConversationClosed, Conversation: session, Body: &parley.ConversationBody{Reason: reason}}
		frame := `{"type":"session_closed","session_id":"` + sessionUUID + `","reason":"` + want + `"}`
		if got := bot.New().AppendEvent(nil, e, parley.ViewPublic); string(got) != frame {
			t.Errorf("reason %q: got %s", reason, got)
		}
	}
}

// New sessions are told to every socket of those in them, the rest to those who
// subscribed.
func TestSelect(t *testing.T) {
	for _, s := range dialecttest.Events() {
		unasked := bot.New().Select(s.Event, dialecttest.Ada, false)
		if want := s.Event.Type == parley.ConversationCreated; unasked != want {
			t.Errorf("%s, not asked for: %t", s.Name, unasked)
		}
		if !bot.New().Select(s.Event, dialecttest.Ada, true) {
			t.Errorf("%s was asked for and is not told", s.Name)
		}
	}
	if !bot.New().EndsStreams() {
		t.Error("a stream is ended by stream_end here")
	}
}
