package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const (
	insertReaction = `INSERT INTO reactions (org, conversation, message, seq, principal, emoji, at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	deleteReaction = `DELETE FROM reactions
		WHERE org = ? AND conversation = ? AND message = ? AND emoji = ? AND principal = ?`
	selectReaction = `SELECT count(*) FROM reactions
		WHERE org = ? AND conversation = ? AND message = ? AND emoji = ? AND principal = ?`
	countReactions = `SELECT count(DISTINCT emoji) FROM reactions
		WHERE org = ? AND conversation = ? AND message = ?`
	deleteReactions = `DELETE FROM reactions WHERE org = ? AND conversation = ? AND message = ?`
	selectReactions = `SELECT conversation, message, seq, principal, emoji, at FROM reactions
		WHERE org = ? AND conversation = ? AND seq BETWEEN ? AND ? ORDER BY seq, n LIMIT ? + 0`
)

func reactionDest(r *parley.Reaction) []any {
	return []any{into(&r.Conversation), into(&r.Message), uintInto{&r.Seq}, &r.Principal, &r.Emoji, timeInto{&r.At}}
}

// SetReaction implements parley.Tx.
func (t *tx) SetReaction(org parley.OrgID, r *parley.Reaction, on bool) (changed bool, err error) {
	var n int64
	if on {
		n, err = t.exec(insertReaction, string(org), r.Conversation[:], r.Message[:], int64(r.Seq), string(r.Principal),
			r.Emoji, micros(r.At))
	} else {
		n, err = t.exec(deleteReaction, string(org), r.Conversation[:], r.Message[:], r.Emoji, string(r.Principal))
	}
	if err != nil {
		return false, fmt.Errorf("set reaction to %s: %w", r.Message, err)
	}
	return n > 0, nil
}

// HasReaction implements parley.Tx.
func (t *tx) HasReaction(org parley.OrgID, r *parley.Reaction) (bool, error) {
	var n int
	err := t.one(selectReaction, []any{string(org), r.Conversation[:], r.Message[:], r.Emoji, string(r.Principal)}, &n)
	if err != nil {
		return false, fmt.Errorf("reaction to %s: %w", r.Message, err)
	}
	return n > 0, nil
}

// CountReactions implements parley.Tx.
func (t *tx) CountReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) (int, error) {
	var n int
	if err := t.one(countReactions, []any{string(org), conversation[:], message[:]}, &n); err != nil {
		return 0, fmt.Errorf("count reactions to %s: %w", message, err)
	}
	return n, nil
}

// DeleteReactions implements parley.Tx.
func (t *tx) DeleteReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	if _, err := t.exec(deleteReactions, string(org), conversation[:], message[:]); err != nil {
		return fmt.Errorf("delete reactions to %s: %w", message, err)
	}
	return nil
}

// Reactions implements parley.Reader.
func (s *Store) Reactions(ctx context.Context, org parley.OrgID, id parley.ConversationID, from, to uint64, limit int) ([]parley.Reaction, error) {
	all, err := list(ctx, s.reads, selectReactions, []any{string(org), id[:], bounded(from), bounded(to), limitOrAll(limit)}, reactionDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("reactions in %s: %w", id, err)
	}
	return all, nil
}
