package bot

import (
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendReply appends the frame that says r. There is none for a greeting or for
// the end of a subscription, and none for authentication and subscription but to
// a client that named a cursor: the Conn sets Cursor only then.
func (*Dialect) AppendReply(dst []byte, r parley.Reply) []byte {
	switch r := r.(type) {
	case parley.Authenticated:
		return appendCursorFrame(dst, r.Cursor)
	case parley.Subscribed:
		return appendCursorFrame(dst, r.Cursor)
	case parley.CursorMoved:
		return appendCursorFrame(dst, r.Cursor)
	case parley.Accepted:
		return appendAck(dst, r.Message)
	case parley.History:
		return appendMessage(dst, r.Message, parley.Position{})
	case parley.Pong:
		dst = jsonw.Time(append(dst, `{"type":"pong","timestamp":`...), r.Time)
		return append(dst, '}')
	case parley.Expiring:
		dst = jsonw.Time(append(dst, `{"type":"auth_expiring","expires_at":`...), r.ExpiresAt)
		return append(dst, '}')
	case parley.Reload:
		return appendReload(dst, r)
	case parley.Failure:
		return appendFailure(dst, r)
	}
	return dst
}

func appendCursorFrame(dst []byte, cursor string) []byte {
	if cursor == "" {
		return dst
	}
	return append(jsonw.String(append(dst, `{"type":"cursor","cursor":`...), cursor), '}')
}

// appendAck answers a message that named itself; others are not acknowledged.
func appendAck(dst []byte, m *parley.Message) []byte {
	if m.ClientMsgID == "" {
		return dst
	}
	dst = append(dst, `{"type":"message_ack"`...)
	dst = jsonw.Text(dst, "client_msg_id", m.ClientMsgID)
	dst = appendID(dst, "message_id", m.ID)
	dst = jsonw.Number(dst, "seq", m.Seq)
	return append(dst, '}')
}

// appendReload has the shape of design.md section 5, for the session of
// r.Conversation, or for all where that is zero. Where a Conn named several, it
// says one Reload for each.
func appendReload(dst []byte, r parley.Reload) []byte {
	dst = append(dst, `{"type":"error","code":"SUBSCRIPTION_FAILED"`...)
	if !r.Conversation.IsZero() {
		dst = appendID(dst, "session_id", r.Conversation)
	}
	message := "what was missed is no longer kept, load the session anew"
	if r.Reason != "" {
		message += ": " + r.Reason
	}
	dst = jsonw.Text(dst, "message", message)
	return append(dst, `,"reason":"reload"}`...)
}

// appendFailure adds to the documented fields what the client needs to tell
// which of its frames failed, and retry_after, in whole seconds, where known.
func appendFailure(dst []byte, r parley.Failure) []byte {
	err := r.Err
	if err == nil {
		err = parley.Errorf(parley.CodeInternal, "internal error")
	}
	dst = append(dst, `{"type":"error"`...)
	dst = jsonw.Text(dst, "code", errorCode(err.Code, r.Command))
	dst = jsonw.Text(dst, "message", err.Message)
	session, clientMsgID := about(r.Command)
	if !session.IsZero() {
		dst = appendID(dst, "session_id", session)
	}
	if clientMsgID != "" {
		dst = jsonw.Text(dst, "client_msg_id", clientMsgID)
	}
	if err.RetryAfter > 0 {
		dst = jsonw.Number(dst, "retry_after", uint64((err.RetryAfter+time.Second-1)/time.Second))
	}
	return append(dst, '}')
}

// about says which session, and which message in it, a command named.
func about(c parley.Command) (session parley.ConversationID, clientMsgID string) {
	switch c := c.(type) {
	case parley.PostMessage:
		return c.Conversation, c.ClientMsgID
	case parley.SetTyping:
		return c.Conversation, ""
	case parley.Subscribe:
		if len(c.Conversations) == 1 {
			return c.Conversations[0], ""
		}
	}
	return parley.ConversationID{}, ""
}

// errorCode spells a code with the six of contracts.md 2.1, and INTERNAL_ERROR,
// which is ours, for what is not the client's fault. A session that is not one's
// own does not exist; a subscription that could not be had says so.
func errorCode(code parley.Code, c parley.Command) string {
	_, auth := c.(parley.Authenticate)
	switch code {
	case parley.CodeUnauthenticated, parley.CodeTokenExpired, parley.CodeRevoked:
		return "AUTH_FAILED"
	case parley.CodeNotFound, parley.CodeForbidden, parley.CodeClosed:
		if auth { // a token of someone else
			return "AUTH_FAILED"
		}
		return "SESSION_NOT_FOUND"
	case parley.CodeRateLimited:
		return "RATE_LIMITED"
	case parley.CodeTooLarge:
		return "MESSAGE_TOO_LARGE"
	case parley.CodeInvalidFormat:
		return "INVALID_FORMAT"
	}
	switch c.(type) {
	case parley.Subscribe, parley.Resume:
		return "SUBSCRIPTION_FAILED"
	}
	switch code {
	case parley.CodeInvalidArgument, parley.CodeConflict:
		return "INVALID_FORMAT"
	}
	return "INTERNAL_ERROR"
}
