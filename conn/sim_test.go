package conn_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/membus"
)

var (
	simSeed  = flag.Uint64("conn.seed", 0, "run the simulator of writers with this seed only")
	simSeeds = flag.Int("conn.seeds", 4, "how many seeds the simulator of writers runs")
	simSteps = flag.Int("conn.steps", 2000, "how many steps it takes with each")
)

// TestWriters has clients come over real sockets, most with room for hardly a
// frame, read little by little or not at all, ask, leave and return with their
// cursor, while the hub tells, credentials are revoked and the server drains. Each
// byte that a client reads is held against a naive model: whole frames, every
// stored event of its channels once and in order over all its connections, others
// in order and never twice. What is done is seeded; what the kernel makes of it is
// not.
func TestWriters(t *testing.T) {
	first, last := uint64(1), uint64(*simSeeds)
	if *simSeed != 0 {
		first, last = *simSeed, *simSeed
	}
	for seed := first; seed <= last && !t.Failed(); seed++ {
		w := newWriterSim(t, seed)
		w.run(*simSteps)
	}
}

// writerSim is one server, a log, and those who listen to it.
type writerSim struct {
	t      *testing.T
	seed   uint64
	step   int
	rng    *rand.Rand
	store  *simLog
	bus    *membus.Bus
	hub    *hub.Hub
	server *conn.Server
	tcp    net.Listener
	fresh  atomic.Bool
	sent   int // what is not stored
	cuts   bool
	// settling has those who come now have room in their sockets.
	settling bool
	all      []*simReader
}

const simChannels = 3

func newWriterSim(t *testing.T, seed uint64) *writerSim {
	w := &writerSim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), store: &simLog{}, bus: membus.New()}
	w.fresh.Store(true)
	limits := parley.DefaultLimits()
	limits.RingEvents, limits.RingBytes = 1+w.rng.IntN(300), 1<<(10+w.rng.IntN(12))
	limits.QueueFrames, limits.QueueBytes = 1+w.rng.IntN(64), 1<<(8+w.rng.IntN(9))
	limits.CursorInterval, limits.PingInterval = 200*time.Millisecond, time.Minute // pings would hide that a writer was not woken
	limits.PongTimeout, limits.EventsSocketsUser, limits.PrincipalSockets = time.Minute, 1<<20, 1<<20
	if w.cuts = seed%3 == 0; w.cuts {
		limits.WriteTimeout = time.Duration(1+w.rng.IntN(100)) * time.Millisecond
	}
	w.hub = hub.New(hub.Config{Store: w.store, Bus: w.bus, Dialects: dialects(), Frame: conn.AppendText, Limits: limits})
	w.server = conn.New(conn.Config{
		Hub: w.hub, Engine: &slowEngine{}, Auth: &tokens{}, Store: w.store, Dialects: dialects(), Limits: limits, Node: "n", Fresh: w.fresh.Load,
	})
	var err error
	if w.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	for n := range 4 + w.rng.IntN(12) {
		r := &simReader{sim: w, name: fmt.Sprint("reader", n), channels: map[string]bool{}}
		for len(r.channels) == 0 {
			for c := range simChannels {
				if w.rng.IntN(2) == 0 {
					r.channels[fmt.Sprint("c", c)] = true
				}
			}
		}
		w.all = append(w.all, r)
	}
	return w
}

func (w *writerSim) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("-conn.seed=%d, step %d: %s", w.seed, w.step, fmt.Sprintf(format, args...))
}

func (w *writerSim) run(steps int) {
	defer w.close()
	for w.step = 1; w.step <= steps; w.step++ {
		w.one()
	}
	w.settle()
	w.hurry()
	w.drain()
}

func (w *writerSim) close() {
	for _, r := range w.all {
		r.hangUp()
	}
	w.server.Close()
	w.hub.Close()
	_ = w.bus.Close()
	_ = w.tcp.Close()
	if n := w.server.Counted(); n != 0 {
		w.t.Errorf("-conn.seed=%d: %d places of limits are still taken", w.seed, n)
	}
}

func (w *writerSim) one() {
	r := w.all[w.rng.IntN(len(w.all))]
	switch n := w.rng.IntN(1000); {
	case n < 100:
		w.publish(1 + w.rng.IntN(4))
	case n < 105:
		w.publish(w.rng.IntN(60)) // a burst: the hub's loop has more to do than to write
	case n < 150:
		w.blip()
	case n < 153:
		w.store.failing.Store(w.rng.IntN(8) == 0)
	case n == 153:
		w.fresh.Store(w.rng.IntN(4) > 0)
	case n < 155:
		w.calm()
	case n < 160:
		runtime.Gosched()
	case r.tcp == nil:
		if n < 300 {
			r.connect()
		}
	case n < 166:
		r.hangUp()
	case n < 168:
		r.leave()
	case n < 170:
		r.leaving = true
		w.server.Revoke(org, r.credential)
	case n < 220:
		r.ping()
	default:
		if r.lazy == 0 || w.rng.IntN(r.lazy) == 0 {
			r.read(1 + w.rng.IntN(pickOf(w.rng, 4, 100, 1000, 20_000)))
		}
	}
}

func pickOf[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// data is what an event says: enough to know each of its bytes.
func (w *writerSim) data(name string, n int) string {
	size := (n * 7919) % 300
	switch {
	case n == 1:
		size = 60_000
	case n%97 == 0:
		size = 9000
	}
	return fmt.Sprintf(`{"%s":%d,"pad":"%s"}`, name, n, strings.Repeat(string(rune('a'+n%26)), size))
}

func (w *writerSim) event(class parley.Class, data string) *parley.Event {
	e := &parley.Event{
		Org: org, Type: "thing.changed", Class: class, Time: time.Unix(1, 0).UTC(), Channel: fmt.Sprint("c", w.rng.IntN(simChannels)),
		Body: &parley.PublishedBody{Data: parley.RawJSON(data)},
	}
	e.ID[0], e.ID[15] = 1, byte(w.rng.IntN(256))
	return e
}

func (w *writerSim) tell(subject string, e *parley.Event) {
	data, err := parley.MarshalEvent(e)
	if err == nil {
		err = w.bus.Publish(parley.OrgSubject(subject, org), data)
	}
	if err != nil {
		w.fatalf("%v", err)
	}
}

// publish stores events and tells them; one now and then is lost on the way.
func (w *writerSim) publish(n int) {
	for range n {
		e := w.event(parley.Durable, "")
		w.store.add(e, func(offset int) { e.Body = &parley.PublishedBody{Data: parley.RawJSON(w.data("n", offset))} })
		if w.rng.IntN(200) > 0 {
			w.tell("log", e)
		}
	}
}

func (w *writerSim) blip() {
	w.sent++
	w.tell("live", w.event(parley.Ephemeral, w.data("blip", w.sent)))
}

// calm has those whose sockets have room read all that they are owed, while nothing
// else happens that would wake a writer.
func (w *writerSim) calm() {
	w.store.failing.Store(false)
	w.fresh.Store(true)
	w.publish(1 + w.rng.IntN(3))
	last := w.store.len()
	for _, r := range w.all {
		for deadline := time.Now().Add(patience); r.tcp != nil && !r.small && !r.leaving && r.nextAfter(r.at, last) != 0; {
			if r.read(1<<16) > 0 {
				continue
			}
			if time.Now().After(deadline) {
				w.fatalf("%s waits for offset %d of %d", r.name, r.nextAfter(r.at, last), last)
			}
			runtime.Gosched()
		}
	}
}

// settle lets everybody read all that is owed.
func (w *writerSim) settle() {
	w.store.failing.Store(false)
	w.fresh.Store(true)
	w.publish(1)
	last := w.store.len()
	for _, r := range w.all {
		if r.tcp != nil && r.small && last-r.at > 100 {
			r.hangUp() // this would take long
		}
	}
	w.settling = true
	deadline := time.Now().Add(patience)
	for {
		done := true
		for _, r := range w.all {
			if r.closed {
				r.hangUp()
			}
			if r.tcp == nil {
				r.connect()
			}
			for r.tcp != nil && r.read(1<<16) > 0 {
			}
			done = done && r.tcp != nil && r.nextAfter(r.at, last) == 0
		}
		if done {
			return
		}
		if time.Now().After(deadline) {
			for _, r := range w.all {
				if next := r.nextAfter(r.at, last); next != 0 {
					w.t.Errorf("%s waits for offset %d of %d, connected: %t", r.name, next, last, r.tcp != nil)
				}
			}
			w.fatalf("not all is told")
		}
		<-time.After(time.Millisecond)
	}
}

// hurry has the server busy with those who read, and with some who do not.
func (w *writerSim) hurry() {
	for _, r := range w.all {
		if w.rng.IntN(2) == 0 {
			r.mute = true
		}
	}
	for range 40 {
		w.publish(1)
		for _, r := range w.all {
			if !r.mute && r.tcp != nil {
				r.read(100)
			}
		}
	}
}

// drain ends the server: all who are there hear that it goes.
func (w *writerSim) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, r := range w.all {
		r.draining = true
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		w.server.Drain(ctx)
	}()
	for {
		for _, r := range w.all {
			for r.tcp != nil && r.read(1+w.rng.IntN(5000)) > 0 {
			}
		}
		select {
		case <-gone:
			if w.server.Len() > 0 {
				w.fatalf("%d connections outlive the drain", w.server.Len())
			}
			for _, r := range w.all {
				for r.tcp != nil && r.read(1<<16) > 0 {
				}
			}
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// A close frame that a socket did not take with what was written before it is the
// last that goes out all the same.
func TestTheCloseFrameIsTheLast(t *testing.T) {
	w := newWriterSim(t, 1)
	defer w.close()
	r := w.all[0]
	for c := range simChannels {
		r.channels[fmt.Sprint("c", c)] = true
	}
	w.fresh.Store(false) // nothing is written until it is closed
	r.open(1, 1, false)
	w.publish(1)
	eventually(t, "what is owed", func() bool { return w.hub.Deliveries.Load() > 0 })
	w.fresh.Store(true)
	w.drain()
	if w.server.Stalled.Load() == 0 || !r.closed {
		t.Errorf("%d of %d writes did not go out at once; it is at %d, and heard the close: %t", w.server.Stalled.Load(), w.server.Writes.Load(), r.at, r.closed)
	}
}

// small sets how much a socket holds, before it connects.
func small(option, size int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if control := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, size) }); control != nil {
			return control
		}
		return err
	}
}
