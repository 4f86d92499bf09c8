package tests

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	crashRounds   = flag.Int("crash.rounds", 20, "rounds of the crash test")
	crashMessages = flag.Int("crash.messages", 10_000, "messages posted in each round")
	crashSeed     = flag.Uint64("crash.seed", 0, "seed of the moments of the kills; 0 draws one")
)

const (
	crashSenders       = 20
	crashConversations = 50
)

// P1, P2 and P3 over kill -9: what was acknowledged is kept, once; seq and
// change_seq have no gaps; and whoever resumes by cursor, on any surface, hears
// each message once and in order.
func TestAcknowledgedIsKeptOverKill9(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-crash.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	rounds, messages := *crashRounds, *crashMessages
	if testing.Short() {
		rounds, messages = 2, 2000
	}
	for round := range rounds {
		killAt := 1 + rng.Int64N(int64(messages)-1)
		t.Run(fmt.Sprintf("round %d", round+1), func(t *testing.T) { crashRound(t, messages, killAt) })
		if t.Failed() {
			return
		}
	}
}

func crashRound(t *testing.T, messages int, killAt int64) {
	s := newServer(t, "--no-demo-agent")
	s.start()
	owner := s.token("owner")
	senders := make([]string, crashSenders)
	members := []string{"ear"}
	for i := range senders {
		members = append(members, fmt.Sprintf("sender-%d", i))
		senders[i] = s.token(members[i+1])
	}
	conversations := make([]string, crashConversations)
	for i := range conversations {
		conversations[i] = s.conversation(owner, "group", members...)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears := []*listener{}
	for _, surface := range []string{"events", "bot", "topics", "chat"} {
		ears = append(ears, listen(ctx, t, s, surface, s.token("ear"), conversations))
	}

	var acked atomic.Int64
	killed := make(chan struct{})
	acks := make([]map[string]int, crashSenders) // client_msg_id → times acknowledged
	var posting sync.WaitGroup
	for i, token := range senders {
		acks[i] = map[string]int{}
		posting.Go(func() {
			for n := i; n < messages; n += crashSenders {
				id := fmt.Sprintf("m-%d", n)
				body := map[string]any{"conversation_id": conversations[n%crashConversations], "content_text": id, "client_msg_id": id}
				for ctx.Err() == nil {
					if _, err := s.call(ctx, "POST", "/v1/chat/messages/send", token, body, nil); err == nil {
						break
					}
					wait(10 * time.Millisecond) // the same message again, under the same client_msg_id
				}
				acks[i][id]++
				if acked.Add(1) == killAt {
					close(killed)
				}
			}
		})
	}
	<-killed
	s.kill()
	s.start()
	posting.Wait()

	last := checkStored(t, s, owner, conversations, messages)
	for _, ear := range ears {
		eventually(t, 30*time.Second, ear.surface+" hears everything", func() bool { return ear.count() >= messages })
	}
	stop()
	for _, ear := range ears {
		ear.checkOnceInOrder(last)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("the server ended with %d: %s", code, s.log)
	}
}

// checkStored reads every conversation's history: each message once, seq without
// a gap. It returns the last seq of each.
func checkStored(t *testing.T, s *server, token string, conversations []string, messages int) map[string]uint64 {
	t.Helper()
	last := map[string]uint64{}
	seen := map[string]bool{}
	for _, id := range conversations {
		for {
			var page struct {
				Messages []struct {
					SeqNum      uint64 `json:"seq_num"`
					ContentText string `json:"content_text"`
				}
				CurrentSeq uint64 `json:"current_seq"`
			}
			s.must("GET", fmt.Sprintf("/v1/chat/conversations/%s/messages?from_seq=%d&limit=500", id, last[id]+1), token, nil, &page)
			for _, m := range page.Messages {
				if m.SeqNum != last[id]+1 {
					t.Fatalf("conversation %s: seq %d after %d", id, m.SeqNum, last[id])
				}
				if seen[m.ContentText] {
					t.Fatalf("message %s is there twice", m.ContentText)
				}
				last[id], seen[m.ContentText] = m.SeqNum, true
			}
			if last[id] >= page.CurrentSeq {
				break
			}
		}
	}
	if len(seen) != messages {
		t.Fatalf("%d messages are stored of %d acknowledged", len(seen), messages)
	}
	return last
}
