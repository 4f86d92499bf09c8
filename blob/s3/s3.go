// Package s3 keeps the bytes of attachments in a bucket of an S3-compatible object
// store. An object's key is a prefix and the attachment's id.
//
// What comes in goes to a temporary file first: an object store keeps what it was
// sent, and that it was too long or too short would be known only then.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/spool"
)

// MaxSize is the largest object that one request writes, in bytes.
const MaxSize = 5 << 30

// Config says where the bucket is. All but Region, Prefix and Spool must be set.
type Config struct {
	Endpoint  string // https://s3.eu-central-1.amazonaws.com, http://minio:9000
	Bucket    string // which must be there
	Region    string // empty: asked of the store
	AccessKey string
	SecretKey string
	// PathStyle puts the bucket into the path and not into the host's name, as most
	// stores but Amazon's want it.
	PathStyle bool
	Prefix    string // of all keys; empty for none
	Spool     string // directory of temporary files; empty: the system's
}

// Bucket is a parley.Blobs in a bucket.
type Bucket struct {
	cfg       Config
	client    *minio.Client
	transport *http.Transport
}

var _ parley.Blobs = (*Bucket)(nil)

// Open makes a Bucket and asks the store whether the bucket is there; it is an
// error where it is not, or the store does not answer.
func Open(ctx context.Context, c Config) (*Bucket, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("s3: the endpoint %q is not http:// or https:// and a host", c.Endpoint)
	}
	lookup := minio.BucketLookupDNS
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure: u.Scheme == "https", Region: c.Region, BucketLookup: lookup, MaxRetries: 3, Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	b := &Bucket{c, client, transport}
	there, err := client.BucketExists(ctx, c.Bucket)
	switch {
	case err != nil:
		err = fmt.Errorf("s3: look for bucket %s: %w", c.Bucket, translate(err))
	case !there:
		err = fmt.Errorf("s3: there is no bucket %s", c.Bucket)
	}
	if err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// Close lets go of the connections that nobody uses.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

func (b *Bucket) key(id parley.AttachmentID) string { return b.cfg.Prefix + id.String() }

// Put implements parley.Blobs.
func (b *Bucket) Put(ctx context.Context, id parley.AttachmentID, r io.Reader, size int64) (sum [32]byte, err error) {
	f, err := os.CreateTemp(b.cfg.Spool, "parley-upload-*") // mode 0600
	if err != nil {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if sum, err = spool.Copy(ctx, f, r, size); err != nil {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	// Not every store heeds the condition; that one does not is no reason to replace
	// what has been there for long.
	_, err = b.Stat(ctx, id)
	if err == nil {
		return sum, b.same(ctx, id, sum)
	}
	if !errors.Is(err, parley.ErrNotFound) {
		return sum, err
	}
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	opts.SetMatchETagExcept("*")
	_, err = b.client.PutObject(ctx, b.cfg.Bucket, b.key(id), f, size, opts)
	if minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed {
		return sum, b.same(ctx, id, sum)
	}
	if err != nil {
		return sum, fmt.Errorf("put %s: %w", id, translate(err))
	}
	return sum, nil
}

// same is parley.ErrConflict unless the bytes of an id have this sum.
func (b *Bucket) same(ctx context.Context, id parley.AttachmentID, sum [32]byte) error {
	o, err := b.Get(ctx, id)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }()
	there, err := spool.Sum(ctx, o)
	if err == nil && there != sum {
		err = parley.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", id, translate(err))
	}
	return nil
}

// Get implements parley.Blobs.
func (b *Bucket) Get(ctx context.Context, id parley.AttachmentID) (io.ReadSeekCloser, error) {
	o, err := b.client.GetObject(ctx, b.cfg.Bucket, b.key(id), minio.GetObjectOptions{})
	if err == nil {
		_, err = o.Stat() // nothing was asked until here
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", id, translate(err))
	}
	return o, nil
}

// Stat implements parley.Blobs.
func (b *Bucket) Stat(ctx context.Context, id parley.AttachmentID) (int64, error) {
	info, err := b.client.StatObject(ctx, b.cfg.Bucket, b.key(id), minio.StatObjectOptions{})
	if err != nil {
		return 0, fmt.Errorf("stat %s: %w", id, translate(err))
	}
	return info.Size, nil
}

// Delete implements parley.Blobs.
func (b *Bucket) Delete(ctx context.Context, id parley.AttachmentID) error {
	err := b.client.RemoveObject(ctx, b.cfg.Bucket, b.key(id), minio.RemoveObjectOptions{})
	if err = translate(err); err != nil && !errors.Is(err, parley.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	return nil
}

// translate gives the errors that callers tell apart their meaning.
func translate(err error) error {
	var network net.Error
	switch response := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case response.Code == minio.NoSuchKey:
		return fmt.Errorf("%w: %w", parley.ErrNotFound, err)
	case response.StatusCode >= 500, errors.As(err, &network):
		return fmt.Errorf("%w: %w", parley.ErrUnavailable, err)
	}
	return err
}
