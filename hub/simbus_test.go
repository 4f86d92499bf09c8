package hub

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	parley "github.com/parley-chat/parley"
)

// simBus is one node's end of a bus. What is published waits in a queue for each
// subject until the test delivers it, and it may do so badly.
type simBus struct {
	subs map[string]map[int]func(data []byte)
	last int

	log, live []simMessage
	// passing, where not nil, is told of what is delivered and how often, before it is.
	passing func(data []byte, times int)

	mu sync.Mutex // guards what answers use
	// answer gives a snapshot of a run; false where its owner does not answer.
	answer func(run string) ([]byte, bool)
	delay  time.Duration
}

// simMessage is on its way to those who had subscribed when it was published.
type simMessage struct {
	data   []byte
	before int // the last subscription by then
	at     time.Time
}

// put publishes: the message waits until take.
func (b *simBus) put(queue *[]simMessage, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*queue = append(*queue, simMessage{data, b.last, time.Now()})
}

func newSimBus() *simBus {
	return &simBus{subs: map[string]map[int]func([]byte){}}
}

func (b *simBus) Subscribe(subject string, fn func(subject, reply string, data []byte)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	n := b.last
	if b.subs[subject] == nil {
		b.subs[subject] = map[int]func([]byte){}
	}
	b.subs[subject][n] = func(data []byte) { fn(subject, "", data) }
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs[subject], n)
	}, nil
}

func (b *simBus) Request(ctx context.Context, subject string, _ []byte) ([]byte, error) {
	b.mu.Lock()
	delay := b.delay
	b.mu.Unlock()
	if delay > 0 { // a timer due at once has crashed the runtime of go1.26 inside a bubble, with -race
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, parley.ErrUnavailable
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.answer(strings.TrimPrefix(subject, "run.")); ok {
		return data, nil
	}
	return nil, parley.ErrUnavailable
}

func (b *simBus) Publish(string, []byte) error { return nil }
func (b *simBus) Ready() error                 { return nil }
func (b *simBus) Close() error                 { return nil }

// take delivers the next message of a subject, whole and in order where chaos is
// zero; else one in chaos is lost, told twice or overtaken.
func (b *simBus) take(prefix string, queue *[]simMessage, rng *rand.Rand, chaos int) {
	if len(*queue) == 0 {
		return
	}
	i, times := 0, 1
	if chaos > 0 && rng.IntN(chaos) == 0 {
		switch rng.IntN(3) {
		case 0:
			times = 0
		case 1:
			times = 2
		case 2:
			i = rng.IntN(min(len(*queue), 4))
		}
	}
	m := (*queue)[i]
	*queue = append((*queue)[:i:i], (*queue)[i+1:]...)
	b.mu.Lock()
	var fns []func([]byte)
	for n, fn := range b.subs[parley.OrgSubject(prefix, testOrg)] {
		// No bus holds a message for as long as a feed remembers a run that ended.
		if n <= m.before && time.Since(m.at) < 30*time.Second {
			fns = append(fns, fn)
		}
	}
	b.mu.Unlock()
	if b.passing != nil && len(fns) > 0 {
		b.passing(m.data, times)
	}
	for range times {
		for _, fn := range fns {
			fn(m.data)
		}
	}
}

// logMessage is what the relay publishes of a durable event: itself, or a
// pointer to it.
func logMessage(e *parley.Event, pointer bool) []byte {
	if !pointer {
		data, _ := parley.MarshalEvent(e)
		return data
	}
	data, _ := json.Marshal(map[string]any{"pointer": map[string]any{"org": e.Org, "position": e.Position}})
	return data
}
