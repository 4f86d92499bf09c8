package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
)

// Bench measures what a message costs a store: the conversation's numbers, the
// row and its event, each in an update of its own, by 1 caller and by 64 at once,
// who post to as many conversations as they are.
func Bench(b *testing.B, s parley.Store) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchUpdate(b, s, callers) })
	}
}

func benchUpdate(b *testing.B, s parley.Store, callers int) {
	ctx := context.Background()
	org := parley.OrgID(fmt.Sprintf("org_bench_%d", orgs.Add(1)))
	list := make([]*parley.Conversation, callers)
	for i := range list {
		list[i] = newConversation(org)
		if err := s.Update(ctx, func(tx parley.Tx) error { return tx.InsertConversation(list[i]) }); err != nil {
			b.Fatal(err)
		}
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range list {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				err := s.Update(ctx, func(tx parley.Tx) error {
					_, err := post(tx, org, c.ID, "ann")
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
