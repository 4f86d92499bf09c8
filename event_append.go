package parley

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// MarshalEvent writes an event as it is kept in the store and told over the bus.
// The Position travels with it.
func MarshalEvent(e *Event) ([]byte, error) { return AppendEvent(nil, e) }

// AppendEvent appends what MarshalEvent writes to dst, and returns dst as it was
// with an error.
//
// The bytes are those that encoding/json makes of the same fields without HTML
// escapes; the bodies that are told most are written by hand, with their RawJSON,
// which is valid by its definition, as it is.
func AppendEvent(dst []byte, e *Event) ([]byte, error) {
	// Room for the names and the ids; a text with many escapes grows it once more.
	b := slices.Grow(dst, 416+len(e.Org)+len(e.Type)+len(e.Actor)+len(e.Channel)+bodySize(e.Body))
	b = appendID(append(b, `{"id":`...), e.ID)
	b = appendString(append(b, `,"org":`...), string(e.Org))
	b = appendString(append(b, `,"type":`...), string(e.Type))
	b = strconv.AppendUint(append(b, `,"class":`...), uint64(e.Class), 10)
	b, err := appendTime(append(b, `,"time":`...), e.Time)
	if err != nil {
		return dst, fmt.Errorf("marshal %s %s: %w", e.Type, e.ID, err)
	}
	b = appendStringIf(b, `,"actor":`, string(e.Actor))
	b = appendStringIf(b, `,"actor_kind":`, string(e.ActorKind))
	b = appendIDIf(b, `,"conversation":`, e.Conversation)
	b = appendUintIf(b, `,"change_seq":`, e.ChangeSeq)
	b = appendIDs(b, `,"targets":[`, e.Targets)
	b = appendStringIf(b, `,"channel":`, e.Channel)
	b = appendTrue(b, `,"internal":true`, e.Internal)
	if e.Position != (Position{}) {
		b = append(b, `,"position":{`...)
		if e.Position.Epoch != 0 {
			b = strconv.AppendUint(append(b, `"epoch":`...), uint64(e.Position.Epoch), 10)
			b = append(b, ',')
		}
		b = strconv.AppendUint(append(b, `"offset":`...), e.Position.Offset, 10)
		b = append(b, '}')
	}
	if b, err = appendBody(append(b, `,"body":`...), e.Body); err != nil {
		return dst, fmt.Errorf("marshal %s %s: %w", e.Type, e.ID, err)
	}
	return append(b, '}'), nil
}

// bodySize guesses how many bytes a body takes beyond those that every event has.
func bodySize(body Body) int {
	switch b := body.(type) {
	case *PublishedBody:
		return len(b.Data) + len(b.ResourceID)
	case *DeltaBody:
		return 256 + len(b.Text) + len(b.Text)/16
	case *MessageBody:
		return 512 + len(b.Content) + len(b.Content)/16 + len(b.ContentMeta)
	}
	return 128
}

func appendBody(dst []byte, body Body) ([]byte, error) {
	switch b := body.(type) {
	case *PublishedBody:
		dst = appendRaw(append(dst, `{"data":`...), b.Data)
		dst = appendStringIf(dst, `,"resource_id":`, b.ResourceID)
		return append(dst, '}'), nil
	case *TypingBody:
		dst = appendString(append(dst, `{"principal":`...), string(b.Principal))
		dst = appendString(append(dst, `,"kind":`...), string(b.Kind))
		dst = appendStringIf(dst, `,"name":`, b.Name)
		dst = appendStringIf(dst, `,"origin":`, b.Origin)
		return append(dst, '}'), nil
	case *DeltaBody:
		dst = appendID(append(dst, `{"run":`...), b.Run)
		dst = appendID(append(dst, `,"message":`...), b.Message)
		dst = appendString(append(dst, `,"agent":`...), string(b.Agent))
		dst = strconv.AppendUint(append(dst, `,"epoch":`...), b.Epoch, 10)
		dst = strconv.AppendUint(append(dst, `,"rseq":`...), b.RSeq, 10)
		dst = strconv.AppendInt(append(dst, `,"offset":`...), int64(b.Offset), 10)
		dst = appendString(append(dst, `,"text":`...), b.Text)
		return append(dst, '}'), nil
	case *MessageBody:
		dst, err := appendMessage(dst, &b.Message)
		if len(b.HiddenFrom) == 0 || err != nil {
			return dst, err
		}
		return append(appendIDs(dst[:len(dst)-1], `,"hidden_from":[`, b.HiddenFrom), '}'), nil
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // what was said is told as it is
	err := enc.Encode(body)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

func appendMessage(dst []byte, m *Message) ([]byte, error) {
	dst = appendID(append(dst, `{"id":`...), m.ID)
	dst = appendID(append(dst, `,"conversation":`...), m.Conversation)
	dst = strconv.AppendUint(append(dst, `,"seq":`...), m.Seq, 10)
	dst = appendString(append(dst, `,"sender":`...), string(m.Sender))
	dst = appendString(append(dst, `,"sender_kind":`...), string(m.SenderKind))
	dst = appendStringIf(dst, `,"sender_name":`, m.SenderName)
	dst = appendString(append(dst, `,"content":`...), m.Content)
	dst = appendString(append(dst, `,"content_type":`...), m.ContentType)
	dst = appendStringIf(dst, `,"content_meta":`, m.ContentMeta)
	dst = appendFiles(dst, m.Attachments)
	dst = appendIDIf(dst, `,"reply_to":`, m.ReplyTo)
	dst = appendIDIf(dst, `,"thread_id":`, m.ThreadID)
	dst = appendStringIf(dst, `,"thread_role":`, m.ThreadRole)
	dst = appendStringIf(dst, `,"task_id":`, m.TaskID)
	dst = appendStringIf(dst, `,"client_msg_id":`, m.ClientMsgID)
	dst, err := appendTime(append(dst, `,"created_at":`...), m.CreatedAt)
	if err == nil && !m.EditedAt.IsZero() {
		dst, err = appendTime(append(dst, `,"edited_at":`...), m.EditedAt)
	}
	if err != nil {
		return dst, err
	}
	if m.EditCount != 0 {
		dst = strconv.AppendInt(append(dst, `,"edit_count":`...), int64(m.EditCount), 10)
	}
	dst = appendTrue(dst, `,"internal":true`, m.Internal)
	dst = appendTrue(dst, `,"forwarded":true`, m.Forwarded)
	if m.Source != nil {
		dst = appendSource(dst, m.Source)
	}
	dst = appendTrue(dst, `,"deleted":true`, m.Deleted)
	if m.Run != nil {
		dst = appendID(append(dst, `,"run":{"id":`...), m.Run.ID)
		dst = appendString(append(dst, `,"status":`...), string(m.Run.Status))
		dst = strconv.AppendUint(append(dst, `,"after":`...), m.Run.After, 10)
		dst = append(dst, '}')
	}
	dst = appendStringIf(dst, `,"origin":`, m.Origin)
	return append(dst, '}'), nil
}

func appendFiles(dst []byte, files []File) []byte {
	for i := range files {
		key := `,{"id":`
		if i == 0 {
			key = `,"attachments":[{"id":`
		}
		dst = appendID(append(dst, key...), files[i].ID)
		dst = appendString(append(dst, `,"name":`...), files[i].Name)
		dst = appendString(append(dst, `,"content_type":`...), files[i].ContentType)
		dst = strconv.AppendInt(append(dst, `,"size":`...), files[i].Size, 10)
		dst = append(dst, '}')
	}
	if len(files) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

func appendSource(dst []byte, s *Source) []byte {
	dst = appendID(append(dst, `,"source":{"conversation":`...), s.Conversation)
	dst = appendID(append(dst, `,"message":`...), s.Message)
	dst = appendString(append(dst, `,"sender":`...), string(s.Sender))
	dst = appendStringIf(dst, `,"sender_name":`, s.SenderName)
	return append(dst, '}')
}

func appendRaw(dst []byte, raw RawJSON) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func appendID[K IDKind](dst []byte, id ID[K]) []byte {
	dst = append(dst, '"')
	if !id.IsZero() {
		dst = id.AppendTypeID(dst)
	}
	return append(dst, '"')
}

// appendTime fails where the year has not four digits.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	dst, err := t.AppendText(append(dst, '"'))
	return append(dst, '"'), err
}

func appendIDs(dst []byte, open string, ids []PrincipalID) []byte {
	for i, id := range ids {
		key := `,`
		if i == 0 {
			key = open
		}
		dst = appendString(append(dst, key...), string(id))
	}
	if len(ids) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

func appendStringIf(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, key...), s)
}

func appendIDIf[K IDKind](dst []byte, key string, id ID[K]) []byte {
	if id.IsZero() {
		return dst
	}
	return appendID(append(dst, key...), id)
}

func appendUintIf(dst []byte, key string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, key...), n, 10)
}

func appendTrue(dst []byte, field string, holds bool) []byte {
	if !holds {
		return dst
	}
	return append(dst, field...)
}
