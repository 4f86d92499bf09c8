package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/membus"
)

// TestManyComeAndGo lets listeners attach, subscribe, read and leave on many
// goroutines while events flow. Each must hear the conversation's messages in
// order, without gap, from its first to the last, over all its connections.
func TestManyComeAndGo(t *testing.T) {
	const readers, messages = 16, 400
	store, bus := newMemStore(), membus.New()
	defer bus.Close()
	limits := parley.DefaultLimits()
	limits.QueueFrames, limits.RingEvents = 8, 32
	h := New(Config{
		Store: store, Bus: bus, Limits: limits, Frame: frameLine,
		Dialects: []parley.Dialect{lineDialect{name: "topics"}},
	})
	defer h.Close()
	store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: talk(), Body: &parley.ConversationBody{
		Kind: parley.KindGroup, Members: []parley.MemberBody{{Principal: "ada", Role: parley.RoleOwner}},
	}})
	publish := func() {
		for _, e := range store.sequence(1 << 20) {
			if err := bus.Publish(parley.OrgSubject("log", testOrg), logMessage(e, false)); err != nil {
				t.Error(err)
			}
		}
	}
	publish()
	start := store.at[0].Cursor()

	var wg sync.WaitGroup
	for n := range readers {
		wg.Go(func() { follow(t, h, start, messages+1, rand.New(rand.NewPCG(uint64(n), 0))) })
	}
	for n := range messages {
		store.commit(said(fmt.Sprint(n)))
		publish()
	}
	wg.Wait()
	h.Close()
	if len(h.feeds) != 0 {
		t.Error("a feed that nobody uses is kept")
	}
}

// follow hears the log up to an offset, over as many connections as it takes.
func follow(t *testing.T, h *Hub, cursor string, upTo uint64, rng *rand.Rand) {
	heard := uint64(1)
	for heard < upTo && !t.Failed() {
		wake := make(chan struct{}, 1)
		l, err := h.Attach(ListenerConfig{
			Principal: user("ada"), Dialect: "topics", Resume: true, Cursor: cursor, TellCursors: true,
			Writer: wakes(func() {
				select {
				case wake <- struct{}{}:
				default:
				}
			}),
		})
		if err != nil {
			t.Error(err)
			return
		}
		stay, commands := 1+heard+rng.Uint64N(upTo)/8, rng.IntN(4)
		done := make(chan struct{})
		go func() { // the Conn's reader
			defer close(done)
			l.Resume([]parley.Subscribe{toTalk()}, nil)
			for range commands {
				l.Say(parley.Pong{})
				l.TellCursor()
				other := parley.Interest{Conversations: []parley.ConversationID{id2conv(9)}}
				l.Subscribe(&parley.Subscribe{Interest: other}, parley.Subscribed{})
				l.Unsubscribe(&parley.Unsubscribe{Interest: other}, parley.Unsubscribed{})
				l.Refresh(user("ada", parley.ScopeOrgRead))
			}
		}()
		for more := true; heard < min(stay, upTo); {
			if !more {
				select {
				case <-wake:
				case <-time.After(10 * time.Second):
					t.Errorf("nothing after offset %d of %d", heard, upTo)
					l.Detach()
					<-done
					return
				}
			}
			var data []byte
			if data, more, err = l.Next(t.Context(), nil); err != nil {
				t.Error(err)
				break
			}
			for _, line := range readLines(t, data) {
				if line.offset != 0 && line.offset != heard+1 {
					t.Errorf("offset %d after %d", line.offset, heard)
				}
				if line.offset != 0 {
					heard = line.offset
				}
				if line.cursor != "" {
					cursor = line.cursor
				}
			}
		}
		l.Detach()
		<-done
	}
}

// TestCloseWhileListening ends the hub under its listeners.
func TestCloseWhileListening(t *testing.T) {
	store, bus := newMemStore(), membus.New()
	defer bus.Close()
	h := New(Config{Store: store, Bus: bus, Limits: parley.DefaultLimits(), Frame: frameLine, Dialects: []parley.Dialect{lineDialect{name: "topics"}}})
	var wg sync.WaitGroup
	var attached atomic.Int64
	busy := make(chan struct{}) // closed once many have come
	for n := range 16 {
		wg.Go(func() {
			for {
				l, err := h.Attach(ListenerConfig{Principal: user("ada"), Dialect: "topics", Resume: true, Complete: n%2 == 0, Writer: wakes(func() {})})
				if err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Errorf("attach: %v", err)
					}
					return
				}
				if attached.Add(1) == 100 {
					close(busy)
				}
				_, _, err = l.Next(t.Context(), nil)
				if err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("next: %v", err)
				}
				l.Detach()
			}
		})
	}
	<-busy
	h.Close()
	wg.Wait()
	if _, err := h.Attach(ListenerConfig{Principal: user("ada"), Dialect: "topics"}); !errors.Is(err, ErrClosed) {
		t.Errorf("attach to a closed hub: %v", err)
	}
}
