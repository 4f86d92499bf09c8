package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// The writer holds the conversation, so that n grows with seq.
	insertMessage = `
		INSERT INTO messages (org, conversation, seq, id, sender, client_key, body, change_seq, deleted, internal, source_sender, n, terms)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12::text, n, message_terms(n, $11)
		FROM (SELECT nextval('messages_n') AS n) number
		ON CONFLICT DO NOTHING`

	updateMessage = `
		UPDATE messages SET body = $3, change_seq = $4, deleted = $5, terms = message_terms(n, $6), client_key = $7,
			source_sender = $8
		WHERE org = $1 AND id = $2`

	selectMessage = `SELECT body, change_seq FROM messages WHERE org = $1 AND id = $2`

	holdMessage = selectMessage + ` FOR UPDATE`

	selectByClientID = `SELECT body, change_seq FROM messages WHERE client_key = $1`

	selectMessages = `
		SELECT body, change_seq FROM messages
		WHERE org = $1 AND conversation = $2 AND seq BETWEEN $3 AND $4
		ORDER BY seq LIMIT $5`

	selectNewestMessages = `
		SELECT body, change_seq FROM messages
		WHERE org = $1 AND conversation = $2 AND seq BETWEEN $3 AND $4
		ORDER BY seq DESC LIMIT $5`
)

func scanMessage(row pgx.CollectableRow) (m parley.Message, err error) {
	var body []byte
	if err := row.Scan(&body, &m.ChangeSeq); err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("message's body: %w", err)
	}
	return m, nil
}

// messageBody is the message as it is kept, its times like those of columns.
func messageBody(m *parley.Message) ([]byte, error) {
	kept := *m
	kept.CreatedAt = micros(kept.CreatedAt)
	kept.EditedAt = micros(kept.EditedAt)
	return json.Marshal(&kept)
}

// micros is a time as a column keeps it: to the microsecond, in UTC.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// InsertMessage implements parley.Tx.
func (t *tx) InsertMessage(m *parley.Message, org parley.OrgID) error {
	body, err := messageBody(m)
	if err != nil {
		return fmt.Errorf("postgres: insert message %s: %w", m.ID, err)
	}
	return t.insert("insert message", insertMessage,
		org, uuid(m.Conversation), m.Seq, uuid(m.ID), m.Sender, clientKey(org, m.Conversation, m.Sender, m.ClientMsgID),
		body, m.ChangeSeq, m.Deleted, m.Internal, termsBy(org, m), sourceSender(m))
}

// sourceSender is who first said what was forwarded; NULL for what was said here.
func sourceSender(m *parley.Message) *parley.PrincipalID {
	if m.Source == nil {
		return nil
	}
	return &m.Source.Sender
}

// clientKey is what a message is found by that was sent under a client_msg_id; NULL
// where that is empty.
func clientKey(org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, clientMsgID string) []byte {
	if clientMsgID == "" {
		return nil
	}
	all := append(digest(string(org)), id[:]...)
	all = append(all, digest(string(sender))...)
	all = append(all, digest(clientMsgID)...)
	return digest(string(all))
}

// UpdateMessage implements parley.Tx: what it does not write is read again first.
func (t *tx) UpdateMessage(m *parley.Message, org parley.OrgID) error {
	kept, err := get(t, "hold message", scanMessage, holdMessage, org, uuid(m.ID))
	if err != nil {
		return err
	}
	kept.Content, kept.ContentMeta, kept.Source = m.Content, m.ContentMeta, m.Source
	kept.EditedAt, kept.EditCount, kept.Deleted = m.EditedAt, m.EditCount, m.Deleted
	kept.SenderName, kept.ClientMsgID, kept.TaskID, kept.Origin = m.SenderName, m.ClientMsgID, m.TaskID, m.Origin
	if m.Deleted {
		kept.Attachments = nil
		if err := t.release(org, kept.Conversation, m.ID); err != nil {
			return err
		}
	}
	body, err := messageBody(kept)
	if err != nil {
		return fmt.Errorf("postgres: update message %s: %w", m.ID, err)
	}
	return t.change("update message", updateMessage, org, uuid(m.ID), body, m.ChangeSeq, m.Deleted, termsBy(org, kept),
		clientKey(org, kept.Conversation, kept.Sender, kept.ClientMsgID), sourceSender(kept))
}

// Message implements parley.Tx.
func (t *tx) Message(org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	return get(t, "find message", scanMessage, selectMessage, org, uuid(id))
}

// Message implements parley.Reader.
func (s *Store) Message(ctx context.Context, org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	m, err := read(ctx, s, "read message", scanMessage, selectMessage, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// MessageByClientID implements parley.Tx. The empty id finds none.
func (t *tx) MessageByClientID(
	org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, clientMsgID string,
) (*parley.Message, error) {
	return get(t, "find message by client id", scanMessage, selectByClientID,
		clientKey(org, id, sender, clientMsgID))
}

// Messages implements parley.Reader. A limit below 1 is 100.
func (s *Store) Messages(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, from, to uint64, limit int, newest bool,
) ([]parley.Message, error) {
	if to == 0 {
		to = ^uint64(0)
	}
	if limit <= 0 {
		limit = defaultPage
	}
	query := selectMessages
	if newest {
		query = selectNewestMessages
	}
	all, err := readAll(ctx, s, "list messages", scanMessage, query, org, uuid(id), bigint(from), bigint(to), limit)
	if newest {
		slices.Reverse(all)
	}
	return all, err
}
