package spool_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/spool"
)

func TestCopyTakesAsMuchAsWasSaid(t *testing.T) {
	broken := errors.New("broken")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		size int64
		want error
	}{
		"as many":              {t.Context(), strings.NewReader("abc"), 3, nil},
		"byte by byte":         {t.Context(), iotest.OneByteReader(strings.NewReader("abc")), 3, nil},
		"the end with them":    {t.Context(), iotest.DataErrReader(strings.NewReader("abc")), 3, nil},
		"fewer":                {t.Context(), strings.NewReader("ab"), 3, parley.ErrBlobSize},
		"none":                 {t.Context(), strings.NewReader(""), 3, parley.ErrBlobSize},
		"more":                 {t.Context(), strings.NewReader("abcd"), 3, parley.ErrBlobSize},
		"broken on the way":    {t.Context(), io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), 3, broken},
		"broken where it ends": {t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 3, broken},
		"nobody waits":         {gone, strings.NewReader("abc"), 3, context.Canceled},
	} {
		var w strings.Builder
		sum, err := spool.Copy(c.ctx, &w, c.r, c.size)
		if !errors.Is(err, c.want) || err == nil && (sum != sha256.Sum256([]byte("abc")) || w.String() != "abc") {
			t.Errorf("%s: %q, %x, %v", name, w.String(), sum, err)
		}
		if w.Len() > int(c.size) {
			t.Errorf("%s: %d bytes were written", name, w.Len())
		}
	}
	if sum, err := spool.Sum(t.Context(), strings.NewReader("abc")); err != nil || sum != sha256.Sum256([]byte("abc")) {
		t.Errorf("sum %x, %v", sum, err)
	}
}
