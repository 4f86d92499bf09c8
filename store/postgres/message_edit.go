package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const editColumns = `conversation, message, number, content, content_meta, at, change_seq`

const (
	insertEdit = `
		INSERT INTO edits (org, ` + editColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT DO NOTHING`

	deleteEdits = `DELETE FROM edits WHERE org = $1 AND conversation = $2 AND message = $3`

	selectEdits = `
		SELECT ` + editColumns + ` FROM edits
		WHERE org = $1 AND conversation = $2 AND message = $3 AND number >= $4
		ORDER BY number LIMIT $5`

	selectEditChanges = `SELECT change_seq FROM edits WHERE org = $1 AND conversation = $2 AND message = $3 ORDER BY number`
)

func scanEdit(row pgx.CollectableRow) (e parley.Edit, err error) {
	var content, meta []byte
	err = row.Scan(intoID(&e.Conversation), intoID(&e.Message), &e.Number, &content, &meta, &e.At, &e.ChangeSeq)
	e.Content, e.ContentMeta = string(content), string(meta)
	return e, err
}

// InsertEdit implements parley.Tx.
func (t *tx) InsertEdit(org parley.OrgID, e *parley.Edit) error {
	return t.insert("insert edit", insertEdit, org, uuid(e.Conversation), uuid(e.Message), e.Number,
		[]byte(e.Content), []byte(e.ContentMeta), e.At, e.ChangeSeq)
}

// EditChanges implements parley.Tx.
func (t *tx) EditChanges(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) ([]uint64, error) {
	return getAll(t, "list changes of edits", pgx.RowTo[uint64], selectEditChanges, org, uuid(conversation), uuid(message))
}

// DeleteEdits implements parley.Tx.
func (t *tx) DeleteEdits(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	_, err := t.exec("delete edits", deleteEdits, org, uuid(conversation), uuid(message))
	return err
}

// Edits implements parley.Reader.
func (s *Store) Edits(
	ctx context.Context, org parley.OrgID, id parley.ConversationID, message parley.MessageID, from, limit int,
) ([]parley.Edit, error) {
	return readAll(ctx, s, "list edits", scanEdit, selectEdits, org, uuid(id), uuid(message), from, limitOrNull(limit))
}
