// Package membus is a parley.Bus within one process, for tests of what stands on
// the port. It delivers in order; it drops only while Cut.
package membus

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-chat/parley"
)

// Bus is the bus. The zero value is ready.
type Bus struct {
	mu     sync.Mutex
	subs   map[*subscription]bool
	closed bool
	cut    atomic.Bool
	inbox  atomic.Uint64
}

var _ parley.Bus = (*Bus)(nil)

type subscription struct {
	subject string
	fn      func(subject, reply string, data []byte)
	mu      sync.Mutex
	wake    chan struct{} // holds one token while queue is not empty
	queue   []message
	end     sync.Once // closes quit
	quit    chan struct{}
	done    chan struct{}
}

type message struct {
	subject, reply string
	data           []byte
}

// New makes a Bus.
func New() *Bus { return new(Bus) }

// Cut makes Publish fail, or work again.
func (b *Bus) Cut(cut bool) { b.cut.Store(cut) }

// Publish sends data to those who subscribed before.
func (b *Bus) Publish(subject string, data []byte) error { return b.publish(subject, "", data) }

func (b *Bus) publish(subject, reply string, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.cut.Load() {
		return parley.ErrUnavailable
	}
	for s := range b.subs {
		if matches(s.subject, subject) {
			s.push(message{subject, reply, append([]byte(nil), data...)})
		}
	}
	return nil
}

// Subscribe runs fn on a goroutine of its own until stop is called.
func (b *Bus) Subscribe(subject string, fn func(subject, reply string, data []byte)) (func(), error) {
	s := &subscription{
		subject: subject, fn: fn,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, parley.ErrUnavailable
	}
	if b.subs == nil {
		b.subs = map[*subscription]bool{}
	}
	b.subs[s] = true
	go s.run()
	return func() {
		b.mu.Lock()
		delete(b.subs, s)
		b.mu.Unlock()
		s.stop()
	}, nil
}

// Request waits for the first answer.
func (b *Bus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	inbox := "inbox." + strconv.FormatUint(b.inbox.Add(1), 10)
	stop, err := b.Subscribe(inbox, func(_, _ string, data []byte) {
		select {
		case answer <- append([]byte(nil), data...):
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	if !b.listens(subject) {
		return nil, parley.ErrUnavailable
	}
	if err := b.publish(subject, inbox, data); err != nil {
		return nil, err
	}
	select {
	case data := <-answer:
		return data, nil
	case <-ctx.Done():
		return nil, parley.ErrUnavailable
	}
}

func (b *Bus) listens(subject string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if matches(s.subject, subject) {
			return true
		}
	}
	return false
}

// Ready reports whether Publish works.
func (b *Bus) Ready() error {
	if b.cut.Load() {
		return parley.ErrUnavailable
	}
	return nil
}

// Close ends every subscription.
func (b *Bus) Close() error {
	b.mu.Lock()
	subs := b.subs
	b.subs, b.closed = nil, true
	b.mu.Unlock()
	for s := range subs {
		s.stop()
	}
	return nil
}

func (s *subscription) stop() {
	s.end.Do(func() { close(s.quit) })
	<-s.done
}

func (s *subscription) push(m message) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) run() {
	defer close(s.done)
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, m := range queue {
			s.fn(m.subject, m.reply, m.data)
		}
	}
}

func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	if len(p) != len(s) {
		return false
	}
	for i := range p {
		if p[i] != "*" && p[i] != s[i] {
			return false
		}
	}
	return true
}
