package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/parley-chat/parley"
)

const messageColumns = `conversation, seq, id, sender, sender_kind, sender_name, content, content_type, content_meta,
	reply_to, thread_id, thread_role, task_id, client_msg_id, created_at, edited_at, edit_count,
	internal, forwarded, deleted, run_id, run_status, run_after, origin,
	change_seq, source_conversation, source_message, source_sender, source_sender_name, attachments`

const (
	insertMessage = `INSERT INTO messages (org, ` + messageColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateMessage = `UPDATE messages SET content = ?, content_meta = ?, edited_at = ?, edit_count = ?, deleted = ?,
		change_seq = ?, source_conversation = ?, source_message = ?, source_sender = ?, source_sender_name = ?,
		sender_name = ?, client_msg_id = ?, task_id = ?, origin = ?,
		attachments = iif(?5, '', attachments)
		WHERE org = ? AND id = ?`
	selectMessage    = `SELECT ` + messageColumns + ` FROM messages WHERE org = ? AND id = ?`
	selectByClientID = `SELECT ` + messageColumns + ` FROM messages
		WHERE org = ? AND conversation = ? AND sender = ? AND client_msg_id = ? AND client_msg_id <> ''`
	selectMessages = `SELECT ` + messageColumns + ` FROM messages
		WHERE org = ? AND conversation = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ? + 0`
	selectNewest = `SELECT ` + messageColumns + ` FROM messages
		WHERE org = ? AND conversation = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ? + 0`
)

// messageRow scans a message; finish it with message.
type messageRow struct {
	parley.Message
	run    parley.RunRef
	source parley.Source
}

func messageDest(m *messageRow) []any {
	return []any{into(&m.Conversation), uintInto{&m.Seq}, into(&m.ID), &m.Sender, &m.SenderKind, &m.SenderName,
		&m.Content, &m.ContentType, &m.ContentMeta, into(&m.ReplyTo), into(&m.ThreadID), &m.ThreadRole, &m.TaskID,
		&m.ClientMsgID, timeInto{&m.CreatedAt}, timeInto{&m.EditedAt}, &m.EditCount, &m.Internal, &m.Forwarded,
		&m.Deleted, into(&m.run.ID), &m.run.Status, uintInto{&m.run.After}, &m.Origin, uintInto{&m.ChangeSeq},
		into(&m.source.Conversation), into(&m.source.Message), &m.source.Sender, &m.source.SenderName,
		filesInto{&m.Attachments}}
}

func (m *messageRow) message() *parley.Message {
	if !m.run.ID.IsZero() {
		m.Run = &m.run
	}
	if !m.source.Message.IsZero() {
		m.Source = &m.source
	}
	return &m.Message
}

// InsertMessage implements parley.Tx.
func (t *tx) InsertMessage(m *parley.Message, org parley.OrgID) error {
	run, source := orZero(m.Run), orZero(m.Source)
	files, err := filesText(m.Attachments)
	if err != nil {
		return fmt.Errorf("insert message %s: %w", m.ID, err)
	}
	n, err := t.insert(insertMessage, string(org), m.Conversation[:], int64(m.Seq), m.ID[:], string(m.Sender),
		string(m.SenderKind), m.SenderName, m.Content, m.ContentType, m.ContentMeta, optID(m.ReplyTo), optID(m.ThreadID),
		m.ThreadRole, m.TaskID, m.ClientMsgID, micros(m.CreatedAt), micros(m.EditedAt), m.EditCount, m.Internal,
		m.Forwarded, m.Deleted, optID(run.ID), string(run.Status), int64(run.After), m.Origin, int64(m.ChangeSeq),
		optID(source.Conversation), optID(source.Message), string(source.Sender), source.SenderName, files)
	if err != nil {
		return fmt.Errorf("insert message %s: %w", m.ID, err)
	}
	t.w.index.note(indexed{n: n, org: org, conversation: m.Conversation, is: findable(m)})
	return nil
}

// orZero is what p points to; nil is the zero value.
func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// UpdateMessage implements parley.Tx.
func (t *tx) UpdateMessage(m *parley.Message, org parley.OrgID) error {
	x := indexed{org: org, is: findable(m)}
	err := t.one(selectIndexed, []any{string(org), m.ID[:]}, &x.n, into(&x.conversation), &x.was)
	if err == nil {
		source := orZero(m.Source)
		_, err = t.exec(updateMessage, m.Content, m.ContentMeta, micros(m.EditedAt), m.EditCount, m.Deleted,
			int64(m.ChangeSeq), optID(source.Conversation), optID(source.Message), string(source.Sender), source.SenderName,
			m.SenderName, m.ClientMsgID, m.TaskID, m.Origin, string(org), m.ID[:])
	}
	if err == nil && m.Deleted {
		err = t.releaseAttachments(org, x.conversation, m.ID)
	}
	if err != nil {
		return fmt.Errorf("update message %s: %w", m.ID, err)
	}
	t.w.index.note(x)
	return nil
}

// findable is what search finds of a message.
func findable(m *parley.Message) string {
	if m.Deleted {
		return ""
	}
	return m.Content
}

// Message implements parley.Tx.
func (t *tx) Message(org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	m := new(messageRow)
	if err := t.one(selectMessage, []any{string(org), id[:]}, messageDest(m)...); err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	return m.message(), nil
}

// Message implements parley.Reader.
func (s *Store) Message(ctx context.Context, org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	m := new(messageRow)
	err := one(ctx, s.reads, selectMessage, []any{string(org), id[:]}, messageDest(m)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	return m.message(), nil
}

// MessageByClientID implements parley.Tx. Nothing is found under the empty id.
func (t *tx) MessageByClientID(org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, clientMsgID string) (*parley.Message, error) {
	m := new(messageRow)
	err := t.one(selectByClientID, []any{string(org), id[:], string(sender), clientMsgID}, messageDest(m)...)
	if err != nil {
		return nil, fmt.Errorf("message by client id in %s: %w", id, err)
	}
	return m.message(), nil
}

// Messages implements parley.Reader; a limit of 0 is 100.
func (s *Store) Messages(ctx context.Context, org parley.OrgID, id parley.ConversationID, from, to uint64, limit int, newest bool) ([]parley.Message, error) {
	if to == 0 || to > math.MaxInt64 {
		to = math.MaxInt64
	}
	if from > math.MaxInt64 {
		return nil, nil
	}
	if limit <= 0 {
		limit = defaultPage
	}
	query := selectMessages
	if newest {
		query = selectNewest
	}
	rows, err := list(ctx, s.reads, query, []any{string(org), id[:], int64(from), int64(to), limit}, messageDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("messages of %s: %w", id, err)
	}
	if newest {
		slices.Reverse(rows)
	}
	all := make([]parley.Message, len(rows))
	for i := range rows {
		all[i] = *rows[i].message()
	}
	return all, nil
}
