package topics

import (
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendReply appends the frame that says r (contracts.md section 10). The
// surface has none for a greeting, an accepted message and history.
func (Dialect) AppendReply(dst []byte, r parley.Reply) []byte {
	switch r := r.(type) {
	case parley.Authenticated:
		dst = appendExpiry(append(dst, `{"op":"authenticated"`...), r.ExpiresAt)
		dst = jsonw.TextIf(dst, "cursor", r.Cursor)
	case parley.Subscribed:
		dst = jsonw.Text(append(dst, `{"op":"subscribed"`...), "id", r.Request.Ref)
		dst = appendTopics(dst, r.Request.Interest.Patterns)
		dst = jsonw.TextIf(dst, "cursor", r.Cursor)
	case parley.Unsubscribed:
		dst = jsonw.Text(append(dst, `{"op":"unsubscribed"`...), "id", r.Request.Ref)
	case parley.Published:
		dst = jsonw.TextIf(append(dst, `{"op":"published"`...), "id", r.Ref)
		dst = jsonw.ID(dst, "event_id", r.Event.ID)
		dst = jsonw.TimeAt(dst, "timestamp", r.Event.Time)
	case parley.Pong:
		dst = jsonw.TimeAt(append(dst, `{"op":"pong"`...), "timestamp", r.Time)
	case parley.CursorMoved:
		dst = jsonw.Text(append(dst, `{"op":"cursor"`...), "cursor", r.Cursor)
	case parley.Reload:
		dst = jsonw.Text(append(dst, `{"op":"reload"`...), "reason", r.Reason)
		dst = jsonw.IDIf(dst, "conversationId", r.Conversation)
	case parley.Expiring:
		dst = appendExpiry(append(dst, `{"op":"expiring"`...), r.ExpiresAt)
	case parley.Failure:
		dst = appendFailure(append(dst, `{"op":"error"`...), r)
	default:
		return dst
	}
	return append(dst, '}')
}

// appendExpiry appends expires_at, null for never.
func appendExpiry(dst []byte, at time.Time) []byte {
	if at.IsZero() {
		return append(dst, `,"expires_at":null`...)
	}
	return jsonw.TimeAt(dst, "expires_at", at)
}

func appendTopics(dst []byte, patterns []parley.Pattern) []byte {
	dst = append(jsonw.Key(dst, "topics"), '[')
	for i := range patterns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonw.String(dst, patterns[i].Text)
	}
	return append(dst, ']')
}

// appendFailure names the subscription, or the publish, and the pattern that it
// concerns. The
// code is that of parley.ErrorSpecs in capitals; retry_after is in whole seconds,
// rounded up, where it is known.
func appendFailure(dst []byte, r parley.Failure) []byte {
	dst = jsonw.TextIf(dst, "id", ref(r))
	dst = jsonw.TextIf(dst, "topic", r.Pattern)
	dst = jsonw.Text(dst, "code", strings.ToUpper(string(r.Err.Code)))
	dst = jsonw.Text(dst, "message", message(r))
	if after := r.Err.RetryAfter; after > 0 {
		dst = jsonw.Int(jsonw.Key(dst, "retry_after"), int((after+time.Second-1)/time.Second))
	}
	return dst
}

// ref is the client's id of what failed, empty where it has none.
func ref(r parley.Failure) string {
	if r.Ref != "" {
		return r.Ref
	}
	switch c := r.Command.(type) {
	case parley.Subscribe:
		return c.Ref
	case parley.Unsubscribe:
		return c.Ref
	case parley.PublishEvent:
		return c.Ref
	}
	return ""
}
