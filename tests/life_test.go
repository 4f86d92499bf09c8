package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// P8: SIGTERM while everybody talks, listens and sleeps: clients are told to come
// back, the process ends with 0 within the time it was given, and what it had
// acknowledged is there afterwards.
func TestADrainUnderLoadIsOrderly(t *testing.T) {
	t.Parallel()
	const within = 5 * time.Second
	s := newServer(t, append(many, "--drain-timeout", within.String())...)
	s.start()
	ada, bob := s.token("ada"), s.token("bob")
	conversation := s.conversation(ada, "agent_group", "bob", "demo")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears := surfacesOfUser(ctx, t, s, bob, conversation)
	var asleep []*socket
	for i := range 40 {
		c := s.open(surfaces[i%4], bob)
		c.subscribe(conversation)
		asleep = append(asleep, c)
	}
	polite := s.open("topics", bob)
	polite.subscribe(conversation)
	hears := make(chan int)
	go func() { hears <- polite.in(t).end(time.Minute) }()

	var acknowledged atomic.Int64
	var posting sync.WaitGroup
	text := strings.Repeat("x", 8<<10)
	for i := range 8 {
		posting.Go(func() {
			for n := 0; ; n++ {
				body := map[string]any{"conversation_id": conversation, "content_text": fmt.Sprint(i, n, text)}
				if _, err := s.call(ctx, "POST", "/v1/chat/messages/send", ada, body, nil); err != nil {
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	eventually(t, 20*time.Second, "traffic flows", func() bool { return acknowledged.Load() > 300 })
	begun := time.Now()
	code := s.stop()
	took := time.Since(begun)
	posting.Wait()
	// Two seconds more for what is closed at the end.
	if code != 0 || took > within+2*time.Second {
		t.Errorf("ended with %d after %s: %s", code, took, s.log)
	}
	const comeBack = 4012
	if code := <-hears; code != comeBack {
		t.Errorf("one who reads is closed with %d, want %d", code, comeBack)
	}
	s.start()
	var page struct {
		CurrentSeq int64 `json:"current_seq"`
	}
	s.must("GET", "/v1/chat/conversations/"+conversation+"/messages?limit=1", ada, nil, &page)
	if page.CurrentSeq < acknowledged.Load() {
		t.Errorf("%d messages are kept of %d acknowledged", page.CurrentSeq, acknowledged.Load())
	}
	for _, ear := range ears {
		eventually(t, 20*time.Second, ear.surface+" hears the rest", func() bool {
			ear.mu.Lock()
			defer ear.mu.Unlock()
			return len(ear.heard) > 0 && ear.heard[len(ear.heard)-1].seq >= uint64(acknowledged.Load())
		})
	}
}

// A start that is cut off at any moment, over and over, leaves a data directory
// that the next start can use: the same key, the same messages.
func TestKillsAtStartUpBreakNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada := s.token("ada")
	conversation := s.conversation(ada, "group", "bob")
	s.poster(ada, conversation)("before")
	s.kill()
	for range 10 {
		after := time.Duration(rand.Int64N(int64(300 * time.Millisecond)))
		s.launch()
		wait(after)
		s.kill()
	}
	s.start()
	s.poster(ada, conversation)("after")
	checkStored(t, s, ada, []string{conversation}, 2)

	fresh := newServer(t) // and one that has never been there
	for range 5 {
		after := time.Duration(rand.Int64N(int64(200 * time.Millisecond)))
		fresh.launch()
		wait(after)
		fresh.kill()
	}
	fresh.start()
	fresh.poster(fresh.token("ada"), fresh.conversation(fresh.token("ada"), "group", "bob"))("x")
	if code := fresh.stop(); code != 0 {
		t.Errorf("ended with %d: %s", code, fresh.log)
	}
}

// SIGTERM before the server is ready ends it too, and cleanly: by itself or, in the
// first moments of the process, by the signal.
func TestSIGTERMAtStartUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for range 8 {
		after := time.Duration(rand.Int64N(int64(200 * time.Millisecond)))
		s.launch()
		wait(after)
		const bySignal = -1
		if code := s.stop(); code != 0 && code != bySignal {
			t.Errorf("%s after its launch: ended with %d: %s", after, code, s.log)
		}
	}
	s.start()
}

// An answer grows before clients that do not read: it ends for those who do, and
// for the others when they wake, with its whole text.
func TestAnAnswerBeforeSleepers(t *testing.T) {
	t.Parallel()
	s := newServer(t, many...)
	s.start()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	bob := s.token("ear")
	ears, conversation := askForAStory(ctx, t, s)
	type sleeper struct {
		*socket
		l *listener
	}
	var asleep []sleeper
	for i := range 21 {
		surface := streaming[i%3]
		c := s.open(surface, bob)
		c.subscribe(conversation)
		asleep = append(asleep, sleeper{c, &listener{t: t, s: s, surface: surface, ready: make(chan struct{}), answers: map[string]*answer{}}})
	}
	for _, ear := range ears[:len(streaming)] {
		eventually(t, 40*time.Second, ear.surface+" hears the end", func() bool { a, ok := ear.streamed(); return ok && a.ends > 0 })
	}
	whole := lastMessage(s, s.token("owner"), conversation)
	for _, c := range asleep {
		for begun := time.Now(); ; {
			frame, err := c.next(patience)
			if err != nil {
				var timeout net.Error
				a, _ := c.l.streamed()
				t.Errorf("%s: %v (timeout %t) after %s, %d of %d bytes", c.surface, err, errors.As(err, &timeout), time.Since(begun), len(a.text), len(whole))
				break
			}
			c.l.take([]byte(frame))
			if a, ok := c.l.streamed(); ok && a.ends > 0 {
				if a.text != whole || a.ends != 1 || a.status != "completed" {
					t.Errorf("%s: assembled %d bytes of %d, %q", c.surface, len(a.text), len(whole), a.status)
				}
				break
			}
		}
	}
}
