package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	insertErasure      = `INSERT INTO erasures (org, id, principal, requested_at, ended_at, data) VALUES (?, ?, ?, ?, ?, ?)`
	updateErasure      = `UPDATE erasures SET ended_at = ?, data = ? WHERE org = ? AND id = ?`
	selectErasure      = `SELECT data FROM erasures WHERE org = ? AND id = ?`
	selectErasureOf    = `SELECT data FROM erasures WHERE org = ? AND principal = ? AND ended_at = 0`
	selectOpenErasures = `SELECT data FROM erasures WHERE ended_at = 0 ORDER BY requested_at LIMIT ? + 0`
	revokeLogins       = `INSERT INTO revocations (org, credential, at) SELECT org, id, ?3 FROM logins WHERE org = ?1 AND user = ?2 ON CONFLICT DO NOTHING`
	deleteLogins       = `DELETE FROM logins WHERE org = ? AND user = ?`
	deleteUser         = `DELETE FROM users WHERE org = ? AND id = ?`
	deleteProfile      = `DELETE FROM profiles WHERE org = ? AND id = ?`
	deleteBlocks       = `DELETE FROM blocks WHERE org = ? AND owner = ?`
	namelessPrincipal  = `UPDATE principals SET name = '', email = '' WHERE org = ? AND id = ?`
	releaseUnsent      = `UPDATE attachments INDEXED BY attachments_unsent SET due_at = 1, name = '' WHERE org = ? AND uploader = ? AND state IN ('waiting', 'stored')`
	deletePublished    = `DELETE FROM published WHERE org = ?1 AND principal = ?2 AND idem_key IN
		(SELECT idem_key FROM published WHERE org = ?1 AND principal = ?2 LIMIT ?3 + 0)`
	namelessStays = `UPDATE memberships SET name = '' WHERE org = ? AND conversation = ? AND principal = ?`
	deleteState   = `DELETE FROM member_states WHERE org = ? AND conversation = ? AND principal = ?`
	deleteHidden  = `DELETE FROM hidden WHERE org = ? AND conversation = ? AND principal = ?`
	selectShared  = `SELECT EXISTS (SELECT 1 FROM memberships INDEXED BY memberships_stays
		WHERE org = ? AND conversation = ? AND principal <> ? AND kind <> 'agent')`
	releasePair = `UPDATE conversations SET pair_key = '' WHERE org = ? AND id = ?`
	emptyTasks  = `UPDATE tasks SET title = '', step = '', narrative = '', error = '', result = NULL WHERE org = ? AND conversation = ?`
	selectEver  = `SELECT DISTINCT conversation FROM memberships INDEXED BY memberships_ever
		WHERE org = ? AND principal = ? AND conversation > ? ORDER BY conversation LIMIT ? + 0`
	selectMessagesBy = `SELECT ` + messageColumns + ` FROM messages INDEXED BY messages_sender
		WHERE org = ? AND conversation = ? AND sender = ? AND seq > ? ORDER BY seq LIMIT ? + 0`
	selectMessagesFrom = `SELECT ` + messageColumns + ` FROM messages INDEXED BY messages_source
		WHERE org = ? AND source_sender = ? AND source_sender <> '' LIMIT ? + 0`
	selectReactionsBy = `SELECT conversation, message, seq, principal, emoji, at FROM reactions INDEXED BY reactions_principal
		WHERE org = ? AND conversation = ? AND principal = ? LIMIT ? + 0`
	selectRunsAfter = `SELECT ` + runColumns + ` FROM runs WHERE org = ? AND trigger_id = ?`
)

func erasureDest(data *[]byte) []any { return []any{data} }

func readErasure(data []byte, err error) (*parley.Erasure, error) {
	e := new(parley.Erasure)
	if err == nil {
		err = json.Unmarshal(data, e)
	}
	if err != nil {
		return nil, fmt.Errorf("erasure: %w", err)
	}
	return e, nil
}

// InsertErasure implements parley.Tx.
func (t *tx) InsertErasure(e *parley.Erasure) error {
	data, err := json.Marshal(e)
	if err == nil {
		_, err = t.exec(insertErasure, string(e.Org), e.ID[:], string(e.Principal), micros(e.RequestedAt), micros(e.EndedAt), string(data))
	}
	if err != nil {
		return fmt.Errorf("insert erasure %s: %w", e.ID, err)
	}
	return nil
}

// Erasure implements parley.Tx.
func (t *tx) Erasure(org parley.OrgID, id parley.ErasureID) (*parley.Erasure, error) {
	var data []byte
	err := t.one(selectErasure, []any{string(org), id[:]}, &data)
	return readErasure(data, err)
}

// ErasureOf implements parley.Tx.
func (t *tx) ErasureOf(org parley.OrgID, principal parley.PrincipalID) (*parley.Erasure, error) {
	var data []byte
	err := t.one(selectErasureOf, []any{string(org), string(principal)}, &data)
	return readErasure(data, err)
}

// UpdateErasure implements parley.Tx.
func (t *tx) UpdateErasure(e *parley.Erasure) error {
	data, err := json.Marshal(e)
	if err == nil {
		_, err = t.exec(updateErasure, micros(e.EndedAt), string(data), string(e.Org), e.ID[:])
	}
	if err != nil {
		return fmt.Errorf("update erasure %s: %w", e.ID, err)
	}
	return nil
}

// Erasure implements parley.ErasureReader.
func (s *Store) Erasure(ctx context.Context, org parley.OrgID, id parley.ErasureID) (*parley.Erasure, error) {
	var data []byte
	err := one(ctx, s.reads, selectErasure, []any{string(org), id[:]}, &data)
	return readErasure(data, s.readError(ctx, err))
}

// OpenErasures implements parley.ErasureReader.
func (s *Store) OpenErasures(ctx context.Context, limit int) ([]parley.Erasure, error) {
	rows, err := list(ctx, s.reads, selectOpenErasures, []any{limit}, erasureDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("open erasures: %w", err)
	}
	var all []parley.Erasure
	for _, data := range rows {
		e, err := readErasure(data, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, *e)
	}
	return all, nil
}

// all runs statements that write, with the same arguments.
func (t *tx) all(args []any, queries ...string) error {
	for _, q := range queries {
		if _, err := t.exec(q, args...); err != nil {
			return err
		}
	}
	return nil
}

// EraseAccount implements parley.Tx.
func (t *tx) EraseAccount(org parley.OrgID, principal parley.PrincipalID, at time.Time) error {
	key := []any{string(org), string(principal)}
	_, err := t.exec(revokeLogins, append(key, micros(at))...)
	if err == nil {
		err = t.all(key, deleteLogins, deleteUser, deleteProfile, deleteBlocks, namelessPrincipal, releaseUnsent)
	}
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	return nil
}

// ErasePublished implements parley.Tx.
func (t *tx) ErasePublished(org parley.OrgID, principal parley.PrincipalID, limit int) (int, error) {
	n, err := t.exec(deletePublished, string(org), string(principal), limit)
	if err != nil {
		return 0, fmt.Errorf("erase what was published: %w", err)
	}
	return int(n), nil
}

// EraseMember implements parley.Tx.
func (t *tx) EraseMember(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) error {
	if err := t.all([]any{string(org), id[:], string(principal)}, namelessStays, deleteState, deleteHidden); err != nil {
		return fmt.Errorf("erase member of %s: %w", id, err)
	}
	return nil
}

// SharedWith implements parley.Tx.
func (t *tx) SharedWith(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (shared bool, err error) {
	if err := t.one(selectShared, []any{string(org), id[:], string(principal)}, &shared); err != nil {
		return false, fmt.Errorf("who else was in %s: %w", id, err)
	}
	return shared, nil
}

// ReleasePair implements parley.Tx.
func (t *tx) ReleasePair(org parley.OrgID, id parley.ConversationID) error {
	if err := t.all([]any{string(org), id[:]}, releasePair); err != nil {
		return fmt.Errorf("release pair of %s: %w", id, err)
	}
	return nil
}

// EraseTasks implements parley.Tx.
func (t *tx) EraseTasks(org parley.OrgID, id parley.ConversationID) error {
	if err := t.all([]any{string(org), id[:]}, emptyTasks); err != nil {
		return fmt.Errorf("erase tasks of %s: %w", id, err)
	}
	return nil
}

// collect reads all rows of a query within a transaction.
func collect[T any](t *tx, query string, args []any, dest func(*T) []any) (all []T, err error) {
	err = t.each(query, args, func(r row) error {
		var v T
		err := r.Scan(dest(&v)...)
		all = append(all, v)
		return err
	})
	return all, err
}

// ConversationsEver implements parley.Tx.
func (t *tx) ConversationsEver(
	org parley.OrgID, principal parley.PrincipalID, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	args := []any{string(org), string(principal), after[:], limit}
	all, err := collect(t, selectEver, args, func(id *parley.ConversationID) []any { return []any{into(id)} })
	if err != nil {
		return nil, fmt.Errorf("conversations ever: %w", err)
	}
	return all, nil
}

// MessagesBy implements parley.Tx.
func (t *tx) MessagesBy(
	org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, after uint64, limit int,
) ([]parley.Message, error) {
	if sender == "" {
		return t.messages(selectMessages, string(org), id[:], bounded(after+1), bounded(^uint64(0)), limit)
	}
	return t.messages(selectMessagesBy, string(org), id[:], string(sender), bounded(after), limit)
}

// MessagesFrom implements parley.Tx.
func (t *tx) MessagesFrom(org parley.OrgID, source parley.PrincipalID, limit int) ([]parley.Message, error) {
	return t.messages(selectMessagesFrom, string(org), string(source), limit)
}

func (t *tx) messages(query string, args ...any) ([]parley.Message, error) {
	rows, err := collect(t, query, args, messageDest)
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	all := make([]parley.Message, len(rows))
	for i := range rows {
		all[i] = *rows[i].message()
	}
	return all, nil
}

// ReactionsBy implements parley.Tx.
func (t *tx) ReactionsBy(
	org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, limit int,
) ([]parley.Reaction, error) {
	all, err := collect(t, selectReactionsBy, []any{string(org), id[:], string(principal), limit}, reactionDest)
	if err != nil {
		return nil, fmt.Errorf("reactions in %s: %w", id, err)
	}
	return all, nil
}

// RunsAfter implements parley.Tx.
func (t *tx) RunsAfter(org parley.OrgID, trigger parley.MessageID) ([]parley.Run, error) {
	all, err := collect(t, selectRunsAfter, []any{string(org), trigger[:]}, runDest)
	if err != nil {
		return nil, fmt.Errorf("runs after %s: %w", trigger, err)
	}
	return all, nil
}

// ConversationsEver implements parley.ErasureReader.
func (s *Store) ConversationsEver(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	args := []any{string(org), string(principal), after[:], limit}
	all, err := list(ctx, s.reads, selectEver, args, func(id *parley.ConversationID) []any { return []any{into(id)} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("conversations ever: %w", err)
	}
	return all, nil
}

// MessagesBy implements parley.ErasureReader.
func (s *Store) MessagesBy(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, after uint64, limit int,
) ([]parley.Message, error) {
	if sender == "" {
		return s.Messages(ctx, org, id, after+1, 0, limit, false)
	}
	rows, err := list(ctx, s.reads, selectMessagesBy, []any{string(org), id[:], string(sender), bounded(after), limit}, messageDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("messages of a sender in %s: %w", id, err)
	}
	all := make([]parley.Message, len(rows))
	for i := range rows {
		all[i] = *rows[i].message()
	}
	return all, nil
}
