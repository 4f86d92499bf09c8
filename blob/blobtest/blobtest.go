// Package blobtest is the contract of parley.Blobs as a suite. An adapter's test is
// a line:
//
//	func TestBlobs(t *testing.T) { blobtest.Run(t, open) }
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
)

// Run holds Blobs to the contract. open returns empty ones.
func Run(t *testing.T, open func(t *testing.T) parley.Blobs) {
	b := open(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b parley.Blobs)
	}{
		{"what was put is got, by parts too", putAndGet},
		{"what is not there is not found", notFound},
		{"what has not the size that was said is not kept", wrongSize},
		{"what breaks off is not kept", brokenOff},
		{"what is there is not replaced", notReplaced},
		{"of two who put at once one is kept", twoAtOnce},
		{"what was deleted is gone, and may be deleted again", deleted},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, b) })
	}
}

func newID() parley.AttachmentID { return parley.AttachmentID(uuid.Must(uuid.NewV7())) }

// put keeps a text.
func put(t *testing.T, b parley.Blobs, id parley.AttachmentID, text string) {
	t.Helper()
	sum, err := b.Put(t.Context(), id, strings.NewReader(text), int64(len(text)))
	if err != nil || sum != sha256.Sum256([]byte(text)) {
		t.Fatalf("put: %x, %v", sum, err)
	}
}

// holds asserts what is kept under an id.
func holds(t *testing.T, b parley.Blobs, id parley.AttachmentID, want string) {
	t.Helper()
	f, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || string(got) != want {
		t.Errorf("got %d bytes, want %d; %v", len(got), len(want), err)
	}
	if n, err := b.Stat(t.Context(), id); err != nil || n != int64(len(want)) {
		t.Errorf("size %d, want %d; %v", n, len(want), err)
	}
}

// isMissing asserts that nothing is kept under an id.
func isMissing(t *testing.T, b parley.Blobs, id parley.AttachmentID) {
	t.Helper()
	if f, err := b.Get(t.Context(), id); !errors.Is(err, parley.ErrNotFound) {
		t.Errorf("get: %v, %v", f, err)
	}
	if _, err := b.Stat(t.Context(), id); !errors.Is(err, parley.ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
}

func putAndGet(t *testing.T, b parley.Blobs) {
	id, text := newID(), string(bytes.Repeat([]byte("0123456789abcdef\x00\xff\r\n"), 1<<16))
	put(t, b, id, text)
	holds(t, b, id, text)
	f, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Seek(0, io.SeekEnd); n != int64(len(text)) || err != nil {
		t.Errorf("the end is at %d, want %d; %v", n, len(text), err)
	}
	if _, err := f.Seek(1<<17+3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 4096)
	if _, err := io.ReadFull(f, part); err != nil || string(part) != text[1<<17+3:][:4096] {
		t.Errorf("a part is another; %v", err)
	}
}

func notFound(t *testing.T, b parley.Blobs) {
	isMissing(t, b, newID())
	if err := b.Delete(t.Context(), newID()); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func wrongSize(t *testing.T, b parley.Blobs) {
	for name, size := range map[string]int64{"too long": 3, "too short": 5} {
		id := newID()
		if _, err := b.Put(t.Context(), id, strings.NewReader("four"), size); !errors.Is(err, parley.ErrBlobSize) {
			t.Errorf("%s: %v", name, err)
		}
		isMissing(t, b, id)
	}
}

func brokenOff(t *testing.T, b parley.Blobs) {
	broken, id := errors.New("broken off"), newID()
	r := io.MultiReader(strings.NewReader("fo"), iotest.ErrReader(broken))
	if _, err := b.Put(t.Context(), id, r, 4); !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	isMissing(t, b, id)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Put(gone, id, strings.NewReader("four"), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("put for somebody who is gone: %v", err)
	}
	isMissing(t, b, id)
	put(t, b, id, "four")
}

func notReplaced(t *testing.T, b parley.Blobs) {
	id := newID()
	put(t, b, id, "first")
	put(t, b, id, "first")
	if _, err := b.Put(t.Context(), id, strings.NewReader("other"), 5); !errors.Is(err, parley.ErrConflict) {
		t.Errorf("put: %v", err)
	}
	holds(t, b, id, "first")
}

func twoAtOnce(t *testing.T, b parley.Blobs) {
	for range 8 {
		id, texts := newID(), [...]string{"ada's", "bob's"}
		var errs [2]error
		var all sync.WaitGroup
		for i, text := range texts {
			all.Go(func() { _, errs[i] = b.Put(t.Context(), id, strings.NewReader(text), 5) })
		}
		all.Wait()
		kept := 0
		if errs[0] != nil {
			kept = 1
		}
		if errs[kept] != nil || !errors.Is(errs[1-kept], parley.ErrConflict) {
			t.Fatalf("%v", errs)
		}
		holds(t, b, id, texts[kept])
	}
}

func deleted(t *testing.T, b parley.Blobs) {
	id, other := newID(), newID()
	put(t, b, id, "here")
	put(t, b, other, "there")
	for range 2 {
		if err := b.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	isMissing(t, b, id)
	holds(t, b, other, "there")
}
