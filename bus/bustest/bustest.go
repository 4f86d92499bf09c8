// Package bustest holds what every parley.Bus and every parley.RunLog must do:
// one suite over all adapters. Each case opens its own; whoever opens closes it
// with t.Cleanup, as a case may have done already.
package bustest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// patience is how long something that must happen may take on a busy machine.
const patience = 20 * time.Second

// Run runs the suite of parley.Bus.
func Run(t *testing.T, open func(t *testing.T) parley.Bus) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b parley.Bus)
	}{
		{"a message is heard as it was sent", testDeliver},
		{"every subscriber hears every message", testFanOut},
		{"what one publisher says on one subject keeps its order", testOrder},
		{"a star stands for exactly one token", testWildcard},
		{"subjects of escaped orgs do not meet", testOrgSubjects},
		{"own messages are heard once", testOwnOnce},
		{"each subscriber's message is its own", testOwnApart},
		{"callbacks of one subscription never overlap", testSequential},
		{"a slow callback holds up nobody else", testIndependent},
		{"stop waits for the running callback", testStopWaits},
		{"stop within its own callback returns", testStopWithin},
		{"stop may be called more than once", testStopTwice},
		{"nothing is heard after stop", testStopSilences},
		{"a request is answered", testRequest},
		{"a callback may request", testRequestWithin},
		{"a request that nobody hears is refused at once", testNobodyListens},
		{"a request that nobody answers ends with its context", testNoAnswer},
		{"a burst of messages of any bytes arrives one by one", testBurst},
		{"the largest message arrives whole", testLargest},
		{"a larger message is refused", testTooLarge},
		{"the bus keeps no reference to what was published", testNotRetained},
		{"bad subjects are refused", testBadSubjects},
		{"many may use it at once", testConcurrent},
		{"a closed bus is unavailable", testClosed},
		{"close waits for the running callback", testCloseWaits},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

type message struct {
	subject, reply string
	data           []byte
}

// hear subscribes and collects; the channel never holds up the bus.
func hear(t *testing.T, b parley.Bus, subject string) <-chan message {
	t.Helper()
	heard := make(chan message, 64<<10)
	subscribe(t, b, subject, func(subject, reply string, data []byte) {
		heard <- message{subject, reply, bytes.Clone(data)}
	})
	return heard
}

func subscribe(t *testing.T, b parley.Bus, subject string, fn func(subject, reply string, data []byte)) (stop func()) {
	t.Helper()
	stop, err := b.Subscribe(subject, fn)
	if err != nil {
		t.Fatalf("Subscribe(%q): %v", subject, err)
	}
	t.Cleanup(stop)
	return stop
}

func publish(t *testing.T, b parley.Bus, subject string, data []byte) {
	t.Helper()
	if err := b.Publish(subject, data); err != nil {
		t.Fatalf("Publish(%q, %d bytes): %v", subject, len(data), err)
	}
}

func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing after %s", what, patience)
		panic("unreachable")
	}
}

// settled gives a message that must not come the time to come: what was
// published after it, on another subscription, has arrived.
func settled(t *testing.T, b parley.Bus) {
	t.Helper()
	heard := hear(t, b, "settled.mark")
	publish(t, b, "settled.mark", nil)
	receive(t, heard, "the mark")
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("%s: error %v, want parley.ErrUnavailable", what, err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func testDeliver(t *testing.T, b parley.Bus) {
	heard := hear(t, b, "a.b")
	publish(t, b, "a.b", []byte("hello"))
	publish(t, b, "a.b", nil)
	m := receive(t, heard, "the message")
	if m.subject != "a.b" || m.reply != "" || string(m.data) != "hello" {
		t.Errorf("heard %+v", m)
	}
	if m = receive(t, heard, "the empty message"); len(m.data) != 0 {
		t.Errorf("heard %q, want an empty message", m.data)
	}
}

func testFanOut(t *testing.T, b parley.Bus) {
	first, second := hear(t, b, "a"), hear(t, b, "a")
	publish(t, b, "a", []byte("x"))
	receive(t, first, "the first subscriber")
	receive(t, second, "the second subscriber")
}

func testOrder(t *testing.T, b parley.Bus) {
	const publishers, each = 4, 2000
	heard := hear(t, b, "order.*")
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for n := range each {
				if err := b.Publish(fmt.Sprintf("order.%d", n%3), binary.AppendUvarint([]byte{byte(p)}, uint64(n))); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	next := map[string]uint64{}
	for range publishers * each {
		m := receive(t, heard, "a numbered message")
		n, _ := binary.Uvarint(m.data[1:])
		key := fmt.Sprintf("%s from %d", m.subject, m.data[0])
		if last, ok := next[key]; ok && n <= last {
			t.Fatalf("%s: %d after %d", key, n, last)
		}
		next[key] = n
	}
}

func testWildcard(t *testing.T, b parley.Bus) {
	heard := hear(t, b, "a.*.c")
	for _, s := range []string{"a.c", "a.b.d", "a.b.c.d", "x.b.c", "a.b.c", "a.bb.c"} {
		publish(t, b, s, nil)
	}
	publish(t, b, "a.end.c", nil)
	var got []string
	for m := receive(t, heard, "a match"); m.subject != "a.end.c"; m = receive(t, heard, "a match") {
		got = append(got, m.subject)
	}
	if want := []string{"a.b.c", "a.bb.c"}; !slices.Equal(got, want) {
		t.Errorf("a.*.c hears %q, want %q", got, want)
	}
}

func testOrgSubjects(t *testing.T, b parley.Bus) {
	orgs := []parley.OrgID{"org_demo", "org demo", "a.b", "*", ">", "ø"}
	for _, org := range orgs {
		heard := hear(t, b, parley.OrgSubject("log", org))
		for _, other := range orgs {
			publish(t, b, parley.OrgSubject("log", other), []byte(other))
		}
		publish(t, b, parley.OrgSubject("log", org), []byte("end"))
		for _, want := range []string{string(org), "end"} {
			if m := receive(t, heard, "the org's message"); string(m.data) != want {
				t.Fatalf("org %q heard %q, want %q", org, m.data, want)
			}
		}
	}
}

func testSequential(t *testing.T, b parley.Bus) {
	const each, publishers = 200, 4
	running := make(chan struct{}, 1)
	done := make(chan struct{})
	seen := 0 // no lock: the race detector would tell of an overlap
	subscribe(t, b, "seq", func(string, string, []byte) {
		select {
		case running <- struct{}{}:
		default:
			t.Error("a callback began while another ran")
		}
		if seen++; seen == each*publishers {
			close(done)
		}
		<-running
	})
	for range publishers {
		go func() {
			for range each {
				_ = b.Publish("seq", nil)
			}
		}()
	}
	receive(t, done, "all messages")
}

func testIndependent(t *testing.T, b parley.Bus) {
	release := make(chan struct{})
	began := make(chan struct{}, 16)
	stop := subscribe(t, b, "shared", func(string, string, []byte) {
		began <- struct{}{}
		<-release
	})
	heard := hear(t, b, "shared")
	publish(t, b, "shared", nil)
	receive(t, began, "the slow callback")
	publish(t, b, "shared", nil)
	receive(t, heard, "the first message")
	receive(t, heard, "the second message")
	close(release)
	stop()
}

// testBurst mixes sizes and beginnings, so that whatever a bus does with messages
// that come together shows.
func testBurst(t *testing.T, b parley.Bus) {
	const n = 3000
	message := func(i int) []byte {
		size := []int{0, 1, 400, 400, 400, 5000, 70_000}[i%7]
		return bytes.Repeat([]byte{byte(0xff - i%3), byte(i)}, size)[:size]
	}
	heard := hear(t, b, "burst.*")
	for i := range n {
		publish(t, b, fmt.Sprintf("burst.%d", i%2), message(i))
	}
	next := [2]int{0, 1} // what one subject brings next
	for range n {
		m := receive(t, heard, "a message")
		subject := int(m.subject[len("burst.")] - '0')
		if want := message(next[subject]); !bytes.Equal(m.data, want) {
			t.Fatalf("%s brought %d bytes that begin with %x, want message %d of %d bytes", m.subject, len(m.data), m.data[:min(2, len(m.data))], next[subject], len(want))
		}
		next[subject] += 2
	}
}

func testLargest(t *testing.T, b parley.Bus) {
	heard := hear(t, b, "large")
	want := make([][]byte, 8)
	for i := range want {
		want[i] = bytes.Repeat([]byte{byte('a' + i)}, parley.MaxBusMessage)
		publish(t, b, "large", want[i])
	}
	for i := range want {
		if m := receive(t, heard, "a large message"); !bytes.Equal(m.data, want[i]) {
			t.Fatalf("message %d has %d bytes that begin with %q", i, len(m.data), m.data[:min(4, len(m.data))])
		}
	}
	answer := bytes.Repeat([]byte("z"), parley.MaxBusMessage)
	subscribe(t, b, "large.ask", func(_, reply string, _ []byte) { _ = b.Publish(reply, answer) })
	got, err := b.Request(within(t), "large.ask", want[0])
	if err != nil || !bytes.Equal(got, answer) {
		t.Errorf("a large request: %d bytes, error %v", len(got), err)
	}
}

func testTooLarge(t *testing.T, b parley.Bus) {
	data := make([]byte, parley.MaxBusMessage+1)
	if err := b.Publish("large", data); err == nil {
		t.Error("Publish took a message over MaxBusMessage")
	}
	if _, err := b.Request(within(t), "large", data); err == nil || errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Request of a message over MaxBusMessage: %v, want an error that is not about availability", err)
	}
	testDeliver(t, b)
}

func testNotRetained(t *testing.T, b parley.Bus) {
	const n = 1000
	heard := hear(t, b, "reused")
	data := make([]byte, 512)
	for i := range n {
		for j := range data {
			data[j] = byte(i)
		}
		publish(t, b, "reused", data)
	}
	for i := range n {
		m := receive(t, heard, "a message")
		if !bytes.Equal(m.data, bytes.Repeat([]byte{byte(i)}, 512)) {
			t.Fatalf("message %d was changed after Publish", i)
		}
	}
}

func testBadSubjects(t *testing.T, b parley.Bus) {
	nothing := func(string, string, []byte) {}
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\r\nPUB x 0", "a.>", ">", "a*", "a.*b"} {
		if err := b.Publish(s, nil); err == nil {
			t.Errorf("Publish took the subject %q", s)
		}
		if stop, err := b.Subscribe(s, nothing); err == nil {
			stop()
			t.Errorf("Subscribe took the subject %q", s)
		}
	}
	if err := b.Publish("a.*", nil); err == nil {
		t.Error("Publish took a wildcard")
	}
	testDeliver(t, b)
}

func testConcurrent(t *testing.T, b parley.Bus) {
	const workers, rounds = 8, 50
	subscribe(t, b, "echo", func(_, reply string, data []byte) { _ = b.Publish(reply, data) })
	ctx := within(t)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range rounds {
				subject := fmt.Sprintf("own.%d", w)
				heard := make(chan struct{}, 1)
				stop, err := b.Subscribe(subject, func(string, string, []byte) { heard <- struct{}{} })
				if err != nil {
					t.Errorf("Subscribe: %v", err)
					return
				}
				if err := b.Publish(subject, nil); err != nil {
					t.Errorf("Publish: %v", err)
				}
				want := fmt.Appendf(nil, "%d/%d", w, n)
				if got, err := b.Request(ctx, "echo", want); err != nil || !bytes.Equal(got, want) {
					t.Errorf("Request: %q, %v", got, err)
				}
				select {
				case <-heard:
				case <-ctx.Done():
					t.Error("an own message was not heard")
				}
				stop()
			}
		})
	}
	wg.Wait()
}

func testClosed(t *testing.T, b parley.Bus) {
	if err := b.Ready(); err != nil {
		t.Errorf("Ready of an open bus: %v", err)
	}
	stop := subscribe(t, b, "a", func(string, string, []byte) {})
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	stop()
	wantUnavailable(t, "Ready after Close", b.Ready())
	wantUnavailable(t, "Publish after Close", b.Publish("a", nil))
	_, err := b.Request(within(t), "a", nil)
	wantUnavailable(t, "Request after Close", err)
	_, err = b.Subscribe("a", func(string, string, []byte) {})
	wantUnavailable(t, "Subscribe after Close", err)
}
