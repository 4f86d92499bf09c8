package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const runColumns = `org, id, conversation, message, agent, name, trigger_id, status, owner, epoch, after_pos,
	change_seq, started_at, ended_at`

const (
	selectRun = `SELECT ` + runColumns + ` FROM runs WHERE org = $1 AND id = $2`

	holdRun = selectRun + ` FOR UPDATE`

	insertRun = `
		INSERT INTO runs (` + runColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT DO NOTHING`

	updateRun = `
		UPDATE runs SET status = $3, owner = $4, epoch = $5, ended_at = $6
		WHERE org = $1 AND id = $2`

	selectOpenRuns = `
		SELECT ` + runColumns + ` FROM runs
		WHERE status = 'running' AND ($1 = '' OR org = $1)
		ORDER BY started_at, id`
)

func scanRun(row pgx.CollectableRow) (r parley.Run, err error) {
	var trigger *[16]byte
	var ended *time.Time
	var epoch int64
	err = row.Scan(&r.Org, intoID(&r.ID), intoID(&r.Conversation), intoID(&r.Message), &r.Agent, &r.Name, &trigger,
		&r.Status, &r.Owner, &epoch, &r.After, &r.ChangeSeq, &r.StartedAt, &ended)
	r.Epoch = uint64(epoch)
	if trigger != nil {
		r.Trigger = *trigger
	}
	if ended != nil {
		r.EndedAt = *ended
	}
	return r, err
}

// InsertRun implements parley.Tx.
func (t *tx) InsertRun(r *parley.Run) error {
	return t.insert("insert run", insertRun, r.Org, uuid(r.ID), uuid(r.Conversation), uuid(r.Message), r.Agent, r.Name,
		uuidOrNull(r.Trigger), r.Status, r.Owner, int64(r.Epoch), r.After, r.ChangeSeq, r.StartedAt, timeOrNull(r.EndedAt))
}

// Run implements parley.Tx.
func (t *tx) Run(org parley.OrgID, id parley.RunID) (*parley.Run, error) {
	return get(t, "hold run", scanRun, holdRun, org, uuid(id))
}

// UpdateRun implements parley.Tx.
func (t *tx) UpdateRun(r *parley.Run) error {
	return t.change("update run", updateRun, r.Org, uuid(r.ID), r.Status, r.Owner, int64(r.Epoch), timeOrNull(r.EndedAt))
}

// Run implements parley.Reader.
func (s *Store) Run(ctx context.Context, org parley.OrgID, id parley.RunID) (*parley.Run, error) {
	r, err := read(ctx, s, "read run", scanRun, selectRun, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// OpenRuns implements parley.Reader, the oldest first.
func (s *Store) OpenRuns(ctx context.Context, org parley.OrgID) ([]parley.Run, error) {
	return readAll(ctx, s, "list open runs", scanRun, selectOpenRuns, org)
}
