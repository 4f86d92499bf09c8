package httpd

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// Attachments is what a Server needs to take attachments and to give them out. All
// fields but Grace must be set.
type Attachments struct {
	Blobs parley.Blobs
	// Upload takes the bytes of one that was announced (engine.Engine.Upload).
	Upload func(ctx context.Context, org parley.OrgID, id parley.AttachmentID, r io.Reader) (*parley.Attachment, error)
	// Key signs URLs: 32 secret bytes, the same on all nodes.
	Key []byte
	// Grace is what a transfer may take besides the time that its bytes take at
	// slowestTransfer; zero is 30 s.
	Grace time.Duration
}

// slowestTransfer is in bytes per second. Whoever is slower holds a connection for
// nothing.
const slowestTransfer = 32 << 10

func (a *Attachments) transferTime(bytes int64) time.Duration {
	return a.grace() + time.Duration(bytes/slowestTransfer)*time.Second
}

func (a *Attachments) grace() time.Duration {
	if a.Grace == 0 {
		return 30 * time.Second
	}
	return a.Grace
}

type chatAttachment struct {
	ID             parley.AttachmentID   `json:"id"`
	ConversationID parley.ConversationID `json:"conversation_id"`
	Name           string                `json:"name"`
	ContentType    string                `json:"content_type"`
	Size           int64                 `json:"size"`
	SHA256         *string               `json:"sha256"` // in hex
	State          string                `json:"state"`  // waiting, stored, sent
	CreatedAt      stamp                 `json:"created_at"`
	URL            *string               `json:"url"` // of the bytes, for who asked; null while they are awaited
	URLExpiresAt   *stamp                `json:"url_expires_at"`
}

func chatAttachmentOf(a *parley.Attachment) chatAttachment {
	return chatAttachment{
		ID: a.ID, ConversationID: a.Conversation, Name: a.Name, ContentType: a.ContentType, Size: a.Size,
		SHA256: orNull(hex.EncodeToString(a.SHA256)), State: string(a.State), CreatedAt: stamp(a.CreatedAt),
	}
}

type announcedAttachment struct {
	Attachment chatAttachment `json:"attachment"`
	Upload     uploadRequest  `json:"upload"`
}

// uploadRequest is the request that uploads the bytes.
type uploadRequest struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	ExpiresAt stamp             `json:"expires_at"`
}

// attachmentID is the id in the path, where this server takes attachments.
func (s *Server) attachmentID(c *call) (parley.AttachmentID, error) {
	id, err := parley.ParseAttachmentID(c.r.PathValue("id"))
	if err != nil || s.Attachments == nil {
		return id, errNoAttachment
	}
	return id, nil
}

// announceAttachment begins an upload; the answer says how it goes on.
func (s *Server) announceAttachment(c *call) error {
	if s.Attachments == nil {
		return parley.Errorf(parley.CodeNotFound, "this server takes no attachments")
	}
	b := &c.body
	cmd := parley.BeginUpload{
		Conversation: b.conversation("conversation_id"), Name: b.need("name"), ContentType: b.need("content_type"),
	}
	size, given, err := b.object.Uint("size")
	b.fail(err)
	b.badIf(!given || size > 1<<62, "size", "size is required and must be a number of bytes")
	cmd.Size = int64(size)
	if text := b.text("sha256"); text != "" {
		cmd.SHA256, err = hex.DecodeString(text)
		b.badIf(err != nil, "sha256", "sha256 must be in hex")
	}
	if b.err != nil {
		return b.err
	}
	result, err := s.Engine.Do(c.ctx, c.who, cmd)
	if err != nil {
		return err
	}
	a := result.Attachment
	to, expires := s.signedURL(c, toUpload, a.ID)
	return c.reply(http.StatusCreated, announcedAttachment{chatAttachmentOf(a), uploadRequest{
		Method: http.MethodPut, URL: to, Headers: map[string]string{"Content-Type": a.ContentType}, ExpiresAt: stamp(expires),
	}})
}

// uploadAttachment takes the bytes: as many as were announced, of the type that was.
func (s *Server) uploadAttachment(c *call) error {
	id, to, err := s.granted(c)
	if err != nil {
		return err
	}
	if to != toUpload {
		return errNoAttachment
	}
	a, err := s.Store.Attachment(c.ctx, c.who.Org, id)
	if isNotFound(err) {
		return errNoAttachment
	}
	if err != nil {
		return err
	}
	if err := asAnnounced(c.r, a); err != nil {
		c.w.Header().Set("Connection", "close") // its body is not read
		return err
	}
	if !s.uploads.begin(id) {
		c.w.Header().Set("Connection", "close")
		return parley.Errorf(parley.CodeConflict, "the file is being uploaded already")
	}
	defer s.uploads.end(id)
	if a, err = s.takeBytes(c, a); err != nil {
		return err
	}
	return c.reply(http.StatusOK, chatAttachmentOf(a))
}

// uploads counts those under way. Each holds as much as its file may be: who has a
// URL could have any number of them. Safe for concurrent use.
type uploads struct {
	mu sync.Mutex
	of map[parley.AttachmentID]int
}

// sameUploads is how many uploads of one file there may be at once: whoever lost a
// connection tries again before the server knows that it is lost.
const sameUploads = 3

// begin counts another; false where there are too many.
func (u *uploads) begin(id parley.AttachmentID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[id] == sameUploads {
		return false
	}
	if u.of == nil {
		u.of = map[parley.AttachmentID]int{}
	}
	u.of[id]++
	return true
}

func (u *uploads) end(id parley.AttachmentID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[id]--; u.of[id] == 0 {
		delete(u.of, id)
	}
}

// asAnnounced refuses an upload whose head says already that it is another.
func asAnnounced(r *http.Request, a *parley.Attachment) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || media != a.ContentType:
		return parley.Errorf(parley.CodeInvalidArgument, "the upload must be sent with Content-Type: %s", a.ContentType)
	case r.ContentLength > a.Size:
		return parley.Errorf(parley.CodeTooLarge, "the body is over the %d bytes that were announced", a.Size)
	case r.ContentLength >= 0 && r.ContentLength < a.Size:
		return parley.Errorf(parley.CodeInvalidArgument, "the body must be the %d bytes that were announced", a.Size)
	}
	return nil
}

// takeBytes reads the body, within the time that it may take.
func (s *Server) takeBytes(c *call, a *parley.Attachment) (*parley.Attachment, error) {
	ends := time.Now().Add(s.Attachments.transferTime(a.Size))
	answered := ends.Add(s.Attachments.grace())
	rc := http.NewResponseController(c.w)
	_ = rc.SetReadDeadline(ends) // a writer of a test may have none
	_ = rc.SetWriteDeadline(answered)
	ctx, cancel := context.WithDeadline(c.r.Context(), answered)
	defer cancel()
	body := &torn{r: http.MaxBytesReader(c.w, c.r.Body, a.Size)}
	stored, err := s.Attachments.Upload(ctx, a.Org, a.ID, body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(body.err, &tooLarge):
		return nil, parley.Errorf(parley.CodeTooLarge, "the body is over the %d bytes that were announced", a.Size)
	case err != nil && body.err != nil: // whose context ends with it
		return nil, &parley.Error{Code: parley.CodeInvalidFormat, Message: "the body could not be read to its end", Err: body.err}
	}
	return stored, err
}

// torn remembers why a reader ended before its end.
type torn struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (t *torn) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// getAttachment tells of an attachment, with a URL of its bytes for the caller.
func (s *Server) getAttachment(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	id, err := s.attachmentID(c)
	if err != nil {
		return err
	}
	a, err := s.attachment(c.ctx, c.who, id)
	if err != nil {
		return err
	}
	v := chatAttachmentOf(a)
	if a.State != parley.AttachmentWaiting {
		to := toFetch
		if c.who.Can(parley.ScopeConversationsReadAll) {
			to = toFetchAll
		}
		url, expires := s.signedURL(c, to, id)
		v.URL, v.URLExpiresAt = &url, (*stamp)(&expires)
	}
	return c.reply(http.StatusOK, v)
}

// attachment reads an attachment that the caller may see: its own until it was
// sent, then one that a message carries which the caller can read.
func (s *Server) attachment(ctx context.Context, who *parley.Principal, id parley.AttachmentID) (*parley.Attachment, error) {
	a, err := s.Store.Attachment(ctx, who.Org, id)
	switch {
	case isNotFound(err):
		return nil, errNoAttachment
	case err != nil:
		return nil, err
	case a.Unsent() && a.Uploader == who.ID:
		return a, nil
	case a.State != parley.AttachmentSent:
		return nil, errNoAttachment
	}
	var after parley.MessageID
	for {
		const page = 64
		carriers, err := s.Store.Carriers(ctx, who.Org, id, who.ID, after, page)
		if err != nil {
			return nil, err
		}
		for _, m := range carriers {
			if _, _, err := s.one(ctx, who, m); err == nil {
				return a, nil
			} else if !isNotFound(err) {
				return nil, err
			}
			after = m
		}
		if len(carriers) < page {
			return nil, errNoAttachment
		}
	}
}

// fetchAttachment gives out the bytes, whole or by ranges: to who has a signed URL,
// in the name of whom it was made for, or a credential. Whether that one may see
// them is asked each time.
func (s *Server) fetchAttachment(c *call) error {
	id, to, err := s.granted(c)
	if err != nil {
		return err
	}
	if to == toUpload {
		return errNoAttachment
	}
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	a, err := s.attachment(c.ctx, c.who, id)
	if err != nil {
		return err
	}
	if a.State == parley.AttachmentWaiting {
		return errNoAttachment
	}
	return s.giveBytes(c, a)
}

func (s *Server) giveBytes(c *call, a *parley.Attachment) error {
	took := s.Attachments.transferTime(a.Size)
	ctx, cancel := context.WithTimeout(c.r.Context(), took)
	defer cancel()
	f, err := s.Attachments.Blobs.Get(ctx, a.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return errNoAttachment // it goes just now
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(took))
	h := c.w.Header()
	h.Set("Content-Type", a.ContentType)
	h.Set("Content-Disposition", disposition(a))
	// What somebody uploaded runs nothing, whatever a browser takes it for.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("ETag", `"`+hex.EncodeToString(a.SHA256)+`"`)
	http.ServeContent(c.w, c.r, "", time.Time{}, f)
	return nil
}

// shownInline are the types that browsers show and that hold no script.
var shownInline = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true,
}

// disposition has a browser keep a file under its name, and show what is a picture.
func disposition(a *parley.Attachment) string {
	how := "attachment"
	if shownInline[a.ContentType] {
		how = "inline"
	}
	if text := mime.FormatMediaType(how, map[string]string{"filename": a.Name}); text != "" {
		return text
	}
	return how
}
