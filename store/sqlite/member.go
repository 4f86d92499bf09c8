package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const memberColumns = `org, conversation, principal, kind, name, role, auto_respond, joined_at,
	from_change, to_change, from_seq, to_seq`

const (
	selectMembers = `SELECT ` + memberColumns + ` FROM memberships
		WHERE org = ? AND conversation = ? AND to_change = 0 ORDER BY from_change, stay`
	selectMember = `SELECT ` + memberColumns + ` FROM memberships
		WHERE org = ? AND conversation = ? AND principal = ? AND to_change = 0`
	selectStays = `SELECT ` + memberColumns + ` FROM memberships
		WHERE org = ? AND conversation = ? ORDER BY from_change, stay`
	selectStaysOf = `SELECT ` + memberColumns + ` FROM memberships
		WHERE org = ? AND conversation = ? AND principal = ? ORDER BY from_change, stay`
	countMembers = `SELECT count(*) FROM (SELECT 1 FROM memberships
		WHERE org = ? AND conversation = ? AND to_change = 0 LIMIT ? + 0)`
	insertMember = `INSERT INTO memberships (` + memberColumns + `, log_key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	endMember = `UPDATE memberships SET to_change = ?, to_seq = ?
		WHERE org = ? AND conversation = ? AND principal = ? AND to_change = 0`
)

func memberDest(m *parley.Membership) []any {
	return []any{&m.Org, into(&m.Conversation), &m.Principal, &m.Kind, &m.Name, &m.Role, &m.AutoRespond,
		timeInto{&m.JoinedAt}, uintInto{&m.From}, uintInto{&m.To}, uintInto{&m.FromSeq}, uintInto{&m.ToSeq}}
}

// Members implements parley.Tx. Stays that began with one event are in the order
// they were stored.
func (t *tx) Members(org parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	all, err := t.stays(selectMembers, string(org), id[:])
	if err != nil {
		return nil, fmt.Errorf("members of %s: %w", id, err)
	}
	return all, nil
}

// StaysOf implements parley.Tx.
func (t *tx) StaysOf(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) ([]parley.Membership, error) {
	all, err := t.stays(selectStaysOf, string(org), id[:], string(principal))
	if err != nil {
		return nil, fmt.Errorf("stays in %s: %w", id, err)
	}
	return all, nil
}

func (t *tx) stays(query string, args ...any) ([]parley.Membership, error) {
	var all []parley.Membership
	err := t.each(query, args, func(r row) error {
		var m parley.Membership
		err := r.Scan(memberDest(&m)...)
		all = append(all, m)
		return err
	})
	return all, err
}

// CountMembers implements parley.Tx.
func (t *tx) CountMembers(org parley.OrgID, id parley.ConversationID, most int) (n int, err error) {
	if err := t.one(countMembers, []any{string(org), id[:], most}, &n); err != nil {
		return 0, fmt.Errorf("count members of %s: %w", id, err)
	}
	return n, nil
}

// Member implements parley.Tx.
func (t *tx) Member(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (*parley.Membership, error) {
	m := new(parley.Membership)
	if err := t.one(selectMember, []any{string(org), id[:], string(principal)}, memberDest(m)...); err != nil {
		return nil, fmt.Errorf("member of %s: %w", id, err)
	}
	return m, nil
}

// InsertMember implements parley.Tx.
func (t *tx) InsertMember(m *parley.Membership) error {
	_, err := t.exec(insertMember, string(m.Org), m.Conversation[:], string(m.Principal), string(m.Kind), m.Name,
		string(m.Role), m.AutoRespond, micros(m.JoinedAt), int64(m.From), int64(m.To), int64(m.FromSeq), int64(m.ToSeq),
		parley.ConversationKey(m.Conversation))
	if err != nil {
		return fmt.Errorf("insert member of %s: %w", m.Conversation, err)
	}
	return nil
}

// EndMember implements parley.Tx.
func (t *tx) EndMember(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, to, toSeq uint64) error {
	n, err := t.exec(endMember, int64(to), int64(toSeq), string(org), id[:], string(principal))
	if err == nil && n == 0 {
		err = parley.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("end stay in %s: %w", id, err)
	}
	return nil
}

// Stays implements parley.Reader.
func (s *Store) Stays(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	all, err := list(ctx, s.reads, selectStays, []any{string(org), id[:]}, memberDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("stays in %s: %w", id, err)
	}
	return all, nil
}

// StaysOf implements parley.Reader.
func (s *Store) StaysOf(ctx context.Context, org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) ([]parley.Membership, error) {
	all, err := list(ctx, s.reads, selectStaysOf, []any{string(org), id[:], string(principal)}, memberDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("stays of one in %s: %w", id, err)
	}
	return all, nil
}
