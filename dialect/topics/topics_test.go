package topics_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/dialecttest"
	"github.com/parley-chat/parley/dialect/topics"
)

// hostile are frames that are wrong on this surface only.
var hostile = dialecttest.Options{Hostile: []string{
	`{"op":"auth"}`,
	`{"op":"auth","token":""}`,
	`{"op":"auth","token":["t"]}`,
	`{"op":"auth","token":"t","cursor":7}`,
	`{"op":"resume"}`,
	`{"op":"resume","subscriptions":{}}`,
	`{"op":"resume","subscriptions":[null]}`,
	`{"op":"resume","subscriptions":[[]]}`,
	`{"op":"resume","subscriptions":[{"id":"a","topics":["x"]},{"id":"b"}]}`,
	`{"op":"subscribe"}`,
	`{"op":"subscribe","id":"a","topics":"events.*.*.*.*.*"}`,
	`{"op":"subscribe","id":"a","topics":["events.*.*.*.*.*",null]}`,
	`{"op":"subscribe","id":{},"topics":["events.*.*.*.*.*"]}`,
	`{"op":"unsubscribe"}`,
	`{"op":"unsubscribe","id":1}`,
	`{"OP":"ping"}`,
	`{"op":"publish"}`,
	`{"op":"publish","source":"shop","name":""}`,
	`{"op":"publish","source":{},"name":"order.shipped"}`,
	`{"op":"publish","source":"shop","name":"order.shipped","payload":[]}`,
	`{"op":"publish","source":"shop","name":"order.shipped","targets":[null]}`,
	`{"op":"publish","source":"shop","name":"order.shipped","resource_id":"a","payload":{"id":null}}`,
	`{"op":"publish","source":"shop","name":"order.shipped","resource_id":{}}`,
}}

func TestDialect(t *testing.T) { dialecttest.Run(t, topics.New(), hostile) }

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, topics.New(), hostile) }

func BenchmarkEncode(b *testing.B) { dialecttest.Bench(b, topics.New()) }

func BenchmarkDecode(b *testing.B) {
	for name, frame := range map[string]string{
		"subscribe": `{"op":"subscribe","id":"a","topics":["events.org_acme.conversations.conversation.message_posted.*"]}`,
		"publish": `{"op":"publish","source":"bench","name":"cursor.moved","payload":{"conversation_id":"` +
			dialecttest.Conversation.String() + `","text":"` + strings.Repeat("x", 195) + `"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			d := topics.New()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode([]byte(frame)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a frame says an event's topic is, what the spelling table says, and what
// patterns are matched against must be one thing.
func TestTopicsAreThoseThatPatternsMatch(t *testing.T) {
	names := topics.New().(dialecttest.Namer).Names()
	for _, spec := range parley.EventSpecs() {
		want := spec.Topic.Source + "." + spec.Topic.Resource + "." + spec.Topic.Event
		if spec.Type == parley.TaskStatusChanged {
			want = "tasks.task.{status}"
		}
		if names[spec.Type] != want {
			t.Errorf("%s is spelled %q here, %q in parley.EventSpecs", spec.Type, names[spec.Type], want)
		}
	}
	for _, s := range dialecttest.Events() {
		var frame struct {
			Topic string
			Event struct{ OrganizationID, Source, Resource, EventName, ResourceID string }
		}
		if err := json.Unmarshal(topics.New().AppendEvent(nil, s.Event, parley.ViewInternal), &frame); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		topic := parley.TopicOf(s.Event)
		if frame.Topic != topic.String() {
			t.Errorf("%s: the frame's topic is %s, the event's %s", s.Name, frame.Topic, topic)
		}
		e := frame.Event
		if got := (parley.Topic{Org: parley.OrgID(e.OrganizationID), Source: e.Source, Resource: e.Resource, Event: e.EventName, ResourceID: e.ResourceID}); got != topic {
			t.Errorf("%s: the frame's fields are %+v, the event's topic %+v", s.Name, got, topic)
		}
		command, err := topics.New().Decode(subscribe(t, frame.Topic))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if p := command.(parley.Subscribe).Interest.Patterns[0]; !p.Matches(&topic, s.Event) {
			t.Errorf("%s: a client that subscribes to %s does not hear it", s.Name, frame.Topic)
		}
	}
}

// C26: both spellings of an id are accepted, and mean the same.
func TestPatternsTakeBothSpellingsOfAnID(t *testing.T) {
	message, stream := dialecttest.Event("message.created"), dialecttest.Event("message.stream.delta")
	started, custom := dialecttest.Event("run.started"), dialecttest.Event("order.shipped")
	conversation := dialecttest.Conversation.UUID()
	for pattern, tc := range map[string]struct {
		event *parley.Event
		heard bool
	}{
		"events.org_acme.conversations.conversation.message_posted." + conversation:                              {message, true},
		"events.*.*.conversation.*." + conversation:                                                              {message, true},
		"events.*.flows.flow.run." + conversation:                                                                {started, true},
		"events.*.*.*.*.*.conversation." + conversation:                                                          {message, true},
		"events.*.*.*.*.*.message." + dialecttest.MessageID.UUID() + ".run." + dialecttest.RunID.UUID():          {stream, true},
		"events.*.*.*.*.*.run." + dialecttest.RunID.String():                                                     {stream, true},
		"events.*.tasks.task.running." + dialecttest.TaskID.UUID():                                               {dialecttest.Event("task.status_changed"), true},
		"events.*.tasks.task.completed." + dialecttest.TaskID.UUID():                                             {dialecttest.Event("task.status_changed"), false},
		"events.*.*.*.*.*.task." + dialecttest.TaskID.UUID():                                                     {dialecttest.Event("task.streamed"), true},
		"events.*.conversations.conversation.muted." + conversation:                                              {dialecttest.Event("member.muted"), true},
		"events.*.*.conversation.*." + parley.ConversationID(dialecttest.UUID(50)).UUID():                        {message, false},
		"events.*.*.order.*." + conversation:                                                                     {custom, false},
		"events.*.*.*.*.*.participant." + string(dialecttest.Robot) + ".message." + dialecttest.MessageID.UUID(): {message, false},
	} {
		command, err := topics.New().Decode(subscribe(t, pattern))
		if err != nil {
			t.Fatal(err)
		}
		p := command.(parley.Subscribe).Interest.Patterns[0]
		if p.Text != pattern {
			t.Errorf("the pattern's text was %s and is %s", pattern, p.Text)
		}
		if topic := parley.TopicOf(tc.event); p.Matches(&topic, tc.event) != tc.heard {
			t.Errorf("%s: hears %s: %t, want %t", pattern, topic, !tc.heard, tc.heard)
		}
	}
}

// A bad pattern is refused alone; the others of the frame stand.
func TestABadPatternIsLeftUnparsed(t *testing.T) {
	command, err := topics.New().Decode(subscribe(t, "events.org_acme.>", "events.*.*.*.*.*", "", "events.a.b.c.d.%zz"))
	if err != nil {
		t.Fatal(err)
	}
	patterns := command.(parley.Subscribe).Interest.Patterns
	if len(patterns) != 4 {
		t.Fatalf("%d patterns, want all 4", len(patterns))
	}
	for i, p := range patterns {
		parsed := p.Segments != [5]string{} || p.Any != [5]bool{}
		if parsed != (i == 1) {
			t.Errorf("%q: parsed %t", p.Text, parsed)
		}
	}
}

// The error frame of a subscribe that cannot be read names it all the same.
func TestErrorsEchoTheID(t *testing.T) {
	d := topics.New()
	for _, frame := range []string{
		`{"op":"subscribe","id":"mine"}`,
		`{"op":"subscribe","id":"mine","topics":[]}`,
		`{"op":"subscribe","id":"mine","topics":[7]}`,
	} {
		command, err := d.Decode([]byte(frame))
		var e *parley.Error
		if !errors.As(err, &e) || e.Field != "topics" {
			t.Fatalf("%s: error %v", frame, err)
		}
		var reply struct{ Op, ID, Code string }
		if err := json.Unmarshal(d.AppendReply(nil, parley.Failure{Err: e, Command: command}), &reply); err != nil {
			t.Fatal(err)
		}
		if reply.Op != "error" || reply.ID != "mine" || reply.Code != "INVALID_FORMAT" {
			t.Errorf("%s: answered with %+v", frame, reply)
		}
	}
}

func subscribe(t *testing.T, patterns ...string) []byte {
	t.Helper()
	frame, err := json.Marshal(map[string]any{"op": "subscribe", "id": "a", "topics": patterns})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}
