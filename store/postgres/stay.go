package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const stayColumns = `org, conversation, principal, kind, name, role, auto_respond, joined_at,
	from_change, to_change, from_seq, to_seq`

const (
	selectStays = `
		SELECT ` + stayColumns + ` FROM stays
		WHERE org = $1 AND conversation = $2
		ORDER BY from_change, n`

	selectMembers = `
		SELECT ` + stayColumns + ` FROM stays
		WHERE org = $1 AND conversation = $2 AND to_change = 0
		ORDER BY from_change, n`

	selectMember = `
		SELECT ` + stayColumns + ` FROM stays
		WHERE org = $1 AND conversation = $2 AND principal = $3 AND to_change = 0`

	selectStaysOf = `
		SELECT ` + stayColumns + ` FROM stays
		WHERE org = $1 AND conversation = $2 AND principal = $3
		ORDER BY from_change, n`

	countMembers = `
		SELECT count(*) FROM (
			SELECT 1 FROM stays WHERE org = $1 AND conversation = $2 AND to_change = 0 LIMIT $3) counted`

	insertStay = `
		INSERT INTO stays (` + stayColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT DO NOTHING`

	endStay = `
		UPDATE stays SET to_change = $4, to_seq = $5
		WHERE org = $1 AND conversation = $2 AND principal = $3 AND to_change = 0`
)

func scanStay(row pgx.CollectableRow) (m parley.Membership, err error) {
	err = row.Scan(&m.Org, intoID(&m.Conversation), &m.Principal, &m.Kind, &m.Name, &m.Role, &m.AutoRespond, &m.JoinedAt,
		&m.From, &m.To, &m.FromSeq, &m.ToSeq)
	return m, err
}

// Members implements parley.Tx.
func (t *tx) Members(org parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all, err := list(t.ctx, t.q, scanStay, selectMembers, org, uuid(id))
	return all, t.check("list members", err)
}

// Member implements parley.Tx.
func (t *tx) Member(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (*parley.Membership, error) {
	return get(t, "find member", scanStay, selectMember, org, uuid(id), principal)
}

// StaysOf implements parley.Tx.
func (t *tx) StaysOf(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) ([]parley.Membership, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all, err := list(t.ctx, t.q, scanStay, selectStaysOf, org, uuid(id), principal)
	return all, t.check("list stays", err)
}

// CountMembers implements parley.Tx.
func (t *tx) CountMembers(org parley.OrgID, id parley.ConversationID, most int) (int, error) {
	n, err := get(t, "count members", pgx.RowTo[int], countMembers, org, uuid(id), most)
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// InsertMember implements parley.Tx.
func (t *tx) InsertMember(m *parley.Membership) error {
	return t.insert("insert member", insertStay, m.Org, uuid(m.Conversation), m.Principal, m.Kind, m.Name, m.Role,
		m.AutoRespond, m.JoinedAt, m.From, m.To, m.FromSeq, m.ToSeq)
}

// EndMember implements parley.Tx.
func (t *tx) EndMember(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, to, toSeq uint64) error {
	return t.change("end member", endStay, org, uuid(id), principal, to, toSeq)
}

// Stays implements parley.Reader.
func (s *Store) Stays(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	return readAll(ctx, s, "list stays", scanStay, selectStays, org, uuid(id))
}

// StaysOf implements parley.Reader.
func (s *Store) StaysOf(ctx context.Context, org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) ([]parley.Membership, error) {
	return readAll(ctx, s, "list stays of one", scanStay, selectStaysOf, org, uuid(id), principal)
}
