package chat

import (
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonw"
)

// AppendReply appends the frame that says r. There is none for the end of a
// subscription (its client expects none), and authentication is acknowledged
// only to a client that named a cursor: the Conn sets Cursor only then.
func (*Dialect) AppendReply(dst []byte, r parley.Reply) []byte {
	switch r := r.(type) {
	case parley.Authenticated:
		return appendCursorFrame(dst, r.Cursor)
	case parley.CursorMoved:
		return appendCursorFrame(dst, r.Cursor)
	case parley.Subscribed:
		return appendSubscribed(dst, r)
	case parley.Pong:
		return append(dst, `{"type":"pong"}`...)
	case parley.Expiring:
		dst = jsonw.Time(append(dst, `{"type":"auth_expiring","payload":{"expires_at":`...), r.ExpiresAt)
		return append(dst, "}}"...)
	case parley.Reload:
		dst = append(dst, `{"type":"reload"`...)
		if !r.Conversation.IsZero() {
			dst = jsonw.ID(dst, "conversation_id", r.Conversation)
		}
		return append(jsonw.Text(dst, "payload", r.Reason), '}')
	case parley.Failure:
		return appendFailure(dst, r.Err)
	}
	return dst
}

func appendCursorFrame(dst []byte, cursor string) []byte {
	if cursor == "" {
		return dst
	}
	return append(jsonw.String(append(dst, `{"type":"cursor","payload":`...), cursor), '}')
}

// appendSubscribed names what was granted, as the client spelled it. A session's
// subscription (see session) of which nothing was granted is not acknowledged:
// the failure says so.
func appendSubscribed(dst []byte, r parley.Subscribed) []byte {
	q := &r.Request
	isSession := len(q.Conversations) == 0 && (q.Ref != "" || len(q.Interest.Runs)+len(q.Interest.Tasks) > 0)
	switch {
	case !isSession:
		dst = append(dst, `{"type":"subscribed","payload":`...)
		dst = appendGranted(dst, q)
	case q.Interest.Empty():
		return dst
	default:
		dst = append(dst, `{"type":"session_subscribed","payload":{"session_id":`...)
		dst = append(appendSessionID(dst, q), '}')
	}
	if r.Cursor != "" {
		dst = jsonw.Text(dst, "cursor", r.Cursor)
	}
	return append(dst, '}')
}

// appendGranted appends the conversations as TypeIDs, or as they are spelled in
// Ref (see conversations), less those that were not granted.
func appendGranted(dst []byte, q *parley.Subscribe) []byte {
	spelled := map[parley.ConversationID]string{}
	if q.Ref != "" {
		for text := range strings.SplitSeq(q.Ref, refSeparator) {
			if id, err := parley.ParseConversationID(text); err == nil {
				spelled[id] = text
			}
		}
	}
	dst = append(dst, '[')
	for i, id := range q.Conversations {
		if i > 0 {
			dst = append(dst, ',')
		}
		if text, ok := spelled[id]; ok {
			dst = jsonw.String(dst, text)
		} else {
			dst = appendTypeID(dst, id)
		}
	}
	return append(dst, ']')
}

func appendSessionID(dst []byte, q *parley.Subscribe) []byte {
	switch {
	case q.Ref != "":
		return jsonw.String(dst, q.Ref)
	case len(q.Interest.Runs) > 0:
		return appendTypeID(dst, q.Interest.Runs[0])
	}
	return appendTypeID(dst, q.Interest.Tasks[0])
}

// appendFailure says the sentence as the payload, always a string: the client
// prints an object as [object Object]. The code, and retry_after in whole
// seconds where known, stand beside it.
func appendFailure(dst []byte, err *parley.Error) []byte {
	if err == nil {
		err = parley.Errorf(parley.CodeInternal, "internal error")
	}
	dst = append(dst, `{"type":"error"`...)
	dst = jsonw.Text(dst, "payload", err.Message)
	dst = jsonw.Text(dst, "code", string(err.Code))
	if err.RetryAfter > 0 {
		dst = jsonw.Number(dst, "retry_after", uint64((err.RetryAfter+time.Second-1)/time.Second))
	}
	return append(dst, '}')
}
