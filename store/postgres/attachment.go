package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const attachmentColumns = `org, id, conversation, uploader, name, content_type, size, sha256, state, created_at, due_at`

const (
	insertAttachment = `
		INSERT INTO attachments (` + attachmentColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT DO NOTHING`

	selectAttachment = `SELECT ` + attachmentColumns + ` FROM attachments WHERE org = $1 AND id = $2`

	holdAttachment = selectAttachment + ` FOR UPDATE`

	updateAttachment = `UPDATE attachments SET sha256 = $3, state = $4, due_at = $5 WHERE org = $1 AND id = $2`

	deleteAttachment = `DELETE FROM attachments WHERE org = $1 AND id = $2`

	selectDue = `
		SELECT ` + attachmentColumns + ` FROM attachments
		WHERE due_at <= $1
		ORDER BY due_at LIMIT $2
		FOR UPDATE SKIP LOCKED`

	countUnsent = `
		SELECT count(*) FROM (
			SELECT 1 FROM attachments
			WHERE org = $1 AND uploader = $2 AND state IN ('waiting', 'stored') LIMIT $3) counted`

	insertCarrier = `
		INSERT INTO carriers (org, attachment, message, conversation) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`

	// $3 is the one message that lets go, NULL for all of the conversation.
	letGo = `org = $1 AND conversation = $2 AND ($3::uuid IS NULL OR message = $3)`

	// Who carries one of them holds its row: what comes after this statement sees all
	// that was carried before, and nothing more is until the transaction ends.
	holdCarried = `
		SELECT id FROM attachments
		WHERE org = $1 AND id IN (SELECT attachment FROM carriers WHERE ` + letGo + `)
		ORDER BY id FOR UPDATE`

	dropCarriers = `DELETE FROM carriers WHERE ` + letGo

	releaseLeft = `
		UPDATE attachments a SET due_at = $3
		WHERE org = $1 AND id = ANY($2::uuid[]) AND due_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM carriers c WHERE c.org = a.org AND c.attachment = a.id)`

	selectCarriers = `
		SELECT message FROM carriers c
		WHERE org = $1 AND attachment = $2 AND ($3::uuid IS NULL OR message < $3) AND EXISTS (
			SELECT 1 FROM stays s WHERE s.org = c.org AND s.conversation = c.conversation AND s.principal = $4)
		ORDER BY message DESC LIMIT $5`
)

func scanAttachment(row pgx.CollectableRow) (a parley.Attachment, err error) {
	var due *time.Time
	err = row.Scan(&a.Org, intoID(&a.ID), intoID(&a.Conversation), &a.Uploader, &a.Name, &a.ContentType, &a.Size, &a.SHA256,
		&a.State, &a.CreatedAt, &due)
	a.DueAt = orZero(due)
	return a, err
}

// InsertAttachment implements parley.Tx.
func (t *tx) InsertAttachment(a *parley.Attachment) error {
	return t.insert("insert attachment", insertAttachment, a.Org, uuid(a.ID), uuid(a.Conversation), a.Uploader, a.Name,
		a.ContentType, a.Size, a.SHA256, a.State, a.CreatedAt, timeOrNull(a.DueAt))
}

// Attachment implements parley.Tx.
func (t *tx) Attachment(org parley.OrgID, id parley.AttachmentID) (*parley.Attachment, error) {
	return get(t, "hold attachment", scanAttachment, holdAttachment, org, uuid(id))
}

// UpdateAttachment implements parley.Tx.
func (t *tx) UpdateAttachment(a *parley.Attachment) error {
	return t.change("update attachment", updateAttachment, a.Org, uuid(a.ID), a.SHA256, a.State, timeOrNull(a.DueAt))
}

// CountUnsent implements parley.Tx.
func (t *tx) CountUnsent(org parley.OrgID, uploader parley.PrincipalID, most int) (int, error) {
	n, err := get(t, "count unsent attachments", pgx.RowTo[int], countUnsent, org, uploader, most)
	return orZero(n), err
}

// CarryAttachment implements parley.Tx. ErrConflict where the message carries it
// already.
func (t *tx) CarryAttachment(
	org parley.OrgID, id parley.AttachmentID, conversation parley.ConversationID, message parley.MessageID,
) error {
	return t.insert("carry attachment", insertCarrier, org, uuid(id), uuid(message), uuid(conversation))
}

// ReleaseAttachments implements parley.Tx.
func (t *tx) ReleaseAttachments(org parley.OrgID, conversation parley.ConversationID) error {
	return t.release(org, conversation, parley.MessageID{})
}

// release has a message carry nothing; the zero id is all of the conversation.
func (t *tx) release(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	if err := t.usable(); err != nil {
		return err
	}
	which := []any{org, uuid(conversation), uuidOrNull(message)}
	ids, err := list(t.ctx, t.q, pgx.RowTo[[16]byte], holdCarried, which...)
	if err != nil || len(ids) == 0 {
		return t.check("hold carried attachments", err)
	}
	if _, err := t.exec("release attachments", dropCarriers, which...); err != nil {
		return err
	}
	_, err = t.exec("release attachments", releaseLeft, org, ids, parley.Released)
	return err
}

// DueAttachments implements parley.Tx.
func (t *tx) DueAttachments(before time.Time, limit int) ([]parley.Attachment, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all, err := list(t.ctx, t.q, scanAttachment, selectDue, before, limit)
	return all, t.check("list due attachments", err)
}

// DeleteAttachment implements parley.Tx.
func (t *tx) DeleteAttachment(org parley.OrgID, id parley.AttachmentID) error {
	_, err := t.exec("delete attachment", deleteAttachment, org, uuid(id))
	return err
}

// Attachment implements parley.Reader.
func (s *Store) Attachment(ctx context.Context, org parley.OrgID, id parley.AttachmentID) (*parley.Attachment, error) {
	a, err := read(ctx, s, "read attachment", scanAttachment, selectAttachment, org, uuid(id))
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Carriers implements parley.Reader.
func (s *Store) Carriers(
	ctx context.Context, org parley.OrgID, id parley.AttachmentID, principal parley.PrincipalID, after parley.MessageID, limit int,
) (all []parley.MessageID, err error) {
	scan := func(row pgx.CollectableRow) (m parley.MessageID, err error) { return m, row.Scan(intoID(&m)) }
	return readAll(ctx, s, "list carriers", scan, selectCarriers, org, uuid(id), uuidOrNull(after), principal, limit)
}
