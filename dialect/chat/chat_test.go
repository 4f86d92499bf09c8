package chat_test

import (
	"slices"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/chat"
	"github.com/parley-chat/parley/dialect/dialecttest"
)

// A client may look for the very strings it sent in the acknowledgement.
func TestSubscriptionsAreAcknowledgedAsTheyWereSpelled(t *testing.T) {
	const typeID, uuid = "conv_01m7zf2xxwe008000000000001", "01a1fef1-77c4-7000-8000-000000000009"
	for frame, want := range map[string]string{
		`{"action":"subscribe","conversation_ids":["` + typeID + `"]}`:                `{"type":"subscribed","payload":["` + typeID + `"]}`,
		`{"action":"subscribe","conversation_ids":["` + typeID + `","` + uuid + `"]}`: `{"type":"subscribed","payload":["` + typeID + `","` + uuid + `"]}`,
		`{"action":"subscribe","conversation_ids":[]}`:                                `{"type":"subscribed","payload":[]}`,
		`{"action":"subscribe_session","session_id":"` + typeID + `"}`:                `{"type":"session_subscribed","payload":{"session_id":"` + typeID + `"}}`,
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

// That a conversation, or someone in one, came or went is told without asking; whose joining or
// leaving it is hears of it alone.
func TestSelect(t *testing.T) {
	d := chat.New()
	unasked := []parley.EventType{parley.ConversationCreated, parley.ConversationDeleted, parley.PresenceChanged}
	for _, s := range dialecttest.Events() {
		if b, ok := s.Event.Body.(*parley.MemberBody); ok {
			if !d.Select(s.Event, b.Principal, false) || d.Select(s.Event, "someone else", true) {
				t.Errorf("%s is not told to the one it is about alone", s.Name)
			}
			continue
		}
		if got := d.Select(s.Event, dialecttest.Ada, false); got != slices.Contains(unasked, s.Event.Type) {
			t.Errorf("%s, not asked for: %t", s.Name, got)
		}
		if !d.Select(s.Event, dialecttest.Ada, true) {
			t.Errorf("%s was asked for and is not told", s.Name)
		}
	}
}
