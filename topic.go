package parley

import (
	"errors"
	"strings"
)

// TopicName is the fixed part of a topic that an event type has.
type TopicName struct{ Source, Resource, Event string }

// CustomTopic is the topic name of a custom event: source is its channel, and
// resource and event are its type split at the first dot; a type without a dot
// has the resource "custom" (contracts.md section 10).
func CustomTopic(channel, eventType string) TopicName {
	resource, event, ok := strings.Cut(eventType, ".")
	if !ok {
		resource, event = "custom", eventType
	}
	return TopicName{channel, resource, event}
}

// Topic is the six segments of `events.{org}.{source}.{resource}.{event}.{resourceId}`,
// unescaped; the first, "events", is implied.
type Topic struct {
	Org                     OrgID
	Source, Resource, Event string
	ResourceID              string
}

// TopicOf is the topic an event is heard under.
func TopicOf(e *Event) Topic {
	name := e.Spec().Topic
	if b, ok := e.Body.(*TaskBody); ok {
		name.Event = string(b.Status)
	}
	return Topic{e.Org, name.Source, name.Resource, name.Event, e.ResourceID()}
}

// Append appends the topic's text to dst, each segment escaped.
func (t Topic) Append(dst []byte) []byte {
	dst = append(dst, "events"...)
	for _, s := range t.segments() {
		dst = append(dst, '.')
		dst = AppendSegment(dst, s)
	}
	return dst
}

// String is the topic's text, each segment escaped.
func (t Topic) String() string { return string(t.Append(nil)) }

func (t Topic) segments() [5]string {
	return [5]string{string(t.Org), t.Source, t.Resource, t.Event, t.ResourceID}
}

// AppendSegment appends one segment of a topic: every byte that is not a letter,
// a digit, `_` or `-` is percent-encoded (design.md section 5).
func AppendSegment(dst []byte, s string) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; plainSegmentByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

func plainSegmentByte(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Pattern is a topic in which any segment may be `*`, exactly one segment, with
// an optional tail of filter pairs `.{key}.{value}`.
type Pattern struct {
	// Text is the pattern as it was written.
	Text string
	// Segments are org, source, resource, event and resource id, unescaped; Any
	// marks the ones that are `*`, whose text is then empty.
	Segments [5]string
	Any      [5]bool
	// Tail are filters on the event's attributes: all must hold. Nil for none.
	Tail []TailFilter
}

// TailFilter is one filter pair of a pattern: the event's attribute Key must
// have the value Value, or any value where AnyValue is set.
type TailFilter struct {
	Key, Value string
	AnyValue   bool
}

// ErrBadPattern says that a topic pattern does not follow the grammar; the
// wrapping error says where.
var ErrBadPattern = errors.New("not a valid topic pattern")

// MaxPattern bounds a pattern's text in bytes.
const MaxPattern = 1024

// ParsePattern reads a pattern. `>` is refused, as are empty segments, an odd
// tail, a bare byte that a segment must escape, and anything longer than
// MaxPattern.
func ParsePattern(text string) (Pattern, error) {
	p := Pattern{Text: text}
	bad := func(why string) (Pattern, error) {
		return Pattern{}, errors.Join(ErrBadPattern, errors.New(why))
	}
	if len(text) > MaxPattern {
		return bad("it is too long")
	}
	parts := strings.Split(text, ".")
	if len(parts) < 6 || parts[0] != "events" {
		return bad("it must be events.{org}.{source}.{resource}.{event}.{resourceId}")
	}
	for i, part := range parts[1:6] {
		if part == "*" {
			p.Any[i] = true
			continue
		}
		s, ok := parseSegment(part)
		if !ok {
			return bad("a segment is empty or not percent-encoded")
		}
		p.Segments[i] = s
	}
	tail := parts[6:]
	if len(tail)%2 != 0 {
		return bad("the filter tail must be pairs of key and value")
	}
	for ; len(tail) > 0; tail = tail[2:] {
		key, ok := parseSegment(tail[0])
		if !ok {
			return bad("a filter key is empty or not percent-encoded")
		}
		f := TailFilter{Key: key, AnyValue: tail[1] == "*"}
		if !f.AnyValue {
			if f.Value, ok = parseSegment(tail[1]); !ok {
				return bad("a filter value is empty or not percent-encoded")
			}
		}
		p.Tail = append(p.Tail, f)
	}
	return p, nil
}

func parseSegment(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case plainSegmentByte(c):
			out = append(out, c)
		case c == '%' && i+2 < len(s):
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			out = append(out, hi<<4|lo)
			i += 2
		default:
			return "", false
		}
	}
	return string(out), true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// Matches reports whether the event's topic fits the six segments and its
// attributes the tail.
func (p *Pattern) Matches(t *Topic, e *Event) bool {
	for i, s := range t.segments() {
		if !p.Any[i] && p.Segments[i] != s {
			return false
		}
	}
	for _, f := range p.Tail {
		if !f.holds(e) {
			return false
		}
	}
	return true
}

func (f *TailFilter) holds(e *Event) bool {
	value, ok := e.Attribute(f.Key)
	return ok && (f.AnyValue || value == f.Value)
}

// Attribute returns what a filter tail may ask about: actor, conversation,
// channel, and on the facts that have them participant (who sent, reacted, read,
// typed, joined, answers, or came and went), message, run, task, status, tool.
func (e *Event) Attribute(key string) (string, bool) {
	switch key {
	case "actor":
		return string(e.Actor), e.Actor != ""
	case "conversation":
		return e.Conversation.String(), !e.Conversation.IsZero()
	case "channel":
		return e.Channel, e.Channel != ""
	}
	var participant PrincipalID
	var message MessageID
	var run RunID
	var task TaskID
	var status, tool string
	switch b := e.Body.(type) {
	case *MessageBody:
		participant, message = b.Sender, b.ID
	case *ReactionBody:
		participant, message = b.Principal, b.Message
	case *ReceiptBody:
		participant = b.Principal
	case *TypingBody:
		participant = b.Principal
	case *PresenceBody:
		participant, status = b.Principal, string(b.Status)
	case *MemberBody:
		participant = b.Principal
	case *ConversationBody:
		status = string(b.Status)
	case *RunBody:
		participant, message, run, status = b.Agent, b.Message, b.Run, string(b.Status)
	case *DeltaBody:
		participant, message, run = b.Agent, b.Message, b.Run
	case *ToolBody:
		participant, message, run, tool = b.Agent, b.Message, b.Run, b.Tool
	case *TaskBody:
		participant, task, status = b.Agent, b.Task, string(b.Status)
	case *TaskDeltaBody:
		participant, task = b.Agent, b.Task
	case *CallBody:
		if participant = b.Principal; participant == "" {
			participant = b.Initiator
		}
	}
	var value string
	switch key {
	case "participant":
		value = string(participant)
	case "message":
		value = message.String()
	case "run":
		value = run.String()
	case "task":
		value = task.String()
	case "status":
		value = status
	case "tool":
		value = tool
	}
	return value, value != ""
}
