package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley"
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
		return parley.Errorf(parley.CodeForbidden, "%s is not for publishing", pub.Type)
	case isSource(pub.Channel):
		return parley.Errorf(parley.CodeForbidden, "the channel %s is not for publishing", pub.Channel)
	}
	switch pub.Channel {
	case parley.ChannelMemory, parley.ChannelOffering, parley.ChannelSystem:
		if !p.Can(parley.ScopeSystemPublish) {
			return parley.Errorf(parley.CodeForbidden, "the scope %s is needed", parley.ScopeSystemPublish)
		}
	}
	return nil
}

func isReserved(t parley.EventType) bool {
	noun, _, _ := strings.Cut(strings.ToLower(string(t)), ".")
	return reservedNouns[noun]
}

// isSource reports whether a channel is the source in the topics of built-in
// events without being their channel. A custom event on it would be heard under
// their topics: a forgery while it is live, and missing from replays, which look
// for what such topics name by the built-in channel.
func isSource(channel string) bool {
	source := false
	for _, spec := range parley.EventSpecs() {
		if spec.Channel == channel {
			return false
		}
		source = source || spec.Topic.Source == channel
	}
	return source
}

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
	var fields map[string]json.RawMessage
	if !utf8.Valid(pub.Data) || json.Unmarshal(pub.Data, &fields) != nil || fields == nil {
		return invalid("data", "data must be a JSON object")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, pub.Data); err != nil {
		return invalid("data", "data must be a JSON object")
	}
	pub.Data = compact.Bytes()
	if id, ok := stringField(fields, "id"); ok && len(id) <= maxResourceID {
		pub.resource = id
	}
	if id, ok := stringField(fields, "created_by"); ok && len(id) <= maxID {
		pub.owner = parley.PrincipalID(id)
	}
	if _, ok := fields["conversation_id"]; ok {
		text, _ := stringField(fields, "conversation_id")
		id, err := parley.ParseConversationID(text)
		if err != nil {
			return invalid("data.conversation_id", "data.conversation_id is not a conversation's id")
		}
		pub.conversation = id
	}
	return nil
}

func stringField(fields map[string]json.RawMessage, name string) (string, bool) {
	var s string
	raw, ok := fields[name]
	return s, ok && len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil
}
