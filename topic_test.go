package parley_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
)

func message(sender parley.PrincipalID) *parley.Event {
	return &parley.Event{
		ID: id[parley.EventID](9), Org: "org_acme", Type: parley.MessageCreated, Class: parley.Durable,
		Actor: sender, Conversation: id[parley.ConversationID](1), Channel: parley.ChannelConversation,
		Body: &parley.MessageBody{Message: parley.Message{ID: id[parley.MessageID](2), Sender: sender}},
	}
}

func TestTopicOf(t *testing.T) {
	conversation := id[parley.ConversationID](1).String()
	published := func(typ parley.EventType, channel, resource string) *parley.Event {
		return &parley.Event{
			ID: id[parley.EventID](9), Org: "org_acme", Type: typ, Channel: channel,
			Body: &parley.PublishedBody{ResourceID: resource},
		}
	}
	task := id[parley.TaskID](4)
	about := func(typ parley.EventType, body parley.Body) *parley.Event {
		e := &parley.Event{ID: id[parley.EventID](9), Org: "org_acme", Type: typ, Body: body}
		if spec, _ := parley.SpecOf(typ); spec.Scope == parley.ConversationScope {
			e.Conversation = id[parley.ConversationID](1)
		}
		return e
	}
	own := about(parley.ReceiptUpdated, &parley.ReceiptBody{Conversation: id[parley.ConversationID](1)})
	own.Conversation = parley.ConversationID{} // told to the member alone
	for want, e := range map[string]*parley.Event{
		"events.org_acme.tasks.task.completed." + task.String():                              about(parley.TaskStatusChanged, &parley.TaskBody{Task: task, Status: parley.TaskCompleted}),
		"events.org_acme.tasks.task.streamed." + task.String():                               about(parley.TaskStreamed, &parley.TaskDeltaBody{Task: task}),
		"events.org_acme.accounts.account.blocked.user_bruno":                                about(parley.PrincipalBlocked, &parley.BlockBody{Blocked: "user_bruno"}),
		"events.org_acme.conversations.conversation.muted." + conversation:                   about(parley.MemberMuted, &parley.MemberStateBody{Conversation: id[parley.ConversationID](1)}),
		"events.org_acme.conversations.conversation.receipt_updated." + conversation:         own,
		"events.org_acme.conversations.conversation.message_posted." + conversation:          message("user_ada"),
		"events.org_acme.memory.item.created.mem_1":                                          published(parley.MemoryCreated, parley.ChannelMemory, "mem_1"),
		"events.org_acme.app-channel.order.shipped.order_5":                                  published("order.shipped", "app-channel", "order_5"),
		"events.org_acme.app-channel.order.shipped%2Elate.order_5":                           published("order.shipped.late", "app-channel", "order_5"),
		"events.org_acme.app-channel.custom.heartbeat." + id[parley.EventID](9).String():     published("heartbeat", "app-channel", ""),
		"events.org_acme.app%20channel.order.shipped.a%2Eb%2A%3E%25%C3%A9":                   published("order.shipped", "app channel", "a.b*>%é"),
		"events.org_acme.system.system.maintenance." + id[parley.EventID](9).String():        published(parley.SystemMaintenance, parley.ChannelSystem, ""),
		"events.org_acme.offerings.offering.status_change." + id[parley.EventID](9).String(): published(parley.OfferingStatusChange, parley.ChannelOffering, ""),
	} {
		if got := parley.TopicOf(e).String(); got != want {
			t.Errorf("the topic of %s is %s, want %s", e.Type, got, want)
		}
	}
}

func TestPatternMatches(t *testing.T) {
	conversation := id[parley.ConversationID](1).String()
	for _, tc := range []struct {
		pattern string
		heard   bool
	}{
		{"events.org_acme.conversations.conversation.message_posted.*", true},
		{"events.org_acme.conversations.conversation.message_posted." + conversation, true},
		{"events.*.conversations.conversation.message_posted.*", true},
		{"events.*.*.*.*.*", true},
		{"events.org%5Facme.*.*.*.*", true}, // an escape that was not needed means the same
		{"events.org_other.conversations.conversation.message_posted.*", false},
		{"events.org_acme.conversations.conversation.message_updated.*", false},
		{"events.org_acme.conversations.conversation.message_posted.conv_456", false},
		{"events.ORG_ACME.*.*.*.*", false},

		{"events.*.*.*.*.*.participant.user_ada", true},
		{"events.*.*.*.*.*.participant.user_bruno", false},
		{"events.*.*.*.*.*.participant.*", true},
		{"events.*.*.*.*.*.actor.user_ada.conversation." + conversation, true},
		{"events.*.*.*.*.*.actor.user_ada.conversation.conv_456", false}, // all pairs must hold
		{"events.*.*.*.*.*.channel.conversation", true},
		{"events.*.*.*.*.*.tool.*", false}, // a message has no tool
		{"events.*.*.*.*.*.colour.*", false},
	} {
		p, err := parley.ParsePattern(tc.pattern)
		if err != nil {
			t.Fatalf("%s: %v", tc.pattern, err)
		}
		e := message("user_ada")
		topic := parley.TopicOf(e)
		if p.Matches(&topic, e) != tc.heard {
			t.Errorf("%s hears %s: %t, want %t", tc.pattern, topic, !tc.heard, tc.heard)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for name, pattern := range map[string]string{
		"nothing":                    "",
		"five segments":              "events.o.s.r.e",
		"another beginning":          "topics.o.s.r.e.id",
		"the rest of NATS, >":        "events.o.s.r.e.>",
		"> in the place of several":  "events.>",
		"> with others":              "events.o.s.r.e.a>",
		"* with others":              "events.o.s.r.e.a*",
		"an empty segment":           "events.o..r.e.id",
		"an empty last segment":      "events.o.s.r.e.",
		"a bare byte":                "events.o.s.r.e.a b",
		"a bare letter beyond ASCII": "events.o.s.r.e.é",
		"half an escape":             "events.o.s.r.e.a%2",
		"an escape that is not hex":  "events.o.s.r.e.%zz",
		"half a pair":                "events.o.s.r.e.id.key",
		"an empty key":               "events.o.s.r.e.id..v",
		"any key":                    "events.o.s.r.e.id.*.v",
		"an empty value":             "events.o.s.r.e.id.k.",
		"too long":                   "events.o.s.r.e." + strings.Repeat("a", parley.MaxPattern),
	} {
		if p, err := parley.ParsePattern(pattern); !errors.Is(err, parley.ErrBadPattern) {
			t.Errorf("%s: %.40s is read as %+v, error %v", name, pattern, p, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	run, msg, task := id[parley.RunID](3), id[parley.MessageID](2), id[parley.TaskID](4)
	event := func(body parley.Body) *parley.Event { return &parley.Event{Body: body} }
	for _, tc := range []struct {
		event      *parley.Event
		key, value string
	}{
		{message("user_ada"), "message", msg.String()},
		{event(&parley.TypingBody{Principal: "user_ada"}), "participant", "user_ada"},
		{event(&parley.MemberBody{Principal: "user_ada"}), "participant", "user_ada"},
		{event(&parley.ConversationBody{Status: parley.StatusClosed}), "status", "closed"},
		{event(&parley.RunBody{Run: run, Message: msg, Agent: "robot", Status: parley.RunFailed}), "status", "failed"},
		{event(&parley.RunBody{Run: run, Message: msg, Agent: "robot"}), "participant", "robot"},
		{event(&parley.DeltaBody{Run: run, Message: msg, Agent: "robot"}), "run", run.String()},
		{event(&parley.ToolBody{Run: run, Tool: "calendar"}), "tool", "calendar"},
		{event(&parley.ReactionBody{Message: msg, Principal: "user_ada"}), "participant", "user_ada"},
		{event(&parley.ReactionBody{Message: msg, Principal: "user_ada"}), "message", msg.String()},
		{event(&parley.ReceiptBody{Principal: "user_ada"}), "participant", "user_ada"},
		{event(&parley.TaskBody{Task: task, Agent: "robot", Status: parley.TaskFailed}), "task", task.String()},
		{event(&parley.TaskBody{Task: task, Agent: "robot", Status: parley.TaskFailed}), "status", "failed"},
		{event(&parley.TaskDeltaBody{Task: task, Agent: "robot"}), "participant", "robot"},
		{event(&parley.CallBody{Initiator: "user_ada"}), "participant", "user_ada"},
		{event(&parley.CallBody{Initiator: "user_ada", Principal: "user_bruno"}), "participant", "user_bruno"},
		{event(&parley.PublishedBody{}), "participant", ""},
		{event(&parley.PublishedBody{}), "conversation", ""},
		{event(&parley.PublishedBody{}), "actor", ""},
	} {
		value, ok := tc.event.Attribute(tc.key)
		if value != tc.value || ok != (tc.value != "") {
			t.Errorf("%s of %T is %q, %t; want %q", tc.key, tc.event.Body, value, ok, tc.value)
		}
	}
}

// The matcher against a naive one that knows nothing of segments: it compares
// the escaped texts, piece by piece.
func TestMatchAgreesWithTheText(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "a.b", "*", ">", "%", "é", "a b", "_-", "\x00", "A"})
	rapid.Check(t, func(t *rapid.T) {
		topic := parley.Topic{
			Org: parley.OrgID(segment.Draw(t, "org")), Source: segment.Draw(t, "source"),
			Resource: segment.Draw(t, "resource"), Event: segment.Draw(t, "event"), ResourceID: segment.Draw(t, "id"),
		}
		pieces := []string{"events"}
		for range 5 {
			if rapid.Bool().Draw(t, "any") {
				pieces = append(pieces, "*")
			} else {
				pieces = append(pieces, string(parley.AppendSegment(nil, segment.Draw(t, "segment"))))
			}
		}
		text := strings.Join(pieces, ".")
		p, err := parley.ParsePattern(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got, want := p.Matches(&topic, &parley.Event{}), naiveMatch(pieces, topic.String()); got != want {
			t.Fatalf("%s and %s: %t, the texts say %t", text, topic, got, want)
		}
	})
}

func naiveMatch(pattern []string, topic string) bool {
	pieces := strings.Split(topic, ".")
	if len(pieces) != len(pattern) {
		return false
	}
	for i, p := range pattern {
		if p != "*" && p != pieces[i] {
			return false
		}
	}
	return true
}

// What is read as a pattern is one: written again from its parts, escaped, it
// reads the same, and it never hears more than its own org.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"events.org_123.conversations.conversation.message_posted.*",
		"events.org_123.conversations.conversation.message_posted.conv_456",
		"events.org_123.conversations.conversation.message_posted.*.participant.part_789",
		"events.*.*.*.*.*.a.*.b.c", "events.o.s.r.e.%2A", "events.o.s.r.e.%2e%25", "events.o.s.r.e.>", "events......",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parley.ParsePattern(text)
		if err != nil {
			if !errors.Is(err, parley.ErrBadPattern) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again := write(p)
		q, err := parley.ParsePattern(again)
		if err != nil {
			if len(again) > parley.MaxPattern {
				return
			}
			t.Fatalf("%q is written as %q: %v", text, again, err)
		}
		if p.Segments != q.Segments || p.Any != q.Any || write(q) != again {
			t.Fatalf("%q reads %+v, written again %q reads %+v", text, p, again, q)
		}
		own := parley.Topic{Org: parley.OrgID(p.Segments[0]), Source: p.Segments[1], Resource: p.Segments[2], Event: p.Segments[3], ResourceID: p.Segments[4]}
		bare := p
		bare.Tail = nil
		if !bare.Matches(&own, &parley.Event{}) {
			t.Fatalf("%q does not match its own segments", text)
		}
		if own.Org += "x"; !p.Any[0] && bare.Matches(&own, &parley.Event{}) {
			t.Fatalf("%q hears another org", text)
		}
	})
}

func write(p parley.Pattern) string {
	out := []byte("events")
	piece := func(anything bool, s string) {
		out = append(out, '.')
		if anything {
			out = append(out, '*')
		} else {
			out = parley.AppendSegment(out, s)
		}
	}
	for i, s := range p.Segments {
		piece(p.Any[i], s)
	}
	for _, f := range p.Tail {
		piece(false, f.Key)
		piece(f.AnyValue, f.Value)
	}
	return string(out)
}

func BenchmarkPatternMatches(b *testing.B) {
	p, err := parley.ParsePattern("events.org_acme.conversations.conversation.message_posted.*.participant.user_ada")
	if err != nil {
		b.Fatal(err)
	}
	e := message("user_ada")
	topic := parley.TopicOf(e)
	b.ReportAllocs()
	for b.Loop() {
		if !p.Matches(&topic, e) {
			b.Fatal("no match")
		}
	}
}
