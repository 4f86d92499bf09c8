package engine

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// Bounds of what is published, in bytes.
const (
	maxEventType  = 128
	maxChannel    = 64
	maxResourceID = 256
)

// reservedNouns begin the types that commands of their own cause, here or in the
// spelling of a surface; nobody publishes them (design.md section 10). The nouns
// of built-in published types are among them: what the table does not list is not
// a memory, offering or system event.
var reservedNouns = map[string]bool{
	"message": true, "conversation": true, "member": true, "typing": true, "run": true, "tool": true,
	"reaction": true, "receipt": true, "presence": true, "approval": true, "principal": true,
	"call": true, "notification": true, "memory": true, "offering": true, "system": true,
}

// publishing is a PublishEvent that was validated.
type publishing struct {
	parley.PublishEvent
	conversation parley.ConversationID // from the data; zero for none
	resource     string
	owner        parley.PrincipalID // of a memory item, from the data
}

func (e *Engine) checkPublish(p *parley.Principal, cmd parley.PublishEvent) (*publishing, error) {
	pub := &publishing{PublishEvent: cmd}
	if err := checkName("type", string(cmd.Type), maxEventType); err != nil {
		return nil, err
	}
	if err := pub.checkType(p); err != nil {
		return nil, err
	}
	targets, err := checkPrincipals("targets", cmd.Targets, e.cfg.Limits.MembersPerCall)
	if err := firstError(err,
		checkName("channel", pub.Channel, maxChannel),
		checkText("idempotency_key", cmd.IdempotencyKey, maxID),
		pub.checkData(e.cfg.Limits.FrameBytes)); err != nil {
		return nil, err
	}
	pub.Targets = targets
	if len(targets) == 0 && pub.owner != "" && pub.Channel == parley.ChannelMemory {
		pub.Targets = []parley.PrincipalID{pub.owner}
	}
	return pub, nil
}

// checkType tells whether the caller may publish the type on the channel, and
// fills in the channel of a built-in type.
func (pub *publishing) checkType(p *parley.Principal) error {
	spec, builtIn := parley.SpecOf(pub.Type)
	switch {
	case builtIn && spec.Scope == parley.ChannelScope:
		if pub.Channel == "" {
			pub.Channel = spec.Channel
		}
		if pub.Channel != spec.Channel {
			return invalid("channel", "%s belongs on the channel %s", pub.Type, spec.Channel)
		}
	case builtIn || isReserved(pub.Type):
		return notForPublishing("type", string(pub.Type), "types of this kind are the server's own")
	case isSource(pub.Channel):
		return notForPublishing("channel", "the channel "+pub.Channel, "its name is that of the server's own events; choose another")
	}
	switch pub.Channel {
	case parley.ChannelMemory, parley.ChannelOffering, parley.ChannelSystem:
		if !p.Can(parley.ScopeSystemPublish) {
			return parley.Errorf(parley.CodeForbidden, "the scope %s is needed", parley.ScopeSystemPublish)
		}
	}
	return nil
}

// notForPublishing tells of a reserved name (docs/reference/publishing.md).
func notForPublishing(field, what, why string) error {
	return &parley.Error{Code: parley.CodeForbidden, Message: what + " is not for publishing: " + why, Field: field}
}

func isReserved(t parley.EventType) bool {
	noun, _, _ := strings.Cut(strings.ToLower(string(t)), ".")
	return reservedNouns[noun]
}

// isSource reports whether a channel is the source in the topics of built-in
// events without being their channel. A custom event on it would be heard under
// their topics: a forgery while it is live, and missing from replays, which look
// for what such topics name by the built-in channel.
func isSource(channel string) bool { return sources[channel] }

var sources = func() map[string]bool {
	all := map[string]bool{}
	for _, spec := range parley.EventSpecs() {
		all[spec.Topic.Source] = true
	}
	for _, spec := range parley.EventSpecs() {
		delete(all, spec.Channel)
	}
	return all
}()

// checkName holds types and channels to letters, digits, `_`, `-` and single dots
// between them.
func checkName(field, s string, limit int) error {
	if s == "" || len(s) > limit {
		return invalid(field, "%s must have 1 to %d characters", field, limit)
	}
	for i := range len(s) {
		c := s[i]
		plain := c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		dot := c == '.' && i > 0 && i < len(s)-1 && s[i-1] != '.'
		if !plain && !dot {
			return invalid(field, "%s may hold letters, digits, _, - and single dots between them", field)
		}
	}
	return nil
}

// checkData compacts the data and reads from it what the event is about.
func (pub *publishing) checkData(limit int) error {
	if len(pub.Data) == 0 {
		pub.Data = parley.RawJSON("{}")
	}
	if len(pub.Data) > limit {
		return &parley.Error{Code: parley.CodeTooLarge, Message: fmt.Sprintf("data is longer than %d bytes", limit), Field: "data"}
	}
	var conversation []byte
	compact, err := jsonr.Each(pub.Data, func(key string, value []byte) { // of repeated fields the last counts
		switch key {
		case "id":
			pub.resource = shortText(value, maxResourceID)
		case "created_by":
			pub.owner = parley.PrincipalID(shortText(value, maxID))
		case "conversation_id":
			conversation = value
		}
	})
	if err != nil || !utf8.Valid(pub.Data) {
		return invalid("data", "data must be a JSON object")
	}
	if !compact {
		pub.Data = jsonr.Compact(make([]byte, 0, len(pub.Data)), pub.Data)
	}
	if conversation == nil {
		return nil
	}
	text, _ := jsonr.String(conversation)
	if pub.conversation, err = parley.ParseConversationID(text); err != nil {
		return invalid("data.conversation_id", "data.conversation_id is not a conversation's id")
	}
	return nil
}

// shortText is the string that a JSON value is; empty where it is none, or too
// long.
func shortText(value []byte, limit int) string {
	if s, ok := jsonr.String(value); ok && len(s) <= limit {
		return s
	}
	return ""
}
