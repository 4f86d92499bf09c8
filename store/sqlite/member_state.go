package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

const stateColumns = `org, conversation, principal, read_seq, delivered_seq, muted_until, archived_at, hidden_at, hidden_seq`

const (
	selectState = `SELECT ` + stateColumns + ` FROM member_states WHERE org = ? AND conversation = ? AND principal = ?`
	upsertState = `INSERT INTO member_states (` + stateColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (org, conversation, principal) DO UPDATE SET read_seq = excluded.read_seq,
		delivered_seq = excluded.delivered_seq, muted_until = excluded.muted_until, archived_at = excluded.archived_at,
		hidden_at = excluded.hidden_at, hidden_seq = excluded.hidden_seq`
	// The conversations asked for drive, each one look-up.
	selectStates = `SELECT ` + stateColumns + ` FROM json_each(?3) j CROSS JOIN member_states s
		ON s.org = ?1 AND s.conversation = unhex(j.value) AND s.principal = ?2`
	selectReceipts = `SELECT ` + stateColumns + ` FROM member_states
		WHERE org = ? AND conversation = ? AND (read_seq > 0 OR delivered_seq > 0) ORDER BY principal`

	insertHidden = `INSERT INTO hidden (org, conversation, principal, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	// Two indexes are walked; the principals are few.
	selectHiddenFrom = `SELECT principal FROM hidden INDEXED BY hidden_message WHERE org = ?1 AND conversation = ?2 AND seq = ?3
		UNION SELECT principal FROM member_states INDEXED BY member_states_cleared
		WHERE org = ?1 AND conversation = ?2 AND hidden_seq > 0 AND hidden_seq >= ?3 ORDER BY principal`
	selectHidden = `SELECT seq FROM hidden
		WHERE org = ? AND conversation = ? AND principal = ? AND seq BETWEEN ? AND ? ORDER BY seq`
)

func stateDest(s *parley.MemberState) []any {
	return []any{&s.Org, into(&s.Conversation), &s.Principal, uintInto{&s.ReadSeq}, uintInto{&s.DeliveredSeq},
		timeInto{&s.MutedUntil}, timeInto{&s.ArchivedAt}, timeInto{&s.HiddenAt}, uintInto{&s.HiddenSeq}}
}

// MemberState implements parley.Tx.
func (t *tx) MemberState(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (*parley.MemberState, error) {
	s := &parley.MemberState{Org: org, Conversation: id, Principal: principal}
	err := t.one(selectState, []any{string(org), id[:], string(principal)}, stateDest(s)...)
	if err != nil && !errors.Is(err, parley.ErrNotFound) {
		return nil, fmt.Errorf("member state in %s: %w", id, err)
	}
	return s, nil
}

// SetMemberState implements parley.Tx.
func (t *tx) SetMemberState(s *parley.MemberState) error {
	_, err := t.exec(upsertState, string(s.Org), s.Conversation[:], string(s.Principal), int64(s.ReadSeq),
		int64(s.DeliveredSeq), micros(s.MutedUntil), micros(s.ArchivedAt), micros(s.HiddenAt), int64(s.HiddenSeq))
	if err != nil {
		return fmt.Errorf("set member state in %s: %w", s.Conversation, err)
	}
	return nil
}

// MemberStates implements parley.Reader.
func (s *Store) MemberStates(ctx context.Context, org parley.OrgID, principal parley.PrincipalID, ids []parley.ConversationID) ([]parley.MemberState, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	stored, err := list(ctx, s.reads, selectStates, []any{string(org), string(principal), jsonIDs(ids)}, stateDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("member states of %s: %w", principal, err)
	}
	return parley.StatesOf(org, principal, ids, stored), nil
}

// Receipts implements parley.Reader.
func (s *Store) Receipts(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.MemberState, error) {
	all, err := list(ctx, s.reads, selectReceipts, []any{string(org), id[:]}, stateDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("receipts in %s: %w", id, err)
	}
	return all, nil
}

// HideMessage implements parley.Tx.
func (t *tx) HideMessage(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, seq uint64) (changed bool, err error) {
	n, err := t.exec(insertHidden, string(org), id[:], string(principal), int64(seq))
	if err != nil {
		return false, fmt.Errorf("hide message %d of %s: %w", seq, id, err)
	}
	return n > 0, nil
}

// HiddenFrom implements parley.Tx.
func (t *tx) HiddenFrom(org parley.OrgID, id parley.ConversationID, seq uint64) (all []parley.PrincipalID, err error) {
	err = t.each(selectHiddenFrom, []any{string(org), id[:], bounded(seq)}, func(r row) error {
		var who parley.PrincipalID
		err := r.Scan(&who)
		all = append(all, who)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("who hid message %d of %s: %w", seq, id, err)
	}
	return all, nil
}

// Hidden implements parley.Reader.
func (s *Store) Hidden(ctx context.Context, org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, from, to uint64) ([]uint64, error) {
	args := []any{string(org), id[:], string(principal), bounded(from), bounded(to)}
	all, err := list(ctx, s.reads, selectHidden, args, func(seq *uint64) []any { return []any{uintInto{seq}} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("hidden messages of %s: %w", id, err)
	}
	return all, nil
}
