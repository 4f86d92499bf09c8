package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

// checkAttachments refuses lists that no message may have.
func (e *Engine) checkAttachments(ids []parley.AttachmentID) error {
	if most := e.cfg.Limits.MessageAttachments; len(ids) > most {
		return invalid("attachments", "a message has at most %d attachments", most)
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return invalid("attachments", "attachments names %s twice", id)
		}
	}
	return nil
}

// send has a new message carry uploads of the caller's: they are complete, for this
// conversation, and no message carries them yet.
func (w *write) send(m *parley.Message, ids []parley.AttachmentID) error {
	m.Attachments = make([]parley.File, len(ids))
	for _, i := range inOrder(len(ids), func(i int) parley.AttachmentID { return ids[i] }) {
		a, err := w.Attachment(w.caller.Org, ids[i])
		if err != nil && !errors.Is(err, parley.ErrNotFound) {
			return fmt.Errorf("read attachment %s: %w", ids[i], err)
		}
		switch {
		case err != nil || a.Uploader != w.caller.ID || a.Conversation != m.Conversation || !a.Unsent():
			return invalid("attachments", "attachments[%d] is no upload of yours for this conversation that was not sent yet", i)
		case a.State == parley.AttachmentWaiting:
			return invalid("attachments", "attachments[%d] was not uploaded yet", i)
		}
		m.Attachments[i] = a.File()
		a.State, a.DueAt = parley.AttachmentSent, time.Time{}
		if err := w.carry(m, a); err != nil {
			return err
		}
	}
	return nil
}

// share has a new message carry what another carries, which the caller may see.
func (w *write) share(m *parley.Message, files []parley.File) error {
	for _, i := range inOrder(len(files), func(i int) parley.AttachmentID { return files[i].ID }) {
		a, err := w.Attachment(w.caller.Org, files[i].ID)
		if err != nil {
			return fmt.Errorf("read attachment %s: %w", files[i].ID, err)
		}
		if err := w.carry(m, a); err != nil {
			return err
		}
	}
	m.Attachments = files
	return nil
}

func (w *write) carry(m *parley.Message, a *parley.Attachment) error {
	err := w.CarryAttachment(a.Org, a.ID, m.Conversation, m.ID)
	if err == nil {
		err = w.UpdateAttachment(a)
	}
	if err != nil {
		return fmt.Errorf("message %s carries %s: %w", m.ID, a.ID, err)
	}
	return nil
}

// inOrder lists 0 to n-1 in the order of the ids there: of two who hold the same
// attachments the one waits for the other and never both.
func inOrder(n int, id func(int) parley.AttachmentID) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	slices.SortFunc(list, func(i, j int) int {
		a, b := id(i), id(j)
		return bytes.Compare(a[:], b[:])
	})
	return list
}

// contentTypeOf is the content_type of a message whose sender said none: what all
// its attachments are, else file.
func contentTypeOf(files []parley.File) string {
	if len(files) == 0 {
		return "text"
	}
	kind, _, _ := strings.Cut(files[0].ContentType, "/")
	for _, f := range files {
		if !strings.HasPrefix(f.ContentType, kind+"/") {
			return "file"
		}
	}
	switch kind {
	case "image", "audio", "video":
		return kind
	}
	return "file"
}
