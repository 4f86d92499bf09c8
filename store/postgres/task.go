package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const taskColumns = `org, id, conversation, agent, parent, title, status, step, narrative, result, error,
	created_at, updated_at, ended_at, seq, change_seq`

const (
	insertTask = `
		INSERT INTO tasks (` + taskColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT DO NOTHING`

	selectTask = `SELECT ` + taskColumns + ` FROM tasks WHERE org = $1 AND id = $2`

	updateTask = `
		UPDATE tasks SET status = $3, step = $4, narrative = $5, result = $6, error = $7,
			created_at = $8, updated_at = $9, ended_at = $10, seq = $11, change_seq = $12
		WHERE org = $1 AND id = $2`

	selectTasks = `
		SELECT ` + taskColumns + ` FROM tasks
		WHERE org = $1 AND conversation = $2 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
		ORDER BY created_at DESC, id DESC
		LIMIT $5`
)

func scanTask(row pgx.CollectableRow) (k parley.Task, err error) {
	var parent *[16]byte
	var ended *time.Time
	err = row.Scan(&k.Org, intoID(&k.ID), intoID(&k.Conversation), &k.Agent, &parent, &k.Title, &k.Status, &k.Step,
		&k.Narrative, (*[]byte)(&k.Result), &k.Error, &k.CreatedAt, &k.UpdatedAt, &ended, &k.Seq, &k.ChangeSeq)
	k.Parent, k.EndedAt = orZero(parent), orZero(ended)
	return k, err
}

// InsertTask implements parley.Tx. ErrConflict where the id is taken.
func (t *tx) InsertTask(k *parley.Task) error {
	return t.insert("insert task", insertTask, k.Org, uuid(k.ID), uuid(k.Conversation), k.Agent, uuidOrNull(k.Parent),
		k.Title, k.Status, k.Step, k.Narrative, []byte(k.Result), k.Error, k.CreatedAt, k.UpdatedAt, timeOrNull(k.EndedAt), k.Seq, k.ChangeSeq)
}

// Task implements parley.Tx.
func (t *tx) Task(org parley.OrgID, id parley.TaskID) (*parley.Task, error) {
	return get(t, "find task", scanTask, selectTask, org, uuid(id))
}

// UpdateTask implements parley.Tx.
func (t *tx) UpdateTask(k *parley.Task) error {
	return t.change("update task", updateTask, k.Org, uuid(k.ID), k.Status, k.Step, k.Narrative, []byte(k.Result),
		k.Error, k.CreatedAt, k.UpdatedAt, timeOrNull(k.EndedAt), k.Seq, k.ChangeSeq)
}

// Task implements parley.Reader.
func (s *Store) Task(ctx context.Context, org parley.OrgID, id parley.TaskID) (*parley.Task, error) {
	k, err := read(ctx, s, "read task", scanTask, selectTask, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// Tasks implements parley.Reader. A cursor that no page returned is
// CodeInvalidArgument.
func (s *Store) Tasks(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, page parley.Page,
) (all []parley.Task, next string, err error) {
	after, afterID, err := parsePageCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := pageLimit(page)
	all, err = readAll(ctx, s, "list tasks", scanTask, selectTasks, org, uuid(id), after, afterID, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(all) > limit {
		all = all[:limit]
		last := &all[limit-1]
		next = pageCursor(last.CreatedAt, last.ID)
	}
	return all, next, nil
}
