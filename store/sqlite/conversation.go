package sqlite

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/parley-chat/parley"
)

const conversationColumns = `c.org, c.id, c.kind, c.title, c.description, c.created_by, c.status, c.shared_history,
	c.pair_key, c.seq, c.change_seq, c.created_at, c.last_activity`

const (
	selectConversation = `SELECT ` + conversationColumns + ` FROM conversations c WHERE c.org = ? AND c.id = ?`
	selectByPair       = `SELECT ` + conversationColumns + ` FROM conversations c
		WHERE c.org = ? AND c.pair_key = ? AND c.pair_key <> ''`
	insertConversation = `INSERT INTO conversations (org, id, kind, title, description, created_by, status,
		shared_history, pair_key, seq, change_seq, created_at, last_activity)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateConversation = `UPDATE conversations
		SET title = ?, description = ?, status = ?, seq = ?, change_seq = ?, last_activity = ? WHERE org = ? AND id = ?`
	// The principal's stays drive, never the org's conversations. Most principals have
	// hidden none: that is asked once.
	selectConversationsOf = `SELECT ` + conversationColumns + ` FROM memberships m INDEXED BY memberships_list
		CROSS JOIN conversations c ON c.org = m.org AND c.id = m.conversation
		WHERE m.org = ?1 AND m.principal = ?2 AND m.to_change = 0 AND c.status <> 'deleted'
		AND (c.last_activity, c.id) < (?3, ?4)
		AND (NOT ` + hidesAny + ` OR NOT EXISTS (SELECT 1 FROM member_states h INDEXED BY member_states_hidden
			WHERE h.org = m.org AND h.principal = m.principal AND h.conversation = m.conversation
			AND h.hidden_at <> 0 AND h.hidden_seq >= c.seq))
		ORDER BY c.last_activity DESC, c.id DESC LIMIT ?5 + 0`
	hidesAny = `EXISTS (SELECT 1 FROM member_states INDEXED BY member_states_hidden
		WHERE org = ?1 AND principal = ?2 AND hidden_at <> 0)`
)

func conversationDest(c *parley.Conversation) []any {
	return []any{&c.Org, into(&c.ID), &c.Kind, &c.Title, &c.Description, &c.CreatedBy, &c.Status, &c.SharedHistory,
		&c.PairKey, uintInto{&c.Seq}, uintInto{&c.ChangeSeq}, timeInto{&c.CreatedAt}, timeInto{&c.LastActivity}}
}

// Conversation implements parley.Tx. The one writer holds every row.
func (t *tx) Conversation(org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	c := new(parley.Conversation)
	if err := t.one(selectConversation, []any{string(org), id[:]}, conversationDest(c)...); err != nil {
		return nil, fmt.Errorf("conversation %s: %w", id, err)
	}
	return c, nil
}

// ConversationByPair implements parley.Tx.
func (t *tx) ConversationByPair(org parley.OrgID, pairKey string) (*parley.Conversation, error) {
	c := new(parley.Conversation)
	if err := t.one(selectByPair, []any{string(org), pairKey}, conversationDest(c)...); err != nil {
		return nil, fmt.Errorf("conversation of a pair: %w", err)
	}
	return c, nil
}

// InsertConversation implements parley.Tx.
func (t *tx) InsertConversation(c *parley.Conversation) error {
	_, err := t.exec(insertConversation, string(c.Org), c.ID[:], string(c.Kind), c.Title, c.Description,
		string(c.CreatedBy), string(c.Status), c.SharedHistory, c.PairKey, int64(c.Seq), int64(c.ChangeSeq),
		micros(c.CreatedAt), micros(c.LastActivity))
	if err != nil {
		return fmt.Errorf("insert conversation %s: %w", c.ID, err)
	}
	return nil
}

// UpdateConversation implements parley.Tx.
func (t *tx) UpdateConversation(c *parley.Conversation) error {
	n, err := t.exec(updateConversation, c.Title, c.Description, string(c.Status), int64(c.Seq), int64(c.ChangeSeq),
		micros(c.LastActivity), string(c.Org), c.ID[:])
	if err == nil && n == 0 {
		err = parley.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update conversation %s: %w", c.ID, err)
	}
	return nil
}

// Conversation implements parley.Reader.
func (s *Store) Conversation(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	c := new(parley.Conversation)
	err := one(ctx, s.reads, selectConversation, []any{string(org), id[:]}, conversationDest(c)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("conversation %s: %w", id, err)
	}
	return c, nil
}

// ConversationsOf implements parley.Reader. A cursor that it did not write is
// CodeInvalidArgument.
func (s *Store) ConversationsOf(ctx context.Context, org parley.OrgID, principal parley.PrincipalID, page parley.Page) ([]parley.Conversation, string, error) {
	limit := page.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	activity, id, err := parsePage(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	args := []any{string(org), string(principal), activity, id, limit + 1}
	all, err := list(ctx, s.reads, selectConversationsOf, args, conversationDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, "", fmt.Errorf("conversations of %s: %w", principal, err)
	}
	if len(all) <= limit {
		return all, "", nil
	}
	all = all[:limit]
	last := &all[limit-1]
	return all, pageCursor(micros(last.LastActivity), last.ID), nil
}

// defaultPage is the length of a page whose limit is 0.
const defaultPage = 100

// pageCursor spells the place of a row in a list by time, the latest first: the
// rows after it are earlier, or of the same moment with a lesser id.
func pageCursor[K parley.IDKind](at int64, id parley.ID[K]) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(at))
	return base64.RawURLEncoding.EncodeToString(append(raw, id[:]...))
}

// parsePage reads what pageCursor wrote; the empty cursor is before all rows.
func parsePage(cursor string) (at int64, id []byte, err error) {
	if cursor == "" {
		return math.MaxInt64, bytes.Repeat([]byte{0xff}, 16), nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 24 {
		return 0, nil, errBadPage()
	}
	return int64(binary.BigEndian.Uint64(raw)), raw[8:], nil
}

func errBadPage() error {
	return &parley.Error{
		Code: parley.CodeInvalidArgument, Field: "cursor",
		Message: "the cursor is not one of this list", Err: parley.ErrCursor,
	}
}
