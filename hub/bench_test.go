package hub

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/membus"
)

// BenchmarkFanOut applies one message and hands its frame to every listener.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			benchFanOut(b, n, func(c *ListenerConfig) { c.Interest.Conversations = []parley.ConversationID{talk()} })
		})
		b.Run(fmt.Sprintf("patterns=%d", n), func(b *testing.B) {
			p, err := parley.ParsePattern("events.org_test.conversations.conversation.message_posted.*")
			if err != nil {
				b.Fatal(err)
			}
			benchFanOut(b, n, func(c *ListenerConfig) { c.Interest.Patterns = []parley.Pattern{p} })
		})
	}
}

func benchFanOut(b *testing.B, n int, change func(*ListenerConfig)) {
	store, bus := newMemStore(), membus.New()
	defer bus.Close()
	h := New(Config{Store: store, Bus: bus, Limits: parley.DefaultLimits(), Frame: frameLine, Dialects: []parley.Dialect{lineDialect{name: "topics"}}})
	defer h.Close()
	body := &parley.ConversationBody{Kind: parley.KindGroup}
	for i := range n {
		body.Members = append(body.Members, parley.MemberBody{Principal: parley.PrincipalID(fmt.Sprint("user", i)), Role: parley.RoleMember})
	}
	store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: talk(), Body: body})
	store.sequence(1)
	listeners := make([]*Listener, n)
	for i := range listeners {
		cfg := ListenerConfig{Principal: user(body.Members[i].Principal), Dialect: "topics", Writer: wakes(func() {})}
		change(&cfg)
		l, err := h.Attach(cfg)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Detach()
		listeners[i] = l
	}
	f := listeners[0].feed
	offset, buf := uint64(1), make([]byte, 0, 4096)
	tell := func() {
		offset++
		e := said("hello, world")
		e.Org, e.Class, e.Channel, e.ChangeSeq = testOrg, parley.Durable, parley.ChannelConversation, offset
		e.Position = parley.Position{Epoch: 1, Offset: offset}
		f.do(func() { f.arrived(e, e.Position) })
	}
	// The first event has the members read, off the loop; later ones find them.
	tell()
	for applied := uint64(0); applied < offset; {
		runtime.Gosched()
		f.do(func() { applied = f.applied.Offset })
	}
	for _, l := range listeners {
		if _, _, err := l.Next(context.Background(), buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		tell()
		for _, l := range listeners {
			frames, _, err := l.Next(context.Background(), buf[:0])
			if err != nil || len(frames) == 0 {
				b.Fatalf("no frame: %v", err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
}
