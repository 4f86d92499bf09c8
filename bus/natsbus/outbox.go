package natsbus

import (
	"runtime"
	"sync"
)

const (
	// outboxBytes is what may wait to be sent; a Publish beyond it waits as well, as
	// it would for a network that takes no more bytes.
	outboxBytes = 4 << 20
	// packBytes is where a pack ends: more saves nothing, and buffers of this size
	// are used again on the whole way.
	packBytes = 32 << 10
	spares    = 16
)

// outbox sends what is published from a goroutine of its own. While that is busy,
// or on a busy machine has not had its turn yet, what comes for a subject becomes
// one pack; nothing ever waits for company. Messages of a subject keep their order.
type outbox struct {
	send func(subject string, data []byte) error
	// failed hears of a pack that was lost.
	failed func(subject string, count int, err error)
	wake   chan struct{} // holds one token while packs is not empty
	ended  chan struct{}

	mu     sync.Mutex
	moved  sync.Cond        // that a pack was sent, or closed
	packs  []*pack          // in the order they were begun
	open   map[string]*pack // the pack of a subject that takes more
	bytes  int              // in packs and in what is being sent
	begun  uint64           // packs, since ever
	sent   uint64           // of them
	spare  []*pack
	closed bool
}

func newOutbox(send func(string, []byte) error, failed func(string, int, error)) *outbox {
	o := &outbox{
		send: send, failed: failed, wake: make(chan struct{}, 1), ended: make(chan struct{}), open: map[string]*pack{},
	}
	o.moved.L = &o.mu
	go o.run()
	return o
}

// put takes a message; it keeps no reference to data. It reports false once the
// outbox is closed.
func (o *outbox) put(subject string, data []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.bytes > outboxBytes && !o.closed {
		o.moved.Wait()
	}
	if o.closed {
		return false
	}
	p := o.open[subject]
	if p != nil && len(p.buf)+len(data) > packBytes {
		p = nil
	}
	if p == nil {
		p = o.begin(subject)
	}
	o.bytes -= len(p.buf)
	p.add(data)
	o.bytes += len(p.buf)
	return true
}

// begin makes a new pack for a subject. Called with mu held.
func (o *outbox) begin(subject string) *pack {
	p := new(pack)
	if n := len(o.spare); n > 0 {
		p, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	p.subject = subject
	o.begun++
	o.open[subject] = p
	if o.packs = append(o.packs, p); len(o.packs) == 1 {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return p
}

func (o *outbox) run() {
	defer close(o.ended)
	for range o.wake {
		// Whoever is ready to publish may do so first. Where nobody is, this is
		// nothing.
		runtime.Gosched()
		for o.sendAll() {
		}
	}
}

// sendAll sends what waits now; it reports false where nothing did.
func (o *outbox) sendAll() bool {
	o.mu.Lock()
	packs := o.packs
	o.packs = nil
	clear(o.open)
	o.mu.Unlock()
	for _, p := range packs {
		if err := o.send(p.subject, p.wire()); err != nil {
			o.failed(p.subject, p.count, err)
		}
		o.done(p)
	}
	return len(packs) > 0
}

func (o *outbox) done(p *pack) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= len(p.buf)
	o.sent++
	o.moved.Broadcast()
	if len(o.spare) < spares && cap(p.buf) <= 2*packBytes {
		*p = pack{buf: p.buf[:0]}
		o.spare = append(o.spare, p)
	}
}

// flush waits until what was put before is sent.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for begun := o.begun; o.sent < begun; {
		o.moved.Wait()
	}
}

// close sends what was put and ends the outbox. It may be called more than once.
func (o *outbox) close() {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.moved.Broadcast()
	o.mu.Unlock()
	if first {
		o.flush()
		close(o.wake)
	}
	<-o.ended
}
