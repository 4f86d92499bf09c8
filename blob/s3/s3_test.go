package s3_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/blob/blobtest"
	"github.com/parley-chat/parley/blob/s3"
)

// object is an object store in this process, with a bucket "files".
func object(t *testing.T) (*httptest.Server, s3.Config) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	return server, s3.Config{
		Endpoint: server.URL, Bucket: "files", Region: "us-east-1", AccessKey: "key", SecretKey: "s3cret-of-the-bucket",
		PathStyle: true, Prefix: "parley/", Spool: t.TempDir(),
	}
}

func open(t *testing.T, c s3.Config) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestBlobs(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) parley.Blobs {
		_, c := object(t)
		return open(t, c)
	})
}

func TestNothingStaysInTheSpool(t *testing.T) {
	_, c := object(t)
	b := open(t, c)
	for _, size := range []int64{4, 5} {
		_, _ = b.Put(t.Context(), parley.AttachmentID{byte(size)}, strings.NewReader("four"), size)
	}
	if left, err := os.ReadDir(c.Spool); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestAStoreThatIsAwayIsUnavailable(t *testing.T) {
	server, c := object(t)
	b := open(t, c)
	server.Close()
	for name, do := range map[string]func() error{
		"put": func() error {
			_, err := b.Put(t.Context(), parley.AttachmentID{1}, strings.NewReader("x"), 1)
			return err
		},
		"get":    func() error { _, err := b.Get(t.Context(), parley.AttachmentID{1}); return err },
		"stat":   func() error { _, err := b.Stat(t.Context(), parley.AttachmentID{1}); return err },
		"delete": func() error { return b.Delete(t.Context(), parley.AttachmentID{1}) },
	} {
		if err := do(); !errors.Is(err, parley.ErrUnavailable) || strings.Contains(err.Error(), c.SecretKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABadPlaceIsRefusedAtOnce(t *testing.T) {
	_, good := object(t)
	for name, change := range map[string]func(*s3.Config){
		"no bucket":      func(c *s3.Config) { c.Bucket = "another" },
		"no scheme":      func(c *s3.Config) { c.Endpoint = strings.TrimPrefix(c.Endpoint, "http://") },
		"another scheme": func(c *s3.Config) { c.Endpoint = "ftp://example.com" },
		"a path":         func(c *s3.Config) { c.Endpoint += "/files" },
	} {
		c := good
		change(&c)
		if _, err := s3.Open(t.Context(), c); err == nil || strings.Contains(err.Error(), c.SecretKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
