package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
)

// BenchmarkPost posts messages from many goroutines into 100 conversations.
func BenchmarkPost(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1<<30, 1<<30 })
	var ids []parley.ConversationID
	for i := range 100 {
		ids = append(ids, w.group(parley.PrincipalID(fmt.Sprint("member-", i))))
	}
	var n atomic.Uint64
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := ids[n.Add(1)%uint64(len(ids))]
			if _, err := w.Do(context.Background(), ann, parley.PostMessage{Conversation: id, Content: "hello, everybody"}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkDelta appends one token to a run, and waits at the end until all are
// kept and told.
func BenchmarkDelta(b *testing.B) {
	w := newWorld(b)
	id := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	run, err := w.StartRun(context.Background(), &demo, id, parley.MessageID{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%(maxRunText/8) == maxRunText/8-1 { // an answer is bounded: begin another
			b.StopTimer()
			if err := run.End(context.Background(), parley.RunCompleted, ""); err != nil {
				b.Fatal(err)
			}
			if run, err = w.StartRun(context.Background(), &demo, id, parley.MessageID{}); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := run.Delta(context.Background(), "a token"); err != nil {
			b.Fatal(err)
		}
	}
	if err := run.End(context.Background(), parley.RunCompleted, ""); err != nil {
		b.Fatal(err)
	}
}
