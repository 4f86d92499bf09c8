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

// subscription is one Subscribe. Its messages come on one goroutine, which
// nats.go starts with it and ends once it is withdrawn.
type subscription struct {
	bus  *Bus
	fn   func(subject, reply string, data []byte)
	sub  *nats.Subscription
	once sync.Once

	stopped atomic.Bool
	caller  atomic.Uint64 // the goroutine that calls fn; 0 before the first message
	running sync.Mutex    // held while fn runs; taken by stop to wait for it
}

// Subscribe calls fn for each message on a subject, or a pattern of it, in the
// order each publisher sent them. When it returns, the server it is connected to
// knows of it: what that server takes from then on is heard. A subscription
// outlives lost connections. parley.ErrUnavailable while not connected.
func (b *Bus) Subscribe(subject string, fn func(subject, reply string, data []byte)) (stop func(), err error) {
	if !validSubject(subject, true) {
		return nil, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	b.out.flush() // what this process published before is not for it
	s := &subscription{bus: b, fn: fn}
	if s.sub, err = b.conn.Subscribe(subject, s.deliver); err != nil {
		return nil, unavailable("subscribe to "+subject, err)
	}
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	if err := s.activate(); err != nil {
		s.stop()
		return nil, unavailable("subscribe to "+subject, err)
	}
	return s.stop, nil
}

func (s *subscription) activate() error {
	if err := s.sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return err
	}
	return s.bus.conn.FlushTimeout(flushTimeout)
}

func (s *subscription) deliver(m *nats.Msg) {
	if s.caller.Load() == 0 {
		s.caller.Store(goroutineID())
	}
	for data, err := range messages(m.Data) {
		if err != nil {
			s.bus.log.Warn("bus: a message cannot be read", "subject", m.Subject, "error", err)
			return
		}
		s.call(m, data)
	}
}

func (s *subscription) call(m *nats.Msg, data []byte) {
	s.running.Lock()
	defer s.running.Unlock()
	if !s.stopped.Load() {
		s.fn(m.Subject, m.Reply, data)
	}
}

// stop withdraws the subscription and waits for a running fn, unless fn itself
// calls it. It may be called more than once.
func (s *subscription) stop() {
	s.stopped.Store(true)
	s.once.Do(s.withdraw)
	if s.caller.Load() == goroutineID() {
		return
	}
	s.running.Lock()
	s.running.Unlock() //nolint:staticcheck // waiting is all that is wanted
}

func (s *subscription) withdraw() {
	lost := s.dropped()     // unknown once it is withdrawn
	_ = s.sub.Unsubscribe() // fails only where the connection has ended, and the subscription with it
	s.bus.mu.Lock()
	delete(s.bus.subs, s)
	s.bus.dropped += lost
	s.bus.mu.Unlock()
}

// dropped counts the messages lost to the pending limits; 0 once withdrawn.
func (s *subscription) dropped() uint64 {
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
