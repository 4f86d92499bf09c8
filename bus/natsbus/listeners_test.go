package natsbus

import (
	"testing"
	"time"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"*", "a", true},
		{"*", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a", false},
		{"a.*", "a.b.c", false},
		{"*.b.*", "a.b.c", true},
		{"*.b.*", "a.c.c", false},
		{"a.*.c", "a.bb.c", true},
	} {
		if got := matches(c.pattern, c.subject); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.subject, got)
		}
	}
}

// Of what a lone node says its server hears nothing.
func TestALoneNodeSaysNothingToItsServer(t *testing.T) {
	b, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	heard := make(chan struct{}, 1)
	if _, err := b.Subscribe("a", func(_, reply string, _ []byte) {
		if reply != "" {
			_ = b.Publish(reply, nil)
		}
		heard <- struct{}{}
	}); err != nil {
		t.Fatal(err)
	}
	before := b.conn.Stats()
	if err := b.Publish("a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	<-heard
	if _, err := b.Request(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	<-heard
	if after := b.conn.Stats(); after.OutMsgs != before.OutMsgs || after.InMsgs != before.InMsgs {
		t.Errorf("the connection sent %d messages and received %d", after.OutMsgs-before.OutMsgs, after.InMsgs-before.InMsgs)
	}
}

// An idle subscription holds no memory for what comes, and what was large is not
// kept for what is small.
func TestBatchesAreUsedAgain(t *testing.T) {
	var kept batches
	q := kept.get()
	q.add(delivery{data: make([]byte, 2*chunkBytes)})
	large := q
	kept.put(q)
	if q = kept.get(); q == large {
		t.Error("a large batch is used again")
	}
	data := []byte("one")
	q.add(delivery{data: data})
	q.add(delivery{data: make([]byte, firstChunk)}) // in another piece
	copy(data, "two")
	if got := q.list[0].data; string(got) != "one" || cap(got) != len(got) {
		t.Errorf("the first message is %q, with room for %d", got, cap(got))
	}
	kept.put(q)
	if len(q.list) != 0 || len(q.chunk) != 0 {
		t.Error("a batch is kept with what was in it")
	}
}

// patience is how long something that must happen may take on a busy machine.
const patience = 20 * time.Second

// A subscriber that is too slow costs itself messages, and is heard of.
func TestAFullQueueDropsWhatIsMore(t *testing.T) {
	b, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	began, release, last := make(chan struct{}, 1), make(chan struct{}), make(chan int, 1)
	calls := 0
	if _, err := b.Subscribe("a", func(string, string, []byte) {
		if calls++; calls == 1 {
			began <- struct{}{}
			<-release
		}
		if calls == pendingMessages {
			last <- calls
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i := range pendingMessages + 10 {
		if err := b.Publish("a", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-began
		}
	}
	if got := b.Dropped(); got != 10 {
		t.Errorf("dropped %d, want the 10 beyond %d", got, pendingMessages)
	}
	close(release)
	select {
	case <-last:
	case <-time.After(patience):
		t.Error("what was taken is not heard")
	}
}
