// Package spool copies streams whose length was announced.
package spool

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/parley-chat/parley"
)

// Copy copies size bytes from r to w and returns their SHA-256. Where r has fewer
// or more it is parley.ErrBlobSize; no more than one byte beyond them is read. An
// error of r is returned as it is. It ends when ctx does, as soon as r yields
// something.
func Copy(ctx context.Context, w io.Writer, r io.Reader, size int64) (sum [32]byte, err error) {
	r = &reader{ctx, r}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, size))
	if err != nil {
		return sum, err
	}
	if n < size {
		return sum, fmt.Errorf("%d bytes of %d: %w", n, size, parley.ErrBlobSize)
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return sum, fmt.Errorf("more than %d bytes: %w", size, parley.ErrBlobSize)
	case err != io.EOF:
		return sum, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// Sum is the SHA-256 of all that r has.
func Sum(ctx context.Context, r io.Reader) (sum [32]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, &reader{ctx, r}); err != nil {
		return sum, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
