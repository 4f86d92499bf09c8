package parley_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// That every event survives MarshalEvent and UnmarshalEvent is tested in
// dialect/dialecttest, which has samples of all of them.

func TestEventSpecsAreWhole(t *testing.T) {
	seen := map[parley.EventType]bool{}
	for _, s := range parley.EventSpecs() {
		if seen[s.Type] {
			t.Errorf("%s is listed twice", s.Type)
		}
		seen[s.Type] = true
		if s.Class < parley.Durable || s.Class > parley.Ephemeral || s.Scope < parley.ConversationScope || s.Scope > parley.ChannelScope {
			t.Errorf("%s has class %d and scope %d", s.Type, s.Class, s.Scope)
		}
		if s.Channel == "" || s.Doc == "" || s.New == nil || s.Topic.Source == "" || s.Topic.Resource == "" || s.Topic.Event == "" {
			t.Errorf("%s: something is missing in %+v", s.Type, s)
		}
		if got, ok := parley.SpecOf(s.Type); !ok || got.Doc != s.Doc {
			t.Errorf("SpecOf(%s) is %+v, %t", s.Type, got, ok)
		}
		if s.New() == s.New() {
			t.Errorf("%s: New hands out the same body twice", s.Type)
		}
	}
}

// contracts.md section 10, "Durable or not, and whose".
func TestClasses(t *testing.T) {
	want := map[parley.Class][]parley.EventType{
		parley.RunLogged: {parley.RunStarted, parley.StreamStarted, parley.StreamDelta, parley.ToolCalled, parley.ToolReturned},
		parley.Ephemeral: {parley.TypingStarted, parley.TypingStopped, parley.PresenceChanged, parley.TaskStreamed},
	}
	for _, s := range parley.EventSpecs() {
		class := parley.Durable
		for c, types := range want {
			if slices.Contains(types, s.Type) {
				class = c
			}
		}
		if s.Class != class {
			t.Errorf("%s has class %d, want %d", s.Type, s.Class, class)
		}
	}
}

func TestScopeKeysAndResource(t *testing.T) {
	conversation, event := id[parley.ConversationID](1), id[parley.EventID](9)
	for name, tc := range map[string]struct {
		event    parley.Event
		scope    parley.ScopeKind
		keys     string
		resource string
	}{
		"of a conversation": {
			parley.Event{Type: parley.MessageCreated, Conversation: conversation, Channel: "conversation", Body: &parley.MessageBody{}},
			parley.ConversationScope, "c/" + conversation.UUID(), conversation.String(),
		},
		"of a principal": {
			parley.Event{Type: parley.PresenceChanged, Channel: "conversation", Targets: []parley.PrincipalID{"ada"}, Body: &parley.PresenceBody{Principal: "bruno"}},
			parley.PrincipalScope, "p/ada", "bruno",
		},
		"of a channel": {
			parley.Event{Type: parley.SystemStatus, Channel: "system", Body: &parley.PublishedBody{}},
			parley.ChannelScope, "h/system", event.String(),
		},
		"of a channel, for two": {
			parley.Event{Type: parley.MemoryCreated, Channel: "memory", Targets: []parley.PrincipalID{"ada", "bruno"}, Body: &parley.PublishedBody{ResourceID: "mem_1"}},
			parley.ChannelScope, "p/ada p/bruno", "mem_1",
		},
		"custom": {
			parley.Event{Type: "order.shipped", Channel: "app-channel", Body: &parley.PublishedBody{ResourceID: "order_5"}},
			parley.ChannelScope, "h/app-channel", "order_5",
		},
		"custom, of a conversation": {
			parley.Event{Type: "poll.opened", Channel: "app-channel", Conversation: conversation, Body: &parley.PublishedBody{ResourceID: "poll_1"}},
			parley.ConversationScope, "c/" + conversation.UUID(), conversation.String(),
		},
	} {
		e := tc.event
		e.ID = event
		if e.Scope() != tc.scope {
			t.Errorf("%s: scope %d, want %d", name, e.Scope(), tc.scope)
		}
		if got := strings.Join(e.Keys(nil), " "); got != tc.keys {
			t.Errorf("%s: keys %s, want %s", name, got, tc.keys)
		}
		if got := e.ResourceID(); got != tc.resource {
			t.Errorf("%s: resource %s, want %s", name, got, tc.resource)
		}
	}
}

// Two releases share a bus: what an older one does not know it leaves out.
func TestUnmarshalEventIgnoresWhatItDoesNotKnow(t *testing.T) {
	e, err := parley.UnmarshalEvent([]byte(`{"id":"` + id[parley.EventID](9).String() + `","org":"org_acme","type":"typing.started","class":3,
		"time":"2026-11-21T16:30:00Z","mood":"good","body":{"principal":"ada","kind":"user","speed":9}}`))
	if err != nil {
		t.Fatal(err)
	}
	if b := e.Body.(*parley.TypingBody); b.Principal != "ada" || !e.Time.Equal(time.Date(2026, 11, 21, 16, 30, 0, 0, time.UTC)) {
		t.Errorf("read as %+v, %+v", e, b)
	}
}

// A type that another release has added is read as a custom one would be.
func TestUnmarshalEventOfAnUnknownType(t *testing.T) {
	e, err := parley.UnmarshalEvent([]byte(`{"id":"` + id[parley.EventID](9).String() + `","type":"order.shipped","class":1,"channel":"app","body":{"data":{"n":1.0}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if b := e.Body.(*parley.PublishedBody); string(b.Data) != `{"n":1.0}` {
		t.Errorf("data is %s, want it as it was", b.Data)
	}
}

func TestUnmarshalEventRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               ``,
		"half of one":           `{"id":"`,
		"an id of another kind": `{"id":"msg_01h455vb4pex5vsknk084sn02q","type":"typing.started","body":{}}`,
		"no body":               `{"type":"typing.started"}`,
		"a body of another":     `{"type":"message.stream.delta","body":{"offset":"three"}}`,
	} {
		if e, err := parley.UnmarshalEvent([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", name, e)
		}
	}
}

func TestRawJSON(t *testing.T) {
	buf := []byte(`{"b":1.0,"a":[]}`)
	var r parley.RawJSON
	if err := json.Unmarshal(buf, &r); err != nil {
		t.Fatal(err)
	}
	buf[2] = 'x'
	if string(r) != `{"b":1.0,"a":[]}` {
		t.Errorf("kept %s: not a copy, or not as it was", r)
	}
	for want, r := range map[string]parley.RawJSON{"null": nil, `{"b":1.0}`: parley.RawJSON(`{"b":1.0}`)} {
		if got, err := json.Marshal(r); string(got) != want || err != nil {
			t.Errorf("written %s, error %v, want %s", got, err, want)
		}
	}
}
