package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"strings"
	"unicode"

	"github.com/parley-chat/parley"
)

const (
	maxFileName    = 255 // bytes
	maxContentType = 127 // bytes
)

// beginUpload announces a file; its bytes are awaited then.
func (e *Engine) beginUpload(ctx context.Context, p *parley.Principal, cmd parley.BeginUpload) (parley.Result, error) {
	if e.cfg.Blobs == nil {
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "this server takes no attachments")
	}
	if err := e.checkUpload(&cmd); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var a *parley.Attachment
	err := e.update(ctx, p, func(w *write) error {
		c, m, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if c.Status != parley.StatusActive {
			return errClosed()
		}
		if err := may(toPost, c, m, false); err != nil {
			return err
		}
		most := e.cfg.Limits.UnsentAttachments
		n, err := w.CountUnsent(p.Org, p.ID, most)
		if err != nil {
			return fmt.Errorf("count unsent attachments: %w", err)
		}
		if n >= most {
			return parley.Errorf(parley.CodeRateLimited, "you have %d attachments that you have not sent; send some first", n)
		}
		a = &parley.Attachment{
			Org: p.Org, ID: e.cfg.IDs.NewID(), Conversation: c.ID, Uploader: p.ID,
			Name: cmd.Name, ContentType: cmd.ContentType, Size: cmd.Size, SHA256: cmd.SHA256,
			State: parley.AttachmentWaiting, CreatedAt: w.now, DueAt: w.now.Add(e.cfg.Limits.UnsentTTL),
		}
		return w.InsertAttachment(a)
	})
	return parley.Result{Attachment: a}, err
}

// checkUpload refuses what may not be uploaded, and makes the name and the type
// what they are kept as.
func (e *Engine) checkUpload(cmd *parley.BeginUpload) (err error) {
	if cmd.Name, err = fileName(cmd.Name); err != nil {
		return err
	}
	if cmd.ContentType, err = e.mediaType(cmd.ContentType); err != nil {
		return err
	}
	switch most := int64(e.cfg.Limits.AttachmentBytes); {
	case cmd.Size < 1:
		return invalid("size", "size must be the number of bytes, 1 or more")
	case cmd.Size > most:
		return &parley.Error{Code: parley.CodeTooLarge, Message: fmt.Sprintf("an attachment has at most %d bytes", most), Field: "size"}
	case cmd.SHA256 != nil && len(cmd.SHA256) != sha256.Size:
		return invalid("sha256", "sha256 is not a SHA-256")
	}
	return nil
}

// fileName is a client's name of a file without the directories before it. What
// could break out of a header or show another name than it is, is refused.
func fileName(name string) (string, error) {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if err := checkText("name", name, maxFileName); err != nil {
		return "", err
	}
	if strings.ContainsFunc(name, misleading) {
		return "", invalid("name", "name holds characters that no name has")
	}
	if name = strings.TrimSpace(name); strings.Trim(name, ".") == "" {
		return "", invalid("name", "name is not the name of a file")
	}
	return name, nil
}

// misleading reports whether a character is not shown, or turns the direction in
// which others are.
func misleading(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// mediaType is a content type without its parameters, if it may be uploaded.
func (e *Engine) mediaType(text string) (string, error) {
	media, _, err := mime.ParseMediaType(text)
	kind, sub, ok := strings.Cut(media, "/")
	if err != nil || !ok || kind == "" || sub == "" || strings.Contains(media, "*") || len(media) > maxContentType {
		return "", invalid("content_type", "content_type is not a content type such as image/png")
	}
	for _, may := range e.cfg.AttachmentTypes {
		begins, any := strings.CutSuffix(may, "*")
		if may == media || any && strings.HasPrefix(media, begins) || may == "*/*" {
			return media, nil
		}
	}
	return "", invalid("content_type", "attachments of the type %s are not taken", media)
}

// errNoAttachment is what everybody hears who may not know of an attachment.
func errNoAttachment(cause error) error {
	return &parley.Error{Code: parley.CodeNotFound, Message: "there is no such attachment", Err: cause}
}

// Upload takes the bytes of an attachment that was announced. It is for whoever has
// a URL of it that was signed; by whom is not asked again. The same bytes again are
// answered like the first time, whatever became of the attachment but its end. An
// error of r is returned as it is, within an *Error or not.
func (e *Engine) Upload(ctx context.Context, org parley.OrgID, id parley.AttachmentID, r io.Reader) (*parley.Attachment, error) {
	if e.cfg.Blobs == nil {
		return nil, errNoAttachment(nil)
	}
	a, err := e.cfg.Store.Attachment(ctx, org, id)
	if errors.Is(err, parley.ErrNotFound) || err == nil && a.State == parley.AttachmentGone {
		return nil, errNoAttachment(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read attachment %s: %w", id, err)
	}
	body := &announced{r: r, h: sha256.New()}
	if a.State == parley.AttachmentWaiting {
		body.want = a.SHA256
	}
	sum, err := e.cfg.Blobs.Put(ctx, id, body, a.Size)
	switch {
	case errors.Is(err, parley.ErrBlobSize):
		return nil, &parley.Error{
			Code: parley.CodeInvalidArgument, Message: fmt.Sprintf("the body must be the %d bytes that were announced", a.Size), Err: err,
		}
	case errors.Is(err, parley.ErrConflict):
		return nil, &parley.Error{Code: parley.CodeConflict, Message: "this attachment was uploaded already", Err: err}
	case err != nil:
		return nil, fmt.Errorf("store the bytes of %s: %w", id, err)
	}
	return e.uploaded(ctx, org, id, sum)
}

// announced is a reader whose bytes have the sum that was announced, if any was;
// else it fails at its end, so that they are not kept.
type announced struct {
	r    io.Reader
	h    hash.Hash
	want []byte
}

// Read implements io.Reader.
func (a *announced) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.h.Write(p[:n])
	if err == io.EOF && a.want != nil && !bytes.Equal(a.h.Sum(nil), a.want) {
		err = &parley.Error{Code: parley.CodeInvalidArgument, Message: "the bytes have not the sha256 that was announced"}
	}
	return n, err
}

// uploaded notes that the bytes are there. Who is too late takes them away again.
func (e *Engine) uploaded(ctx context.Context, org parley.OrgID, id parley.AttachmentID, sum [32]byte) (a *parley.Attachment, err error) {
	err = e.cfg.Store.Update(ctx, func(tx parley.Tx) error {
		if a, err = tx.Attachment(org, id); err != nil {
			return err
		}
		switch a.State {
		case parley.AttachmentGone:
			return parley.ErrNotFound
		case parley.AttachmentWaiting:
			a.State, a.SHA256 = parley.AttachmentStored, sum[:]
			return tx.UpdateAttachment(a)
		}
		return nil
	})
	if errors.Is(err, parley.ErrNotFound) {
		if err := e.cfg.Blobs.Delete(context.WithoutCancel(ctx), id); err != nil {
			e.cfg.Logger.Warn("engine: delete an upload that came too late", "attachment", id, "err", err)
		}
		return nil, errNoAttachment(err)
	}
	if err != nil {
		return nil, fmt.Errorf("note that %s was uploaded: %w", id, err)
	}
	return a, nil
}
