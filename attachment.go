package parley

import (
	"context"
	"io"
	"time"
)

// Attachment is a file that somebody puts into a conversation: what is known of it.
// Its bytes lie in a Blobs under its id.
type Attachment struct {
	Org          OrgID
	ID           AttachmentID
	Conversation ConversationID // it was uploaded for
	Uploader     PrincipalID
	// Name is the client's own, without directories and control characters. It is
	// shown; nothing is ever stored under it.
	Name        string
	ContentType string // type/subtype, in lower case, without parameters
	Size        int64  // bytes: as many are taken, neither more nor fewer
	// SHA256 is of the bytes that are stored; before that what the uploader announced,
	// nil for nothing.
	SHA256    []byte
	State     AttachmentState
	CreatedAt time.Time
	// DueAt is when it may be let go of; zero while a message carries it.
	DueAt time.Time
}

// AttachmentState says how far an attachment has come.
type AttachmentState string

// The states of an attachment, in their order.
const (
	AttachmentWaiting AttachmentState = "waiting" // for its bytes
	AttachmentStored  AttachmentState = "stored"  // and no message carried it yet
	AttachmentSent    AttachmentState = "sent"    // a message carries it, or did
	AttachmentGone    AttachmentState = "gone"    // its bytes are being deleted
)

// Released is the DueAt of an attachment that the last message let go of.
var Released = time.UnixMicro(1).UTC()

// Unsent reports whether no message ever carried it.
func (a *Attachment) Unsent() bool {
	return a.State == AttachmentWaiting || a.State == AttachmentStored
}

// File is what a message says of an attachment that it carries.
type File struct {
	ID          AttachmentID `json:"id"`
	Name        string       `json:"name"`
	ContentType string       `json:"content_type"`
	Size        int64        `json:"size"` // bytes
}

// File is what messages say of it.
func (a *Attachment) File() File { return File{a.ID, a.Name, a.ContentType, a.Size} }

// DefaultAttachmentTypes are the content types that may be uploaded where nothing
// else is configured. One that ends with * is all that begin like it.
func DefaultAttachmentTypes() []string {
	return []string{
		"image/*", "audio/*", "video/*", "text/plain", "text/csv", "text/markdown", "application/pdf", "application/json",
		"application/zip", "application/gzip", "application/rtf", "application/msword", "application/vnd.*",
		"application/octet-stream",
	}
}

// Blobs keeps the bytes of attachments: a local directory, or an object store. All
// methods may be called concurrently. One that cannot be reached answers
// ErrUnavailable.
type Blobs interface {
	// Put keeps what r yields, which must be size bytes, one at least, and returns their SHA-256.
	// Fewer or more are ErrBlobSize, an error of r is returned as it is; nothing is
	// kept then. What is there already stays: the same bytes again are success, others
	// ErrConflict. Until it returns nobody can Get any of it.
	Put(ctx context.Context, id AttachmentID, r io.Reader, size int64) (sum [32]byte, err error)
	// Get opens the bytes from their beginning; ErrNotFound where there are none. The
	// context bounds the reading too.
	Get(ctx context.Context, id AttachmentID) (io.ReadSeekCloser, error)
	// Stat tells how many bytes there are; ErrNotFound where there are none.
	Stat(ctx context.Context, id AttachmentID) (size int64, err error)
	// Delete lets go of them. Idempotent; who reads them meanwhile may or may not come
	// to the end.
	Delete(ctx context.Context, id AttachmentID) error
}
