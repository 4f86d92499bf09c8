package chat_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

// A client may look for the very strings it sent in the acknowledgement.
func TestSubscriptionsAreAcknowledgedAsTheyWereSpelled(t *testing.T) {
	task := dialecttest.TaskID.String()
	const typeID, uuid = "conv_01m7zf2xxwe008000000000001", "01a1fef1-77c4-7000-8000-000000000009"
	for frame, want := range map[string]string{
		`{"action":"subscribe","conversation_ids":["` + typeID + `"]}`:                `{"type":"subscribed","payload":["` + typeID + `"]}`,
		`{"action":"subscribe","conversation_ids":["` + typeID + `","` + uuid + `"]}`: `{"type":"subscribed","payload":["` + typeID + `","` + uuid + `"]}`,
		`{"action":"subscribe","conversation_ids":[]}`:                                `{"type":"subscribed","payload":[]}`,
		`{"action":"subscribe_session","session_id":"` + typeID + `"}`:                `{"type":"session_subscribed","payload":{"session_id":"` + typeID + `"}}`,
		`{"action":"subscribe_session","session_id":"` + task + `"}`:                  `{"type":"session_subscribed","payload":{"session_id":"` + task + `"}}`,
		`{"action":"subscribe_session","session_id":"` + uuid + `"}`:                  `{"type":"session_subscribed","payload":{"session_id":"` + uuid + `"}}`,
	} {
		if got := string(chat.New().AppendReply(nil, parley.Subscribed{Request: subscribe(t, frame)})); got != want {
			t.Errorf("%s\n got %s\nwant %s", frame, got, want)
		}
	}
}

func TestOnlyWhatWasGrantedIsAcknowledged(t *testing.T) {
	granted := subscribe(t, `{"action":"subscribe","conversation_ids":["conv_01m7zf2xxwe008000000000001","01a1fef1-77c4-7000-8000-000000000009"]}`)
	granted.Conversations = granted.Conversations[1:]
	granted.Interest.Conversations = granted.Conversations
	want := `{"type":"subscribed","payload":["01a1fef1-77c4-7000-8000-000000000009"],"cursor":"c"}`
	if got := string(chat.New().AppendReply(nil, parley.Subscribed{Request: granted, Cursor: "c"})); got != want {
		t.Errorf("got %s", got)
	}
	refused := subscribe(t, `{"action":"subscribe_session","session_id":"run_01m7zf2xxye008000000000003"}`)
	refused.Interest = parley.Interest{}
	if got := chat.New().AppendReply(nil, parley.Subscribed{Request: refused}); len(got) > 0 {
		t.Errorf("a session that was refused is acknowledged: %s", got)
	}
}

func subscribe(t *testing.T, frame string) parley.Subscribe {
	t.Helper()
	c, err := chat.New().Decode([]byte(frame))
	if err != nil {
		t.Fatal(err)
	}
	return c.(parley.Subscribe)
}

// Fields of a contact are told only where they are the same for all who hear of
// the conversation.
func TestContactOfANewConversation(t *testing.T) {
	ada := parley.MemberBody{Principal: "ada", Kind: parley.KindUser, Name: "Ada"}
	robot := parley.MemberBody{Principal: "robot", Kind: parley.KindAgent, Name: "Robot"}
	nameless := parley.MemberBody{Principal: "robot", Kind: parley.KindAgent}
	for name, tc := range map[string]struct {
		body parley.ConversationBody
		want string
	}{
		"two people":                     {parley.ConversationBody{Kind: parley.KindDirect, Title: "x", Members: []parley.MemberBody{ada, ada}}, ``},
		"a person and an agent":          {parley.ConversationBody{Kind: parley.KindAgentDirect, Members: []parley.MemberBody{ada, robot}}, `,"contact_name":"Robot","contact_id":"robot"`},
		"an agent without a name":        {parley.ConversationBody{Kind: parley.KindAgentDirect, Members: []parley.MemberBody{ada, nameless}}, `,"contact_id":"robot"`},
		"members are not known":          {parley.ConversationBody{Kind: parley.KindAgentDirect}, ``},
		"a group":                        {parley.ConversationBody{Kind: parley.KindGroup, Title: "Crew"}, `,"group_name":"Crew"`},
		"a group with agents":            {parley.ConversationBody{Kind: parley.KindAgentGroup, Title: "Crew"}, `,"group_name":"Crew"`},
		"a group that has no title":      {parley.ConversationBody{Kind: parley.KindGroup}, ``},
		"a kind that is not (yet) known": {parley.ConversationBody{Kind: "tour", Title: "x"}, ``},
	} {
		for _, e := range []*parley.Event{
			{Type: parley.ConversationCreated, Conversation: dialecttest.Conversation, Body: &tc.body},
			{Type: parley.MemberJoined, Conversation: dialecttest.Conversation, Body: &parley.MemberBody{Conversation: &tc.body}},
		} {
			want := `{"type":"event","payload":{"type":"conversation.created","payload":{"conversation_id":"` +
				dialecttest.Conversation.String() + `"` + tc.want + `}}}`
			if got := string(chat.New().AppendEvent(nil, e, parley.ViewPublic)); got != want {
				t.Errorf("%s, %s\n got %s\nwant %s", name, e.Type, got, want)
			}
		}
	}
}

// What is told without asking: that a conversation, or someone in one, came or went,
// that a call rings and what becomes of it, and whatever concerns the listener alone. Whose joining or
// leaving it is hears of it alone; that a role changed has no word here.
func TestSelect(t *testing.T) {
	d := chat.New()
	unasked := []string{
		"conversation.created", "conversation.created/bare", "conversation.created/hostile", "conversation.deleted",
		"presence.changed", "presence.changed/offline", "presence.changed/away", "presence.changed/agent", "presence.changed/hostile",
		"receipt.updated/own", "call.started", "call.started/hostile",
		"call.answered", "call.declined", "call.ended", "call.ended/missed", "call.ended/no reason",
		"member.muted", "member.muted/forever", "member.unmuted", "member.archived", "member.unarchived",
		"member.hidden", "member.hidden/empty", "member.hidden/message",
		"principal.blocked", "principal.blocked/hostile", "principal.unblocked",
	}
	for _, s := range dialecttest.Events() {
		if b, ok := s.Event.Body.(*parley.MemberBody); ok && d.Speaks(s.Event.Type) {
			if !d.Select(s.Event, b.Principal, false) || d.Select(s.Event, "someone else", true) {
				t.Errorf("%s is not told to the one it is about alone", s.Name)
			}
			continue
		}
		if got := d.Select(s.Event, dialecttest.Ada, false); got != slices.Contains(unasked, s.Name) {
			t.Errorf("%s, not asked for: %t", s.Name, got)
		}
		if !d.Select(s.Event, dialecttest.Ada, true) {
			t.Errorf("%s was asked for and is not told", s.Name)
		}
	}
}

// The catalogue's payloads, field by field: what has no mark is there always, ? may be
// left out, + is ours.
func TestPayloadsAreThoseOfTheCatalogue(t *testing.T) {
	for name, want := range map[string]struct{ kind, fields string }{
		"message.created":            {"message.created", "message_id seq_num is_internal?"},
		"message.updated":            {"message.edited", "id conversation_id content_text content_meta? edit_count edited_at"},
		"typing.started":             {"typing.start", "conversation_id user_id at"},
		"typing.stopped":             {"typing.stop", "conversation_id user_id at"},
		"reaction.changed":           {"reaction.updated", "message_id user_id emoji action"},
		"presence.changed":           {"presence.updated", "user_id status status_detail?"},
		"presence.changed/agent":     {"presence.updated", "agent_id status status_detail?"},
		"conversation.created":       {"conversation.created", "conversation_id contact_name? contact_id? group_name?"},
		"conversation.deleted":       {"conversation.deleted", "conversation_id"},
		"member.muted":               {"conversation.muted", "conversation_id muted_until"},
		"member.muted/forever":       {"conversation.muted", "conversation_id muted_until"},
		"member.unmuted":             {"conversation.unmuted", "conversation_id"},
		"member.archived":            {"conversation.archived", "conversation_id archived_at"},
		"member.unarchived":          {"conversation.unarchived", "conversation_id"},
		"principal.blocked":          {"user.blocked", "user_id"},
		"principal.unblocked":        {"user.unblocked", "user_id"},
		"task.status_changed":        {"task.status_updated", "task_id status current_step? progress_narrative? agent_id?"},
		"task.status_changed/failed": {"task.status_updated", "task_id status current_step? progress_narrative? agent_id?"},
		"run.ended":                  {"task.status_updated", "task_id status current_step? progress_narrative? agent_id?"},
		"task.streamed":              {"task_stream_delta", "delta agent_id session_id"},
		"message.stream.delta":       {"task_stream_delta", "delta agent_id session_id offset+ message_id+"},
		"call.started":               {"call.started", "call_id room_name call_type conversation_id initiator_id"},
		"call.answered":              {"call.answered", "call_id conversation_id answered_by"},
		"call.ended":                 {"call.ended", "call_id conversation_id duration_seconds reason+"},
		"call.ended/no reason":       {"call.ended", "call_id conversation_id duration_seconds"},
	} {
		var frame struct {
			Type    string
			Payload struct {
				Type    string
				Payload map[string]any
			}
		}
		if err := json.Unmarshal(chat.New().AppendEvent(nil, dialecttest.Event(name), parley.ViewInternal), &frame); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if frame.Type != "event" || frame.Payload.Type != want.kind {
			t.Errorf("%s is spelled %q, %q", name, frame.Type, frame.Payload.Type)
		}
		for field := range strings.FieldsSeq(want.fields) {
			key := strings.TrimRight(field, "?+")
			if _, ok := frame.Payload.Payload[key]; !ok && !strings.HasSuffix(field, "?") {
				t.Errorf("%s lacks %s", name, key)
			}
			delete(frame.Payload.Payload, key)
		}
		if len(frame.Payload.Payload) > 0 {
			t.Errorf("%s has what the catalogue does not know: %v", name, frame.Payload.Payload)
		}
	}
}

// C25: what has no end has the one that the contract names, to the letter.
func TestMutedForever(t *testing.T) {
	frame := chat.New().AppendEvent(nil, dialecttest.Event("member.muted/forever"), parley.ViewPublic)
	if !strings.Contains(string(frame), `"muted_until":"9999-12-31T23:59:59Z"`) {
		t.Errorf("got %s", frame)
	}
}

// What is only the listener's own is not filed under a conversation.
func TestUserScopedEventsHaveNoConversationInTheEnvelope(t *testing.T) {
	for _, s := range dialecttest.Events() {
		frame := chat.New().AppendEvent(nil, s.Event, parley.ViewInternal)
		if len(frame) == 0 || s.Event.Type == parley.PresenceChanged {
			continue
		}
		var envelope struct {
			Conversation string `json:"conversation_id"`
			Payload      struct{ Type string }
		}
		if err := json.Unmarshal(frame, &envelope); err != nil {
			t.Fatal(err)
		}
		of, _, _ := strings.Cut(envelope.Payload.Type, ".")
		own := of == "conversation" || of == "user" || len(s.Event.Targets) > 0
		if own == (envelope.Conversation != "") {
			t.Errorf("%s, told as %s, is filed under %q", s.Name, envelope.Payload.Type, envelope.Conversation)
		}
	}
}
