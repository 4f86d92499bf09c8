package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	selectRetention = `
		SELECT org, conversation, days, seq, oldest_at FROM retentions
		WHERE org = $1 AND conversation = $2`

	upsertRetention = `
		INSERT INTO retentions (org, conversation, days, seq, oldest_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org, conversation) DO UPDATE
		SET days = excluded.days, seq = excluded.seq, oldest_at = excluded.oldest_at`

	selectRetaining = `SELECT DISTINCT org FROM retentions WHERE days > 0 ORDER BY org`

	// daysOfOrg is what a conversation that says nothing has.
	daysOfOrg = `(SELECT days FROM retentions WHERE org = $1 AND conversation = '00000000-0000-0000-0000-000000000000')`

	selectExpiring = `
		SELECT c.id FROM conversations c
		LEFT JOIN retentions r ON r.org = c.org AND r.conversation = c.id
		WHERE c.org = $1 AND c.id > $2 AND c.seq > coalesce(r.seq, 0)
			AND coalesce(r.days, ` + daysOfOrg + `, 0) > 0
			AND greatest(c.created_at, r.oldest_at) <= $3::timestamptz - coalesce(r.days, ` + daysOfOrg + `) * interval '24 hours'
		ORDER BY c.id LIMIT $4`
)

func scanRetention(row pgx.CollectableRow) (r parley.Retention, err error) {
	var oldest *time.Time
	err = row.Scan(&r.Org, intoID(&r.Conversation), &r.Days, &r.ExpiredTo, &oldest)
	if oldest != nil {
		r.OldestAt = *oldest
	}
	return r, err
}

// saidNothing is what a Retention is that nobody stored.
func saidNothing(org parley.OrgID, id parley.ConversationID) *parley.Retention {
	return &parley.Retention{Org: org, Conversation: id}
}

// Retention implements parley.Tx.
func (t *tx) Retention(org parley.OrgID, id parley.ConversationID) (*parley.Retention, error) {
	r, err := get(t, "read retention", scanRetention, selectRetention, org, uuid(id))
	if errors.Is(err, parley.ErrNotFound) {
		return saidNothing(org, id), nil
	}
	return r, err
}

// SetRetention implements parley.Tx.
func (t *tx) SetRetention(r *parley.Retention) error {
	_, err := t.exec("set retention", upsertRetention, r.Org, uuid(r.Conversation), r.Days, r.ExpiredTo, timeOrNull(r.OldestAt))
	return err
}

// Retention implements parley.RetentionReader.
func (s *Store) Retention(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Retention, error) {
	r, err := read(ctx, s, "read retention", scanRetention, selectRetention, org, uuid(id))
	if errors.Is(err, parley.ErrNotFound) {
		return saidNothing(org, id), nil
	}
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// RetainingOrgs implements parley.RetentionReader.
func (s *Store) RetainingOrgs(ctx context.Context) ([]parley.OrgID, error) {
	return readAll(ctx, s, "list orgs with a retention", pgx.RowTo[parley.OrgID], selectRetaining)
}

// Expiring implements parley.RetentionReader.
func (s *Store) Expiring(
	ctx context.Context, org parley.OrgID, now time.Time, after parley.ConversationID, limit int,
) ([]parley.ConversationID, error) {
	return readAll(ctx, s, "list what expires", scanConversationID, selectExpiring, org, uuid(after), now, limit)
}
