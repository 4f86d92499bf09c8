package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
)

// TestRaces lets two nodes do the same at the same moment, on a store whose
// transactions really run at once.
func TestRaces(t *testing.T) {
	store, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.Start(t)})
	if err != nil {
		t.Fatal(err)
	}
	unlimited := func(c *Config) {
		c.Limits.PublishesPerMinute, c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1<<30, 1<<30, 1<<30
	}
	w := newWorldOn(t, store, unlimited)
	nodes := []*Engine{w.Engine, w.node("node-2", unlimited)}
	const times, rounds = 12, 5

	// together does something on both nodes at once and returns the outcomes.
	together := func(t *testing.T, fn func(e *Engine, i int) (string, error)) (distinct map[string]int) {
		t.Helper()
		var mu sync.Mutex
		distinct = map[string]int{}
		var all sync.WaitGroup
		for i := range times {
			all.Go(func() {
				s, err := fn(nodes[i%2], i)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				distinct[s]++
			})
		}
		all.Wait()
		return distinct
	}

	t.Run("a pair has one direct conversation", func(t *testing.T) {
		for round := range rounds {
			a, b := person(parley.PrincipalID(fmt.Sprint("a", round))), person(parley.PrincipalID(fmt.Sprint("b", round)))
			got := together(t, func(e *Engine, i int) (string, error) {
				caller, other := a, b
				if i%4 < 2 {
					caller, other = b, a
				}
				r, err := e.Do(context.Background(), caller, parley.CreateConversation{Members: []parley.PrincipalID{other.ID}})
				if err != nil {
					return "", err
				}
				return r.Conversation.ID.String(), nil
			})
			if len(got) != 1 {
				t.Errorf("%d conversations", len(got))
			}
		}
	})

	t.Run("a key publishes one event", func(t *testing.T) {
		for round := range rounds {
			got := together(t, func(e *Engine, i int) (string, error) {
				r, err := e.Do(context.Background(), ann, parley.PublishEvent{Type: "a.b", Channel: "c", IdempotencyKey: fmt.Sprint(round)})
				if err != nil {
					return "", err
				}
				return r.Event.ID.String() + r.Event.Time.String(), nil
			})
			if len(got) != 1 {
				t.Errorf("%d events: %v", len(got), got)
			}
		}
	})

	t.Run("a client_msg_id posts one message", func(t *testing.T) {
		id := w.group("ben")
		for round := range rounds {
			got := together(t, func(e *Engine, i int) (string, error) {
				r, err := e.Do(context.Background(), ann, parley.PostMessage{Conversation: id, Content: "x", ClientMsgID: fmt.Sprint(round)})
				if err != nil {
					return "", err
				}
				return fmt.Sprint(r.Message.ID, r.Message.Seq), nil
			})
			if len(got) != 1 {
				t.Errorf("%d messages: %v", len(got), got)
			}
		}
	})

	t.Run("a message starts one run", func(t *testing.T) {
		for range rounds {
			conversation, trigger := w.question()
			got := together(t, func(e *Engine, i int) (string, error) {
				run, err := e.StartRun(context.Background(), &demo, conversation, trigger)
				if errors.Is(err, parley.ErrConflict) {
					return "conflict", nil
				}
				if err != nil {
					return "", err
				}
				return "started", run.End(context.Background(), parley.RunCompleted, "")
			})
			if got["started"] != 1 || got["conflict"] != times-1 {
				t.Errorf("outcomes: %v", got)
			}
		}
	})

	t.Run("two nodes leave no gap", func(t *testing.T) {
		id := w.group("ben", "cleo")
		together(t, func(e *Engine, i int) (string, error) {
			for range 20 {
				if _, err := e.Do(context.Background(), []*parley.Principal{ann, ben, cleo}[i%3], parley.PostMessage{Conversation: id, Content: "x"}); err != nil {
					return "", err
				}
			}
			return "", nil
		})
		var changeSeq uint64
		for {
			events, err := store.Sequence(t.Context(), 256)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 {
				break
			}
			for _, ev := range events {
				if ev.Conversation != id {
					continue
				}
				if changeSeq++; ev.ChangeSeq != changeSeq {
					t.Fatalf("change_seq %d in the place of %d", ev.ChangeSeq, changeSeq)
				}
			}
		}
		if changeSeq != 1+20*times {
			t.Errorf("%d events", changeSeq)
		}
	})
}
