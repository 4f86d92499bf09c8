package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

var cheap = Cost{MemoryKiB: 8, Passes: 1, Threads: 1}

// A hash says its cost: one made at another is verified at that.
func TestHashesOfAnotherCostStayGood(t *testing.T) {
	old := newHasher(Cost{MemoryKiB: 16, Passes: 2, Threads: 1}, 1, rand.Reader)
	text, err := old.hash(t.Context(), "secret one")
	if err != nil || !strings.HasPrefix(text, "$argon2id$v=19$m=16,t=2,p=1$") {
		t.Fatalf("%q, %v", text, err)
	}
	now := newHasher(cheap, 1, rand.Reader)
	for password, want := range map[string]bool{"secret one": true, "secret two": false, "": false} {
		if ok, err := now.verify(t.Context(), text, password, nil); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	if again, _ := old.hash(t.Context(), "secret one"); again == text {
		t.Error("two hashes of a password are the same")
	}
}

func TestTheDefaultCostCanBeVerified(t *testing.T) {
	h := newHasher(DefaultCost, 1, rand.Reader)
	if ok, err := h.verify(t.Context(), h.nobodys(), "secret one", nil); ok || err != nil {
		t.Errorf("nobody's password: %v, %v", ok, err)
	}
}

func TestHashesThatAreNone(t *testing.T) {
	h := newHasher(cheap, 1, rand.Reader)
	good, err := h.hash(t.Context(), "secret one")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "secret one", "$2a$10$abc", good[1:], good + "$", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=8", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1),
		good[:strings.LastIndex(good, "$")+1], good[:len(good)-30],
	} {
		if ok, err := h.verify(t.Context(), text, "secret one", nil); ok || err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", text, ok, err)
		}
	}
}

// However many come, few hash at once, some wait, and the rest is told to come
// back.
func TestHashesAtOnceAreBounded(t *testing.T) {
	h := newHasher(cheap, 1, rand.Reader)
	ctx, cancel := context.WithCancel(t.Context())
	began, finish := make(chan struct{}), make(chan struct{})
	results := make(chan error, waiting+1)
	go func() { results <- h.do(ctx, nil, func() { close(began); <-finish }) }()
	<-began
	for range waiting {
		h.queue <- struct{}{} // as somebody who waits
	}
	_, err := h.hash(ctx, "secret one")
	if e := parley.AsError(err); err == nil || e.Code != parley.CodeRateLimited || e.RetryAfter == 0 {
		t.Errorf("the one too many: %v", err)
	}
	<-h.queue
	go func() { results <- h.do(ctx, nil, func() { t.Error("it was not its turn") }) }()
	cancel()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who waited: %v", err)
	}
	close(finish)
	if err := <-results; err != nil {
		t.Errorf("the first: %v", err)
	}
}
