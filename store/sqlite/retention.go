package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	selectRetention = `SELECT days, seq, oldest_at FROM retentions WHERE org = ? AND conversation = ?`
	upsertRetention = `INSERT INTO retentions (org, conversation, days, seq, oldest_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (org, conversation) DO UPDATE SET days = excluded.days, seq = excluded.seq, oldest_at = excluded.oldest_at`
	selectRetaining = `SELECT DISTINCT org FROM retentions INDEXED BY retentions_days WHERE days > 0 ORDER BY org`

	// What a conversation that says nothing has.
	daysOfOrg      = `(SELECT days FROM retentions WHERE org = ?1 AND conversation = zeroblob(16))`
	selectExpiring = `SELECT c.id FROM conversations c
		LEFT JOIN retentions r ON r.org = c.org AND r.conversation = c.id
		WHERE c.org = ?1 AND c.id > ?2 AND c.seq > coalesce(r.seq, 0) AND coalesce(r.days, ` + daysOfOrg + `, 0) > 0
		AND max(c.created_at, coalesce(r.oldest_at, 0)) <= ?3 - coalesce(r.days, ` + daysOfOrg + `) * 86400000000
		ORDER BY c.id LIMIT ?4 + 0`
)

// readRetention makes a Retention by a query of one row; no row says nothing.
func readRetention(org parley.OrgID, id parley.ConversationID, one func(dest ...any) error) (*parley.Retention, error) {
	r := &parley.Retention{Org: org, Conversation: id}
	err := one(&r.Days, uintInto{&r.ExpiredTo}, timeInto{&r.OldestAt})
	if err != nil && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, parley.ErrNotFound) {
		return nil, fmt.Errorf("retention of %s: %w", id, err)
	}
	return r, nil
}

// Retention implements parley.Tx.
func (t *tx) Retention(org parley.OrgID, id parley.ConversationID) (*parley.Retention, error) {
	return readRetention(org, id, func(dest ...any) error {
		return t.one(selectRetention, []any{string(org), id[:]}, dest...)
	})
}

// SetRetention implements parley.Tx.
func (t *tx) SetRetention(r *parley.Retention) error {
	_, err := t.exec(upsertRetention, string(r.Org), r.Conversation[:], r.Days, int64(r.ExpiredTo), micros(r.OldestAt))
	if err != nil {
		return fmt.Errorf("set retention of %s: %w", r.Conversation, err)
	}
	return nil
}

// Retention implements parley.RetentionReader.
func (s *Store) Retention(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Retention, error) {
	return readRetention(org, id, func(dest ...any) error {
		return s.readError(ctx, one(ctx, s.reads, selectRetention, []any{string(org), id[:]}, dest...))
	})
}

// RetainingOrgs implements parley.RetentionReader.
func (s *Store) RetainingOrgs(ctx context.Context) ([]parley.OrgID, error) {
	all, err := list(ctx, s.reads, selectRetaining, nil, func(org *parley.OrgID) []any { return []any{org} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("orgs with a retention: %w", err)
	}
	return all, nil
}

// Expiring implements parley.RetentionReader.
func (s *Store) Expiring(
	ctx context.Context, org parley.OrgID, now time.Time, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	all, err := list(ctx, s.reads, selectExpiring, []any{string(org), after[:], micros(now), limit},
		func(id *parley.ConversationID) []any { return []any{into(id)} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("conversations with what expires: %w", err)
	}
	return all, nil
}
