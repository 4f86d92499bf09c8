package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// n comes from the column's sequence. A writer holds the conversation, so that the
	// numbers of its reactions are in the order they were made.
	insertReaction = `
		INSERT INTO reactions (org, conversation, message, seq, principal, emoji, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`

	deleteReaction = `
		DELETE FROM reactions
		WHERE org = $1 AND conversation = $2 AND message = $3 AND emoji = $4 AND principal = $5`

	hasReaction = `
		SELECT EXISTS (SELECT FROM reactions
			WHERE org = $1 AND conversation = $2 AND message = $3 AND emoji = $4 AND principal = $5)`

	countReactions = `
		SELECT count(DISTINCT emoji) FROM reactions WHERE org = $1 AND conversation = $2 AND message = $3`

	deleteReactions = `DELETE FROM reactions WHERE org = $1 AND conversation = $2 AND message = $3`

	selectReactions = `
		SELECT conversation, message, seq, principal, emoji, at FROM reactions
		WHERE org = $1 AND conversation = $2 AND seq BETWEEN $3 AND $4
		ORDER BY seq, n LIMIT $5`
)

func scanReaction(row pgx.CollectableRow) (r parley.Reaction, err error) {
	err = row.Scan(intoID(&r.Conversation), intoID(&r.Message), &r.Seq, &r.Principal, &r.Emoji, &r.At)
	return r, err
}

// SetReaction implements parley.Tx.
func (t *tx) SetReaction(org parley.OrgID, r *parley.Reaction, on bool) (changed bool, err error) {
	var n int64
	if on {
		n, err = t.exec("insert reaction", insertReaction,
			org, uuid(r.Conversation), uuid(r.Message), r.Seq, r.Principal, r.Emoji, r.At)
	} else {
		n, err = t.exec("delete reaction", deleteReaction, org, uuid(r.Conversation), uuid(r.Message), r.Emoji, r.Principal)
	}
	return n > 0, err
}

// HasReaction implements parley.Tx.
func (t *tx) HasReaction(org parley.OrgID, r *parley.Reaction) (bool, error) {
	has, err := get(t, "find reaction", pgx.RowTo[bool], hasReaction,
		org, uuid(r.Conversation), uuid(r.Message), r.Emoji, r.Principal)
	return err == nil && *has, err
}

// CountReactions implements parley.Tx.
func (t *tx) CountReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) (int, error) {
	n, err := get(t, "count reactions", pgx.RowTo[int], countReactions, org, uuid(conversation), uuid(message))
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// DeleteReactions implements parley.Tx.
func (t *tx) DeleteReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	_, err := t.exec("delete reactions", deleteReactions, org, uuid(conversation), uuid(message))
	return err
}

// Reactions implements parley.Reader.
func (s *Store) Reactions(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, from, to uint64, limit int,
) ([]parley.Reaction, error) {
	return readAll(ctx, s, "list reactions", scanReaction, selectReactions,
		org, uuid(id), bigint(from), bigint(to), limitOrNull(limit))
}
