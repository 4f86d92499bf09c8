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
	insertMessage = `
		INSERT INTO messages (org, conversation, seq, id, sender, client_key, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`

	selectByClientID = `
		SELECT body FROM messages
		WHERE org = $1 AND conversation = $2 AND sender = $3 AND client_key = $4`

	selectMessages = `
		SELECT body FROM messages
		WHERE org = $1 AND conversation = $2 AND seq BETWEEN $3 AND $4
		ORDER BY seq LIMIT $5`

	selectNewestMessages = `
		SELECT body FROM messages
		WHERE org = $1 AND conversation = $2 AND seq BETWEEN $3 AND $4
		ORDER BY seq DESC LIMIT $5`
)

func scanMessage(row pgx.CollectableRow) (m parley.Message, err error) {
	var body []byte
	if err := row.Scan(&body); err != nil {
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
		org, uuid(m.Conversation), m.Seq, uuid(m.ID), m.Sender, digestOrNull(m.ClientMsgID), body)
}

// MessageByClientID implements parley.Tx. The empty id finds none.
func (t *tx) MessageByClientID(
	org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, clientMsgID string,
) (*parley.Message, error) {
	return get(t, "find message by client id", scanMessage, selectByClientID, org, uuid(id), sender, digestOrNull(clientMsgID))
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
