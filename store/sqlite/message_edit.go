package sqlite

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

const editColumns = `conversation, message, number, content, content_meta, at, change_seq`

const (
	insertEdit  = `INSERT INTO edits (org, ` + editColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	deleteEdits = `DELETE FROM edits WHERE org = ? AND conversation = ? AND message = ?`
	selectEdits = `SELECT ` + editColumns + ` FROM edits
		WHERE org = ? AND conversation = ? AND message = ? AND number >= ? ORDER BY number LIMIT ? + 0`
	selectEditChanges = `SELECT change_seq FROM edits WHERE org = ? AND conversation = ? AND message = ? ORDER BY number`
)

func editDest(e *parley.Edit) []any {
	return []any{into(&e.Conversation), into(&e.Message), &e.Number, &e.Content, &e.ContentMeta, timeInto{&e.At},
		uintInto{&e.ChangeSeq}}
}

// InsertEdit implements parley.Tx.
func (t *tx) InsertEdit(org parley.OrgID, e *parley.Edit) error {
	_, err := t.exec(insertEdit, string(org), e.Conversation[:], e.Message[:], e.Number, e.Content, e.ContentMeta,
		micros(e.At), int64(e.ChangeSeq))
	if err != nil {
		return fmt.Errorf("insert edit %d of %s: %w", e.Number, e.Message, err)
	}
	return nil
}

// EditChanges implements parley.Tx.
func (t *tx) EditChanges(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) ([]uint64, error) {
	all, err := collect(t, selectEditChanges, []any{string(org), conversation[:], message[:]},
		func(n *uint64) []any { return []any{uintInto{n}} })
	if err != nil {
		return nil, fmt.Errorf("changes of edits of %s: %w", message, err)
	}
	return all, nil
}

// DeleteEdits implements parley.Tx.
func (t *tx) DeleteEdits(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	if _, err := t.exec(deleteEdits, string(org), conversation[:], message[:]); err != nil {
		return fmt.Errorf("delete edits of %s: %w", message, err)
	}
	return nil
}

// Edits implements parley.Reader.
func (s *Store) Edits(ctx context.Context, org parley.OrgID, id parley.ConversationID, message parley.MessageID, from, limit int) ([]parley.Edit, error) {
	all, err := list(ctx, s.reads, selectEdits, []any{string(org), id[:], message[:], from, limitOrAll(limit)}, editDest)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("edits of %s: %w", message, err)
	}
	return all, nil
}
