package tests

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/internal/pgtest"
)

// startNATS is somebody's NATS: a server that takes connections.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	address := freeAddress(t)
	bus, err := natsbus.Open(context.Background(), natsbus.Config{Dir: t.TempDir(), Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	return "nats://" + address
}

// pgURL is a fresh database.
func pgURL(t *testing.T) string { return pgtest.Start(t) }

// twoNodes are two servers on one PostgreSQL and one NATS, with one signing key.
func twoNodes(t *testing.T, args ...string) (a, b *server) {
	t.Helper()
	store, bus := pgURL(t), startNATS(t)
	a = newServer(t, append([]string{"--store-url", store, "--nats-url", bus}, args...)...)
	b = newServer(t, append([]string{"--store-url", store, "--nats-url", bus, "--data", a.dir}, args...)...)
	b.keys = a.keys
	a.start()
	b.start()
	return a, b
}

// P2 from any node, however many nodes write; P3 from another node than the one
// that is gone.
func TestTwoNodesHearEachOther(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	nodes := []*server{a, b}
	owner := a.token("owner")
	var conversations []string
	for range 3 {
		conversations = append(conversations, a.conversation(owner, "group", "ear"))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var ears []*listener
	for _, node := range nodes {
		for _, surface := range []string{"events", "bot", "topics", "chat"} {
			ears = append(ears, listen(ctx, t, node, surface, a.token("ear"), conversations))
		}
	}
	const messages = 600
	var posting sync.WaitGroup
	for sender := range 6 {
		posting.Go(func() {
			for n := sender; n < messages; n += 6 {
				id := fmt.Sprintf("m-%d", n)
				body := map[string]any{"conversation_id": conversations[n%3], "content_text": id, "client_msg_id": id}
				for ctx.Err() == nil {
					if _, err := nodes[n/6%2].call(ctx, "POST", "/v1/chat/messages/send", owner, body, nil); err == nil {
						break
					}
					wait(20 * time.Millisecond)
				}
				if n == messages/2 {
					a.kill() // in the midst; it comes back, with its clients
					a.start()
				}
			}
		})
	}
	posting.Wait()
	last := checkStored(t, b, owner, conversations, messages)
	for _, ear := range ears {
		eventually(t, 30*time.Second, ear.surface+" hears everything", func() bool { return ear.count() >= messages })
	}
	stop()
	for _, ear := range ears {
		ear.checkOnceInOrder(last)
	}
}

// A run whose node died is ended by another, for those who listen there.
func TestAnotherNodeEndsTheRunsOfADeadOne(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	owner := a.token("owner")
	conversation := a.conversation(owner, "agent_group", "ear", "demo")
	var ears []*listener
	for _, surface := range streaming {
		ears = append(ears, listen(ctx, t, b, surface, a.token("ear"), []string{conversation}))
	}
	a.must("POST", "/v1/chat/messages/send", owner, map[string]any{"conversation_id": conversation, "content_text": "Tell me a story"}, nil)
	for _, ear := range ears {
		eventually(t, 40*time.Second, ear.surface+" hears some of it", func() bool { x, _ := ear.streamed(); return x.pieces > 30 })
	}
	// Either node may own the run: whichever dies, the other goes on or ends it.
	a.kill()
	for _, ear := range ears {
		eventually(t, 40*time.Second, ear.surface+" is told the end", func() bool { x, _ := ear.streamed(); return x.ends > 0 })
		if x, _ := ear.streamed(); x.ends != 1 || x.status != "interrupted" && x.status != "completed" {
			t.Errorf("%s: told %d ends, %q", ear.surface, x.ends, x.status)
		}
	}
	whole := lastMessage(b, owner, conversation)
	for _, ear := range ears {
		if x, _ := ear.streamed(); x.text != whole {
			t.Errorf("%s: assembled %d bytes of %d", ear.surface, len(x.text), len(whole))
		}
	}
}
