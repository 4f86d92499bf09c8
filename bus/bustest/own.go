package bustest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/parley-chat/parley"
)

// Pair runs what two nodes' Buses on one network must do, each of which hears the
// other and itself.
func Pair(t *testing.T, open func(t *testing.T) (one, two parley.Bus)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, one, two parley.Bus)
	}{
		{"each hears every message once", testPairOnce},
		{"each publisher keeps its order on both", testPairOrder},
		{"an answer comes after what it answers", testPairCause},
		{"a request is answered by either", testPairRequest},
		{"a request that only the other hears is answered", testPairRequestOther},
		{"a request that nobody hears is refused at once", func(t *testing.T, one, _ parley.Bus) { testNobodyListens(t, one) }},
		{"an answer may come from another node than was asked", testPairForward},
		{"what looks like framing is heard as it was sent", testPairBytes},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, two := open(t)
			c.test(t, one, two)
		})
	}
}

// testOwnOnce listens by name and by pattern: each hears an own message once.
func testOwnOnce(t *testing.T, b parley.Bus) {
	const n = 100
	hearers := map[string]<-chan message{}
	for _, subject := range []string{"own.a", "own.*", "*.a"} {
		hearers[subject] = hear(t, b, subject)
	}
	for k := range n {
		publish(t, b, "own.a", binary.AppendUvarint(nil, uint64(k)))
	}
	for who, heard := range hearers {
		hearsOnce(t, who, heard, n)
	}
	settled(t, b) // whatever came twice would have come by now
	for who, heard := range hearers {
		if len(heard) > 0 {
			t.Errorf("%s hears %d messages more", who, len(heard))
		}
	}
}

// hearsOnce wants the numbers 0 to n-1.
func hearsOnce(t *testing.T, who string, heard <-chan message, n int) {
	t.Helper()
	for want := range n {
		m := receive(t, heard, who)
		if got, _ := binary.Uvarint(m.data); int(got) != want {
			t.Fatalf("%s heard %d, want %d", who, got, want)
		}
	}
}

// testOwnApart changes what it was given: nobody else's message is changed.
func testOwnApart(t *testing.T, b parley.Bus) {
	const n = 200
	for range 2 {
		subscribe(t, b, "apart", func(_, _ string, data []byte) {
			clear(data)
			_ = append(data, "more"...)
		})
	}
	heard := hear(t, b, "apart")
	for i := range n {
		publish(t, b, "apart", fmt.Appendf(nil, "message %d", i))
	}
	for i := range n {
		if m := receive(t, heard, "a message"); string(m.data) != fmt.Sprintf("message %d", i) {
			t.Fatalf("message %d is heard as %q", i, m.data)
		}
	}
}

func testPairOnce(t *testing.T, one, two parley.Bus) {
	const n = 500
	hearers := map[string]<-chan message{
		"the publisher": hear(t, one, "log.org"), "its pattern": hear(t, one, "log.*"),
		"the other": hear(t, two, "log.org"), "the other's pattern": hear(t, two, "log.*"),
	}
	for k := range n {
		publish(t, one, "log.org", binary.AppendUvarint(nil, uint64(k)))
	}
	for who, heard := range hearers {
		hearsOnce(t, who, heard, n)
	}
	// Whatever came twice would have come by now.
	meet(t, one, two)
	for who, heard := range hearers {
		if len(heard) > 0 {
			t.Errorf("%s hears %d messages more", who, len(heard))
		}
	}
}

// meet returns when what was said before on either is heard on both.
func meet(t *testing.T, one, two parley.Bus) {
	t.Helper()
	for _, heard := range []<-chan message{hear(t, one, "settled.pair"), hear(t, two, "settled.pair")} {
		publish(t, one, "settled.pair", nil)
		publish(t, two, "settled.pair", nil)
		receive(t, heard, "the first mark")
		receive(t, heard, "the second mark")
	}
}

func testPairOrder(t *testing.T, one, two parley.Bus) {
	const each = 2000
	hearers := []<-chan message{hear(t, one, "order"), hear(t, two, "order")}
	for p, b := range []parley.Bus{one, two} {
		go func() {
			for n := range each {
				if err := b.Publish("order", binary.AppendUvarint([]byte{byte(p)}, uint64(n))); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		}()
	}
	for i, heard := range hearers {
		var next [2]uint64
		for range 2 * each {
			m := receive(t, heard, "a numbered message")
			p := m.data[0]
			if n, _ := binary.Uvarint(m.data[1:]); n != next[p] {
				t.Fatalf("bus %d heard %d of publisher %d, want %d", i, n, p, next[p])
			}
			next[p]++
		}
	}
}

// testPairCause has the other bus say something because of each message: on the
// first bus that never comes before the message.
func testPairCause(t *testing.T, one, two parley.Bus) {
	subscribe(t, two, "cause.asked", func(_, _ string, data []byte) {
		_ = two.Publish("cause.answered", data)
	})
	heard := hear(t, one, "cause.*")
	for i := range 300 {
		publish(t, one, "cause.asked", []byte{byte(i)})
	}
	asked := 0
	for answered := 0; answered < 300; {
		m := receive(t, heard, "a message")
		if m.subject == "cause.asked" {
			asked++
			continue
		}
		if answered++; answered > asked {
			t.Fatalf("answer %d came before its message", answered)
		}
	}
}

func testPairRequest(t *testing.T, one, two parley.Bus) {
	answer := func(b parley.Bus, name string) {
		subscribe(t, b, "ask", func(_, reply string, data []byte) { _ = b.Publish(reply, append([]byte(name), data...)) })
	}
	answer(one, "one")
	for _, b := range []parley.Bus{one, two} { // itself, and the other
		if got, err := b.Request(within(t), "ask", []byte("!")); err != nil || string(got) != "one!" {
			t.Errorf("Request = %q, %v", got, err)
		}
	}
	answer(two, "two")
	for _, b := range []parley.Bus{one, two} {
		if got, err := b.Request(within(t), "ask", []byte("!")); err != nil || string(got) != "one!" && string(got) != "two!" {
			t.Errorf("Request that both hear = %q, %v", got, err)
		}
	}
}

// testPairRequestOther asks where the own subscription hears and only the other's
// answers.
func testPairRequestOther(t *testing.T, one, two parley.Bus) {
	mute := hear(t, one, "ask.*")
	subscribe(t, two, "ask.other", func(_, reply string, _ []byte) { _ = two.Publish(reply, []byte("two")) })
	if got, err := one.Request(within(t), "ask.other", nil); err != nil || string(got) != "two" {
		t.Errorf("Request = %q, %v", got, err)
	}
	if m := receive(t, mute, "the own subscription's request"); m.reply == "" {
		t.Error("a request came without a reply subject")
	}
}

func testPairForward(t *testing.T, one, two parley.Bus) {
	subscribe(t, one, "front", func(_, reply string, _ []byte) { _ = one.Publish("back", []byte(reply)) })
	subscribe(t, two, "back", func(_, _ string, data []byte) { _ = two.Publish(string(data), []byte("from the back")) })
	if got, err := one.Request(within(t), "front", nil); err != nil || string(got) != "from the back" {
		t.Errorf("Request = %q, %v", got, err)
	}
}

func testPairBytes(t *testing.T, one, two parley.Bus) {
	subscribe(t, two, "echo", func(_, reply string, data []byte) { _ = two.Publish(reply, data) })
	heard := hear(t, two, "bytes")
	for _, data := range [][]byte{{}, {0xff}, {0xff, 1, 0}, bytes.Repeat([]byte{0xff}, 300)} {
		publish(t, one, "bytes", data)
		if m := receive(t, heard, "the message"); !bytes.Equal(m.data, data) {
			t.Errorf("%x is heard as %x", data, m.data)
		}
		if got, err := one.Request(within(t), "echo", data); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%x comes back as %x, %v", data, got, err)
		}
	}
}
