package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const conversationColumns = `c.org, c.id, c.kind, c.title, c.description, c.created_by, c.status, c.shared_history,
	coalesce(c.pair_key, ''), c.seq, c.change_seq, c.created_at, c.last_activity`

const (
	selectConversation = `SELECT ` + conversationColumns + ` FROM conversations c WHERE c.org = $1 AND c.id = $2`

	holdConversation = selectConversation + ` FOR UPDATE`

	selectByPair = `SELECT ` + conversationColumns + ` FROM conversations c WHERE c.org = $1 AND c.pair_key = $2`

	insertConversation = `
		INSERT INTO conversations (org, id, kind, title, description, created_by, status, shared_history,
			pair_key, seq, change_seq, created_at, last_activity)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT DO NOTHING`

	updateConversation = `
		UPDATE conversations SET title = $3, description = $4, status = $5, seq = $6, change_seq = $7, last_activity = $8
		WHERE org = $1 AND id = $2`

	selectConversationsOf = `
		SELECT ` + conversationColumns + `
		FROM stays s JOIN conversations c ON c.org = s.org AND c.id = s.conversation
		WHERE s.org = $1 AND s.principal = $2 AND s.to_change = 0 AND c.status <> 'deleted'
			AND ($3::timestamptz IS NULL OR (c.last_activity, c.id) < ($3, $4))
			AND c.seq > coalesce((SELECT h.hidden_seq FROM member_states h
				WHERE h.org = $1 AND h.principal = $2 AND h.conversation = s.conversation AND h.hidden_at IS NOT NULL), -1)
		ORDER BY c.last_activity DESC, c.id DESC
		LIMIT $5`
)

func scanConversation(row pgx.CollectableRow) (c parley.Conversation, err error) {
	err = row.Scan(&c.Org, intoID(&c.ID), &c.Kind, &c.Title, &c.Description, &c.CreatedBy, &c.Status, &c.SharedHistory,
		&c.PairKey, &c.Seq, &c.ChangeSeq, &c.CreatedAt, &c.LastActivity)
	return c, err
}

// Conversation implements parley.Tx.
func (t *tx) Conversation(org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	return get(t, "hold conversation", scanConversation, holdConversation, org, uuid(id))
}

// ConversationByPair implements parley.Tx. The empty key finds none.
func (t *tx) ConversationByPair(org parley.OrgID, pairKey string) (*parley.Conversation, error) {
	return get(t, "find conversation by pair", scanConversation, selectByPair, org, pairKey)
}

// InsertConversation implements parley.Tx. Of two that insert the same pair at
// once the second waits for the first to end.
func (t *tx) InsertConversation(c *parley.Conversation) error {
	return t.insert("insert conversation", insertConversation, c.Org, uuid(c.ID), c.Kind, c.Title, c.Description,
		c.CreatedBy, c.Status, c.SharedHistory, textOrNull(c.PairKey), c.Seq, c.ChangeSeq, c.CreatedAt, c.LastActivity)
}

// UpdateConversation implements parley.Tx.
func (t *tx) UpdateConversation(c *parley.Conversation) error {
	return t.change("update conversation", updateConversation,
		c.Org, uuid(c.ID), c.Title, c.Description, c.Status, c.Seq, c.ChangeSeq, c.LastActivity)
}

// Conversation implements parley.Reader.
func (s *Store) Conversation(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	c, err := read(ctx, s, "read conversation", scanConversation, selectConversation, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// ConversationsOf implements parley.Reader. Its cursor is the place of the last
// conversation of a page; one that has news in between moves to the front and may
// be listed twice. A cursor that no page returned is CodeInvalidArgument.
func (s *Store) ConversationsOf(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, page parley.Page,
) (all []parley.Conversation, next string, err error) {
	after, afterID, err := parsePageCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := pageLimit(page)
	all, err = readAll(ctx, s, "list conversations", scanConversation, selectConversationsOf,
		org, principal, after, afterID, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(all) > limit {
		all = all[:limit]
		last := &all[limit-1]
		next = pageCursor(last.LastActivity, last.ID)
	}
	return all, next, nil
}
