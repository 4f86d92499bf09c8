package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const stateColumns = `org, conversation, principal, read_seq, delivered_seq, muted_until, archived_at, hidden_at, hidden_seq`

const (
	selectState = `
		SELECT ` + stateColumns + ` FROM member_states
		WHERE org = $1 AND conversation = $2 AND principal = $3`

	upsertState = `
		INSERT INTO member_states (` + stateColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (org, conversation, principal) DO UPDATE SET
			read_seq = excluded.read_seq, delivered_seq = excluded.delivered_seq, muted_until = excluded.muted_until,
			archived_at = excluded.archived_at, hidden_at = excluded.hidden_at, hidden_seq = excluded.hidden_seq`

	selectStates = `
		SELECT ` + stateColumns + ` FROM member_states
		WHERE org = $1 AND principal = $2 AND conversation = ANY($3::uuid[])`

	selectReceipts = `
		SELECT ` + stateColumns + ` FROM member_states
		WHERE org = $1 AND conversation = $2 AND (read_seq > 0 OR delivered_seq > 0)
		ORDER BY principal`

	insertHidden = `
		INSERT INTO hidden (org, conversation, principal, seq) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`

	selectHiddenFrom = `
		SELECT principal COLLATE "C" FROM hidden WHERE org = $1 AND conversation = $2 AND seq + 0 = $3
		UNION
		SELECT principal FROM member_states WHERE org = $1 AND conversation = $2 AND hidden_seq > 0 AND hidden_seq >= $3
		ORDER BY 1`

	selectHidden = `
		SELECT seq FROM hidden
		WHERE org = $1 AND conversation = $2 AND principal = $3 AND seq BETWEEN $4 AND $5
		ORDER BY seq`
)

func scanState(row pgx.CollectableRow) (s parley.MemberState, err error) {
	var muted, archived, hidden *time.Time
	err = row.Scan(&s.Org, intoID(&s.Conversation), &s.Principal, &s.ReadSeq, &s.DeliveredSeq,
		&muted, &archived, &hidden, &s.HiddenSeq)
	s.MutedUntil, s.ArchivedAt, s.HiddenAt = orZero(muted), orZero(archived), orZero(hidden)
	return s, err
}

// MemberState implements parley.Tx.
func (t *tx) MemberState(
	org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID,
) (*parley.MemberState, error) {
	s, err := get(t, "find member state", scanState, selectState, org, uuid(id), principal)
	if errors.Is(err, parley.ErrNotFound) {
		return &parley.MemberState{Org: org, Conversation: id, Principal: principal}, nil
	}
	return s, err
}

// SetMemberState implements parley.Tx.
func (t *tx) SetMemberState(s *parley.MemberState) error {
	_, err := t.exec("set member state", upsertState, s.Org, uuid(s.Conversation), s.Principal, s.ReadSeq, s.DeliveredSeq,
		timeOrNull(s.MutedUntil), timeOrNull(s.ArchivedAt), timeOrNull(s.HiddenAt), s.HiddenSeq)
	return err
}

// MemberStates implements parley.Reader.
func (s *Store) MemberStates(
	ctx context.Context, org parley.OrgID, principal parley.PrincipalID, ids []parley.ConversationID,
) ([]parley.MemberState, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	stored, err := readAll(ctx, s, "list member states", scanState, selectStates, org, principal, uuids(ids))
	if err != nil {
		return nil, err
	}
	return parley.StatesOf(org, principal, ids, stored), nil
}

// Receipts implements parley.Reader.
func (s *Store) Receipts(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.MemberState, error) {
	return readAll(ctx, s, "list receipts", scanState, selectReceipts, org, uuid(id))
}

// HideMessage implements parley.Tx.
func (t *tx) HideMessage(
	org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, seq uint64,
) (changed bool, err error) {
	n, err := t.exec("hide message", insertHidden, org, uuid(id), principal, seq)
	return n > 0, err
}

// HiddenFrom implements parley.Tx.
func (t *tx) HiddenFrom(org parley.OrgID, id parley.ConversationID, seq uint64) ([]parley.PrincipalID, error) {
	return getAll(t, "list who hid", pgx.RowTo[parley.PrincipalID], selectHiddenFrom, org, uuid(id), bigint(seq))
}

// Hidden implements parley.Reader.
func (s *Store) Hidden(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, from, to uint64,
) ([]uint64, error) {
	return readAll(ctx, s, "list hidden", pgx.RowTo[uint64], selectHidden,
		org, uuid(id), principal, bigint(from), bigint(to))
}
