package natsbus

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// subscription is one Subscribe. What this process says comes straight from
// Publish and what others say from the connection; both wait in one queue, in the
// order they came, for the goroutine that calls fn.
type subscription struct {
	bus     *Bus
	subject string
	fn      func(subject, reply string, data []byte)
	sub     *nats.Subscription // nil where nobody else is on the bus
	once    sync.Once

	wake    chan struct{} // holds a token while there is something to do
	done    chan struct{} // closed when fn is not called any more
	stopped atomic.Bool
	caller  atomic.Uint64 // the goroutine that calls fn; 0 before the first message
	// messages and bytes are what waits or is at work.
	messages, bytes atomic.Int64

	mu     sync.Mutex
	queue  *batch // nil: nothing waits
	missed int    // messages dropped since the goroutine last told of it
}

// Subscribe calls fn for each message on a subject, or a pattern of it, in the
// order each publisher sent them. When it returns, the server it is connected to
// knows of it: what that server takes from then on is heard. A subscription
// outlives lost connections. parley.ErrUnavailable while not connected.
func (b *Bus) Subscribe(subject string, fn func(subject, reply string, data []byte)) (stop func(), err error) {
	if !validSubject(subject, true) {
		return nil, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	if err := b.Ready(); err != nil {
		return nil, err
	}
	s := &subscription{
		bus: b, subject: subject, fn: fn,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if !b.alone() {
		if s.sub, err = b.conn.ChanSubscribe(subject, b.inbound); err != nil {
			return nil, unavailable("subscribe to "+subject, err)
		}
	}
	if !b.listeners.add(s) {
		return nil, unavailable("subscribe to "+subject, nats.ErrConnectionClosed)
	}
	go s.run()
	if !b.alone() {
		if err := b.conn.FlushTimeout(flushTimeout); err != nil {
			s.stop()
			return nil, unavailable("subscribe to "+subject, err)
		}
	}
	return s.stop, nil
}

// push queues a message, or drops it where too much waits. It reports whether so
// much does that the publisher should let the subscription have its turn.
func (s *subscription) push(d delivery) (behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.messages.Load()
	switch {
	case s.stopped.Load():
		return false
	case n >= pendingMessages || s.bytes.Load()+int64(len(d.data)) > pendingBytes:
		s.missed++
		s.bus.dropped.Add(1)
		return true
	}
	s.messages.Add(1)
	s.bytes.Add(int64(len(d.data)))
	if s.queue == nil {
		s.queue = s.bus.batches.get()
		s.poke()
	}
	s.queue.add(d)
	return n >= behindMessages
}

func (s *subscription) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) run() {
	defer close(s.done)
	for range s.wake {
		if s.stopped.Load() {
			return
		}
		if s.caller.Load() == 0 {
			s.caller.Store(goroutineID())
		}
		q := s.take()
		if q == nil {
			continue
		}
		for i := range q.list {
			s.deliver(&q.list[i])
		}
		s.bus.batches.put(q)
	}
}

// take is what waits now, nil for nothing.
func (s *subscription) take() *batch {
	s.mu.Lock()
	q, lost := s.queue, s.missed
	s.queue, s.missed = nil, 0
	s.mu.Unlock()
	if lost > 0 {
		s.bus.log.Warn("bus: a subscriber is too slow", "subject", s.subject, "lost", lost)
	}
	return q
}

func (s *subscription) deliver(d *delivery) {
	defer func() {
		s.messages.Add(-1)
		s.bytes.Add(-int64(len(d.data)))
	}()
	if !d.remote {
		s.call(d, d.data)
		return
	}
	for data, err := range messages(d.data) {
		if err != nil {
			s.bus.log.Warn("bus: a message cannot be read", "subject", d.subject, "error", err)
			return
		}
		s.call(d, data)
	}
}

func (s *subscription) call(d *delivery, data []byte) {
	if !s.stopped.Load() {
		s.fn(d.subject, d.reply, data)
	}
}

// stop withdraws the subscription and waits for a running fn, unless fn itself
// calls it. It may be called more than once.
func (s *subscription) stop() {
	s.stopped.Store(true)
	s.once.Do(s.withdraw)
	s.poke()
	if s.caller.Load() != goroutineID() {
		<-s.done
	}
}

func (s *subscription) withdraw() {
	var lost uint64
	if s.sub != nil {
		lost = s.lost()         // unknown once it is withdrawn
		_ = s.sub.Unsubscribe() // fails only where the connection has ended, and the subscription with it
	}
	s.bus.listeners.remove(s, lost)
}

// lost counts what nats.go dropped; 0 once withdrawn.
func (s *subscription) lost() uint64 {
	n, err := s.sub.Dropped()
	if err != nil || n < 0 {
		return 0
	}
	return uint64(n)
}

// goroutineID tells whether stop is called by fn: there is no other way to know,
// as fn is a closure that gets nothing to carry. It is read once per
// subscription and once per stop, from the first line of the own stack,
// "goroutine 42 [running]:".
func goroutineID() uint64 {
	var buf [64]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	digits, _, _ := bytes.Cut(line, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("natsbus: no goroutine id in %q", line))
	}
	return id
}
