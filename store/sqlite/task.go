package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const taskColumns = `org, id, conversation, agent, parent, title, status, step, narrative, result, error,
	created_at, updated_at, ended_at, seq, change_seq`

const (
	insertTask = `INSERT INTO tasks (` + taskColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectTask = `SELECT ` + taskColumns + ` FROM tasks WHERE org = ? AND id = ?`
	updateTask = `UPDATE tasks SET status = ?, step = ?, narrative = ?, result = ?, error = ?,
		created_at = ?, updated_at = ?, ended_at = ?, seq = ?, change_seq = ? WHERE org = ? AND id = ?`
	selectTasks = `SELECT ` + taskColumns + ` FROM tasks WHERE org = ? AND conversation = ?
		AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ? + 0`
)

func taskDest(t *parley.Task) []any {
	return []any{&t.Org, into(&t.ID), into(&t.Conversation), &t.Agent, into(&t.Parent), &t.Title, &t.Status, &t.Step,
		&t.Narrative, (*[]byte)(&t.Result), &t.Error, timeInto{&t.CreatedAt}, timeInto{&t.UpdatedAt}, timeInto{&t.EndedAt},
		uintInto{&t.Seq}, uintInto{&t.ChangeSeq}}
}

// InsertTask implements parley.Tx.
func (t *tx) InsertTask(k *parley.Task) error {
	_, err := t.exec(insertTask, string(k.Org), k.ID[:], k.Conversation[:], string(k.Agent), optID(k.Parent), k.Title,
		string(k.Status), k.Step, k.Narrative, []byte(k.Result), k.Error,
		micros(k.CreatedAt), micros(k.UpdatedAt), micros(k.EndedAt), int64(k.Seq), int64(k.ChangeSeq))
	if err != nil {
		return fmt.Errorf("insert task %s: %w", k.ID, err)
	}
	return nil
}

// Task implements parley.Tx.
func (t *tx) Task(org parley.OrgID, id parley.TaskID) (*parley.Task, error) {
	k := new(parley.Task)
	if err := t.one(selectTask, []any{string(org), id[:]}, taskDest(k)...); err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return k, nil
}

// UpdateTask implements parley.Tx.
func (t *tx) UpdateTask(k *parley.Task) error {
	n, err := t.exec(updateTask, string(k.Status), k.Step, k.Narrative, []byte(k.Result), k.Error,
		micros(k.CreatedAt), micros(k.UpdatedAt), micros(k.EndedAt), int64(k.Seq), int64(k.ChangeSeq), string(k.Org), k.ID[:])
	if err == nil && n == 0 {
		err = parley.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update task %s: %w", k.ID, err)
	}
	return nil
}

// Task implements parley.Reader.
func (s *Store) Task(ctx context.Context, org parley.OrgID, id parley.TaskID) (*parley.Task, error) {
	k := new(parley.Task)
	err := one(ctx, s.reads, selectTask, []any{string(org), id[:]}, taskDest(k)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	return k, nil
}

// Tasks implements parley.Reader. A cursor that it did not write is
// CodeInvalidArgument.
func (s *Store) Tasks(ctx context.Context, org parley.OrgID, id parley.ConversationID, page parley.Page) ([]parley.Task, string, error) {
	limit := page.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	created, last, err := parsePage(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	all, err := list(ctx, s.reads, selectTasks, []any{string(org), id[:], created, last, limit + 1}, taskDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, "", fmt.Errorf("tasks of %s: %w", id, err)
	}
	if len(all) <= limit {
		return all, "", nil
	}
	all = all[:limit]
	return all, pageCursor(micros(all[limit-1].CreatedAt), all[limit-1].ID), nil
}
