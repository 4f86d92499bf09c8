package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	insertErasure = `
		INSERT INTO erasures (org, id, principal, requested_at, ended_at, data) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`

	updateErasure = `UPDATE erasures SET ended_at = $3, data = $4 WHERE org = $1 AND id = $2`

	selectErasure = `SELECT data FROM erasures WHERE org = $1 AND id = $2`

	holdErasure = selectErasure + ` FOR UPDATE`

	selectErasureOf = `SELECT data FROM erasures WHERE org = $1 AND principal = $2 AND ended_at IS NULL`

	selectOpenErasures = `SELECT data FROM erasures WHERE ended_at IS NULL ORDER BY requested_at LIMIT $1`

	revokeLogins = `
		INSERT INTO revocations (org, credential, at)
		SELECT org, id, $3 FROM logins WHERE org = $1 AND user_id = $2
		ON CONFLICT DO NOTHING`

	deletePublished = `
		DELETE FROM published WHERE org = $1 AND principal = $2 AND key_hash = ANY(ARRAY(
			SELECT key_hash FROM published WHERE org = $1 AND principal = $2 LIMIT $3))`

	selectShared = `
		SELECT EXISTS (SELECT FROM stays
			WHERE org = $1 AND conversation = $2 AND principal <> $3 AND kind <> 'agent')`

	releasePair = `UPDATE conversations SET pair_key = NULL WHERE org = $1 AND id = $2`

	emptyTasks = `
		UPDATE tasks SET title = '', step = '', narrative = '', error = '', result = NULL
		WHERE org = $1 AND conversation = $2`

	selectEver = `
		SELECT DISTINCT conversation FROM stays
		WHERE org = $1 AND principal = $2 AND conversation > $3
		ORDER BY conversation LIMIT $4`

	selectMessagesBy = `
		SELECT body, change_seq FROM messages
		WHERE org = $1 AND conversation = $2 AND sender = $3 AND seq > $4
		ORDER BY seq LIMIT $5`

	selectMessagesFrom = `SELECT body, change_seq FROM messages WHERE org = $1 AND source_sender = $2 LIMIT $3`

	selectReactionsBy = `
		SELECT conversation, message, seq, principal, emoji, at FROM reactions
		WHERE org = $1 AND conversation = $2 AND principal = $3 LIMIT $4`

	selectRunsAfter = `SELECT ` + runColumns + ` FROM runs WHERE org = $1 AND trigger_id = $2`
)

// eraseAccount are the statements that take an org and a principal.
var eraseAccount = []string{
	`DELETE FROM logins WHERE org = $1 AND user_id = $2`,
	`DELETE FROM users WHERE org = $1 AND id = $2`,
	`DELETE FROM profiles WHERE org = $1 AND id = $2`,
	`DELETE FROM blocks WHERE org = $1 AND owner = $2`,
	`UPDATE principals SET name = '', email = '' WHERE org = $1 AND id = $2`,
	`UPDATE attachments SET due_at = 'epoch'::timestamptz + interval '1 microsecond', name = ''
		WHERE org = $1 AND uploader = $2 AND state IN ('waiting', 'stored')`,
}

// eraseMember are those that take a conversation too.
var eraseMember = []string{
	`UPDATE stays SET name = '' WHERE org = $1 AND conversation = $2 AND principal = $3`,
	`DELETE FROM member_states WHERE org = $1 AND conversation = $2 AND principal = $3`,
	`DELETE FROM hidden WHERE org = $1 AND conversation = $2 AND principal = $3`,
}

func scanErasure(row pgx.CollectableRow) (e parley.Erasure, err error) {
	var data []byte
	if err := row.Scan(&data); err != nil {
		return e, err
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("erasure: %w", err)
	}
	return e, nil
}

// InsertErasure implements parley.Tx.
func (t *tx) InsertErasure(e *parley.Erasure) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("postgres: insert erasure: %w", err)
	}
	return t.insert("insert erasure", insertErasure, e.Org, uuid(e.ID), e.Principal, e.RequestedAt, timeOrNull(e.EndedAt), data)
}

// Erasure implements parley.Tx.
func (t *tx) Erasure(org parley.OrgID, id parley.ErasureID) (*parley.Erasure, error) {
	return get(t, "hold erasure", scanErasure, holdErasure, org, uuid(id))
}

// ErasureOf implements parley.Tx.
func (t *tx) ErasureOf(org parley.OrgID, principal parley.PrincipalID) (*parley.Erasure, error) {
	return get(t, "find erasure", scanErasure, selectErasureOf, org, principal)
}

// UpdateErasure implements parley.Tx.
func (t *tx) UpdateErasure(e *parley.Erasure) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("postgres: update erasure: %w", err)
	}
	return t.change("update erasure", updateErasure, e.Org, uuid(e.ID), timeOrNull(e.EndedAt), data)
}

// Erasure implements parley.ErasureReader.
func (s *Store) Erasure(ctx context.Context, org parley.OrgID, id parley.ErasureID) (*parley.Erasure, error) {
	e, err := read(ctx, s, "read erasure", scanErasure, selectErasure, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// OpenErasures implements parley.ErasureReader.
func (s *Store) OpenErasures(ctx context.Context, limit int) ([]parley.Erasure, error) {
	return readAll(ctx, s, "list open erasures", scanErasure, selectOpenErasures, limit)
}

// EraseAccount implements parley.Tx.
func (t *tx) EraseAccount(org parley.OrgID, principal parley.PrincipalID, at time.Time) error {
	if _, err := t.exec("revoke logins", revokeLogins, org, principal, at); err != nil {
		return err
	}
	for _, q := range eraseAccount {
		if _, err := t.exec("erase account", q, org, principal); err != nil {
			return err
		}
	}
	return nil
}

// ErasePublished implements parley.Tx.
func (t *tx) ErasePublished(org parley.OrgID, principal parley.PrincipalID, limit int) (int, error) {
	n, err := t.exec("erase what was published", deletePublished, org, principal, limit)
	return int(n), err
}

// EraseMember implements parley.Tx.
func (t *tx) EraseMember(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) error {
	for _, q := range eraseMember {
		if _, err := t.exec("erase member", q, org, uuid(id), principal); err != nil {
			return err
		}
	}
	return nil
}

// SharedWith implements parley.Tx.
func (t *tx) SharedWith(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (bool, error) {
	shared, err := get(t, "who else was there", pgx.RowTo[bool], selectShared, org, uuid(id), principal)
	if err != nil {
		return false, err
	}
	return *shared, nil
}

// ReleasePair implements parley.Tx.
func (t *tx) ReleasePair(org parley.OrgID, id parley.ConversationID) error {
	_, err := t.exec("release pair", releasePair, org, uuid(id))
	return err
}

// EraseTasks implements parley.Tx.
func (t *tx) EraseTasks(org parley.OrgID, id parley.ConversationID) error {
	_, err := t.exec("erase tasks", emptyTasks, org, uuid(id))
	return err
}

// ConversationsEver implements parley.Tx.
func (t *tx) ConversationsEver(
	org parley.OrgID, principal parley.PrincipalID, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	return getAll(t, "conversations ever", scanConversationID, selectEver, org, principal, uuid(after), limit)
}

// MessagesBy implements parley.Tx.
func (t *tx) MessagesBy(
	org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, after uint64, limit int,
) ([]parley.Message, error) {
	if sender == "" {
		return getAll(t, "messages of all", scanMessage, selectMessages, org, uuid(id), bigint(after)+1, bigint(^uint64(0)), limit)
	}
	return getAll(t, "messages of a sender", scanMessage, selectMessagesBy, org, uuid(id), sender, bigint(after), limit)
}

// MessagesFrom implements parley.Tx.
func (t *tx) MessagesFrom(org parley.OrgID, source parley.PrincipalID, limit int) ([]parley.Message, error) {
	return getAll(t, "messages first said by", scanMessage, selectMessagesFrom, org, source, limit)
}

// ReactionsBy implements parley.Tx.
func (t *tx) ReactionsBy(
	org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, limit int,
) ([]parley.Reaction, error) {
	return getAll(t, "reactions of a principal", scanReaction, selectReactionsBy, org, uuid(id), principal, limit)
}

// RunsAfter implements parley.Tx.
func (t *tx) RunsAfter(org parley.OrgID, trigger parley.MessageID) ([]parley.Run, error) {
	return getAll(t, "runs after a message", scanRun, selectRunsAfter, org, uuid(trigger))
}

func scanConversationID(row pgx.CollectableRow) (id parley.ConversationID, err error) {
	err = row.Scan(intoID(&id))
	return id, err
}

// ConversationsEver implements parley.ErasureReader.
func (s *Store) ConversationsEver(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	return readAll(ctx, s, "conversations ever", scanConversationID, selectEver, org, principal, uuid(after), limit)
}

// MessagesBy implements parley.ErasureReader.
func (s *Store) MessagesBy(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, after uint64, limit int,
) ([]parley.Message, error) {
	if sender == "" {
		return s.Messages(ctx, org, id, after+1, 0, limit, false)
	}
	return readAll(ctx, s, "messages of a sender", scanMessage, selectMessagesBy, org, uuid(id), sender, bigint(after), limit)
}
