package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const runColumns = `org, id, conversation, message, agent, name, trigger_id, status, owner, epoch,
	after_pos, change_seq, started_at, ended_at`

const (
	insertRun = `INSERT INTO runs (` + runColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectRun = `SELECT ` + runColumns + ` FROM runs WHERE org = ? AND id = ?`
	updateRun = `UPDATE runs SET status = ?, owner = ?, epoch = ?, ended_at = ? WHERE org = ? AND id = ?`

	selectOpenRuns   = `SELECT ` + runColumns + ` FROM runs WHERE status = 'running' ORDER BY org, started_at, id`
	selectOpenRunsOf = `SELECT ` + runColumns + ` FROM runs WHERE status = 'running' AND org = ? ORDER BY started_at, id`
)

func runDest(r *parley.Run) []any {
	return []any{&r.Org, into(&r.ID), into(&r.Conversation), into(&r.Message), &r.Agent, &r.Name, into(&r.Trigger),
		&r.Status, &r.Owner, uintInto{&r.Epoch}, uintInto{&r.After}, uintInto{&r.ChangeSeq},
		timeInto{&r.StartedAt}, timeInto{&r.EndedAt}}
}

// InsertRun implements parley.Tx.
func (t *tx) InsertRun(r *parley.Run) error {
	_, err := t.exec(insertRun, string(r.Org), r.ID[:], r.Conversation[:], r.Message[:], string(r.Agent), r.Name,
		optID(r.Trigger), string(r.Status), r.Owner, int64(r.Epoch), int64(r.After), int64(r.ChangeSeq),
		micros(r.StartedAt), micros(r.EndedAt))
	if err != nil {
		return fmt.Errorf("insert run %s: %w", r.ID, err)
	}
	return nil
}

// Run implements parley.Tx; parley.ErrNotFound where there is none.
func (t *tx) Run(org parley.OrgID, id parley.RunID) (*parley.Run, error) {
	r := new(parley.Run)
	if err := t.one(selectRun, []any{string(org), id[:]}, runDest(r)...); err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

// UpdateRun implements parley.Tx.
func (t *tx) UpdateRun(r *parley.Run) error {
	n, err := t.exec(updateRun, string(r.Status), r.Owner, int64(r.Epoch), micros(r.EndedAt), string(r.Org), r.ID[:])
	if err == nil && n == 0 {
		err = parley.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update run %s: %w", r.ID, err)
	}
	return nil
}

// Run implements parley.Reader.
func (s *Store) Run(ctx context.Context, org parley.OrgID, id parley.RunID) (*parley.Run, error) {
	r := new(parley.Run)
	err := one(ctx, s.reads, selectRun, []any{string(org), id[:]}, runDest(r)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

// OpenRuns implements parley.Reader, the earliest first.
func (s *Store) OpenRuns(ctx context.Context, org parley.OrgID) ([]parley.Run, error) {
	query, args := selectOpenRuns, []any(nil)
	if org != "" {
		query, args = selectOpenRunsOf, []any{string(org)}
	}
	all, err := list(ctx, s.reads, query, args, runDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("open runs: %w", err)
	}
	return all, nil
}
