package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const attachmentColumns = `org, id, conversation, uploader, name, content_type, size, sha256, state, created_at, due_at`

const (
	insertAttachment = `INSERT INTO attachments (` + attachmentColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectAttachment = `SELECT ` + attachmentColumns + ` FROM attachments WHERE org = ? AND id = ?`
	updateAttachment = `UPDATE attachments SET sha256 = ?, state = ?, due_at = ? WHERE org = ? AND id = ?`
	deleteAttachment = `DELETE FROM attachments WHERE org = ? AND id = ?`
	selectDue        = `SELECT ` + attachmentColumns + ` FROM attachments INDEXED BY attachments_due
		WHERE due_at <> 0 AND due_at <= ? ORDER BY due_at LIMIT ? + 0`
	countUnsent = `SELECT count(*) FROM (SELECT 1 FROM attachments INDEXED BY attachments_unsent
		WHERE org = ? AND uploader = ? AND state IN ('waiting', 'stored') LIMIT ? + 0)`

	insertCarrier = `INSERT INTO carriers (org, attachment, message, conversation) VALUES (?, ?, ?, ?)`
	// What nothing but the messages that let go carries is released; 1 is Released.
	releaseMessage = `UPDATE attachments SET due_at = 1 WHERE org = ?1 AND due_at = 0
		AND id IN (SELECT attachment FROM carriers WHERE org = ?1 AND conversation = ?2 AND message = ?3)
		AND NOT EXISTS (SELECT 1 FROM carriers o WHERE o.org = ?1 AND o.attachment = attachments.id AND o.message <> ?3)`
	dropMessageCarriers = `DELETE FROM carriers WHERE org = ? AND conversation = ? AND message = ?`
	releaseConversation = `UPDATE attachments SET due_at = 1 WHERE org = ?1 AND due_at = 0
		AND id IN (SELECT attachment FROM carriers WHERE org = ?1 AND conversation = ?2)
		AND NOT EXISTS (SELECT 1 FROM carriers o WHERE o.org = ?1 AND o.attachment = attachments.id AND o.conversation <> ?2)`
	dropConversationCarriers = `DELETE FROM carriers WHERE org = ? AND conversation = ?`

	selectCarriers = `SELECT c.message FROM carriers c WHERE c.org = ?1 AND c.attachment = ?2 AND c.message < ?3
		AND EXISTS (SELECT 1 FROM memberships m INDEXED BY memberships_stays
			WHERE m.org = ?1 AND m.conversation = c.conversation AND m.principal = ?4)
		ORDER BY c.message DESC LIMIT ?5 + 0`
)

func attachmentDest(a *parley.Attachment) []any {
	return []any{&a.Org, into(&a.ID), into(&a.Conversation), &a.Uploader, &a.Name, &a.ContentType, &a.Size, &a.SHA256,
		&a.State, timeInto{&a.CreatedAt}, timeInto{&a.DueAt}}
}

// filesText is how the files of a message are stored; none is the empty string.
func filesText(files []parley.File) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	text, err := json.Marshal(files)
	return string(text), err
}

// filesInto scans the files of a message.
type filesInto struct{ files *[]parley.File }

// Scan implements sql.Scanner.
func (i filesInto) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a message's attachments hold %T, want text", src)
	}
	if *i.files = nil; text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), i.files)
}

// InsertAttachment implements parley.Tx.
func (t *tx) InsertAttachment(a *parley.Attachment) error {
	_, err := t.exec(insertAttachment, string(a.Org), a.ID[:], a.Conversation[:], string(a.Uploader), a.Name, a.ContentType,
		a.Size, a.SHA256, string(a.State), micros(a.CreatedAt), micros(a.DueAt))
	if err != nil {
		return fmt.Errorf("insert attachment %s: %w", a.ID, err)
	}
	return nil
}

// Attachment implements parley.Tx.
func (t *tx) Attachment(org parley.OrgID, id parley.AttachmentID) (*parley.Attachment, error) {
	a := new(parley.Attachment)
	if err := t.one(selectAttachment, []any{string(org), id[:]}, attachmentDest(a)...); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", id, err)
	}
	return a, nil
}

// UpdateAttachment implements parley.Tx.
func (t *tx) UpdateAttachment(a *parley.Attachment) error {
	n, err := t.exec(updateAttachment, a.SHA256, string(a.State), micros(a.DueAt), string(a.Org), a.ID[:])
	if err == nil && n == 0 {
		err = parley.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("update attachment %s: %w", a.ID, err)
	}
	return nil
}

// CountUnsent implements parley.Tx.
func (t *tx) CountUnsent(org parley.OrgID, uploader parley.PrincipalID, most int) (n int, err error) {
	if err := t.one(countUnsent, []any{string(org), string(uploader), most}, &n); err != nil {
		return 0, fmt.Errorf("count unsent attachments of %s: %w", uploader, err)
	}
	return n, nil
}

// CarryAttachment implements parley.Tx. ErrConflict where the message carries it
// already.
func (t *tx) CarryAttachment(org parley.OrgID, id parley.AttachmentID, conversation parley.ConversationID, message parley.MessageID) error {
	if _, err := t.exec(insertCarrier, string(org), id[:], message[:], conversation[:]); err != nil {
		return fmt.Errorf("message %s carries %s: %w", message, id, err)
	}
	return nil
}

// releaseAttachments has a message carry nothing.
func (t *tx) releaseAttachments(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	args := []any{string(org), conversation[:], message[:]}
	_, err := t.exec(releaseMessage, args...)
	if err == nil {
		_, err = t.exec(dropMessageCarriers, args...)
	}
	if err != nil {
		return fmt.Errorf("release attachments of %s: %w", message, err)
	}
	return nil
}

// ReleaseAttachments implements parley.Tx.
func (t *tx) ReleaseAttachments(org parley.OrgID, conversation parley.ConversationID) error {
	args := []any{string(org), conversation[:]}
	_, err := t.exec(releaseConversation, args...)
	if err == nil {
		_, err = t.exec(dropConversationCarriers, args...)
	}
	if err != nil {
		return fmt.Errorf("release attachments of %s: %w", conversation, err)
	}
	return nil
}

// DueAttachments implements parley.Tx.
func (t *tx) DueAttachments(before time.Time, limit int) (all []parley.Attachment, err error) {
	err = t.each(selectDue, []any{micros(before), limit}, func(r row) error {
		var a parley.Attachment
		err := r.Scan(attachmentDest(&a)...)
		all = append(all, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attachments that are due: %w", err)
	}
	return all, nil
}

// DeleteAttachment implements parley.Tx.
func (t *tx) DeleteAttachment(org parley.OrgID, id parley.AttachmentID) error {
	if _, err := t.exec(deleteAttachment, string(org), id[:]); err != nil {
		return fmt.Errorf("delete attachment %s: %w", id, err)
	}
	return nil
}

// Attachment implements parley.Reader.
func (s *Store) Attachment(ctx context.Context, org parley.OrgID, id parley.AttachmentID) (*parley.Attachment, error) {
	a := new(parley.Attachment)
	err := one(ctx, s.reads, selectAttachment, []any{string(org), id[:]}, attachmentDest(a)...)
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("attachment %s: %w", id, err)
	}
	return a, nil
}

// Carriers implements parley.Reader.
func (s *Store) Carriers(
	ctx context.Context, org parley.OrgID, id parley.AttachmentID, principal parley.PrincipalID, after parley.MessageID, limit int,
) ([]parley.MessageID, error) {
	if after.IsZero() {
		after = lastMessageID
	}
	args := []any{string(org), id[:], after[:], string(principal), limit}
	all, err := list(ctx, s.reads, selectCarriers, args, func(m *parley.MessageID) []any { return []any{into(m)} })
	if err = s.readError(ctx, err); err != nil {
		return nil, fmt.Errorf("carriers of %s: %w", id, err)
	}
	return all, nil
}

// lastMessageID is greater than every id that is made: those are UUIDs.
var lastMessageID = parley.MessageID{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}
