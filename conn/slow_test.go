package conn_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
)

// Who does not read is owed a bounded part, is cut off after WriteTimeout, and
// keeps nobody else waiting (P5).
func TestSlowReader(t *testing.T) {
	h := openHouse(t, func(l *parley.Limits) {
		l.WriteTimeout, l.MessagesPerSecond, l.MessagesBurst = time.Second, 10000, 10000
	})
	talk := h.talk("ada", "bob")
	path := func(client string) string {
		return "/realtime?channels=conversation&client_id=" + client + "&token=" + h.mint("ada")
	}
	h.dial(path("slow"))
	quick := h.dial(path("quick"))
	content := strings.Repeat("x", 32<<10)
	for i := 0; h.server.Slow.Load() == 0; i++ {
		if i == 2000 {
			t.Fatal("the slow reader was never cut off")
		}
		h.post("bob", talk, content)
		began := time.Now()
		quick.want(`{"type":"message.new"}`)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a quick reader waited %s for message %d", took, i)
		}
		if owed := h.server.Owed(); owed > 2*parley.DefaultLimits().QueueFrames {
			t.Fatalf("%d frames are owed", owed)
		}
	}
	eventually(t, "the end of the slow one alone", func() bool { return h.server.Len() == 1 })
	quick.alive()
}

// Who asks without reading the answers is not read from any more: its answers
// stay bounded.
func TestAskingWithoutReading(t *testing.T) {
	for name, frame := range map[string]string{
		"acknowledgements": `{"op":"unsubscribe","id":"` + strings.Repeat("x", 250) + `"}`,
		"errors":           `{"op":"subscribe","id":"` + strings.Repeat("x", 250) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t, func(l *parley.Limits) { l.WriteTimeout = time.Second })
			c := h.dial("/ws/topics?token=" + h.mint("ada"))
			flood := bytes.Repeat(text(frame), 50)
			for {
				_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
				if _, err := c.nc.Write(flood); err != nil {
					break // cut off
				}
				if owed := h.server.Owed(); owed > conn.MaxOwed+1 {
					t.Fatalf("%d frames are owed", owed)
				}
			}
			eventually(t, "its end", func() bool { return h.server.Len() == 0 })
			if h.server.Slow.Load() != 1 {
				t.Errorf("%d sockets were slow", h.server.Slow.Load())
			}
		})
	}
}

// Who asks much and reads the answers gets all of them, in order.
func TestAskingAndReading(t *testing.T) {
	h := openHouse(t)
	c := h.dial("/ws/topics?token=" + h.mint("ada"))
	const n = 5000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range n {
			if _, err := c.nc.Write(text(fmt.Sprintf(`{"op":"unsubscribe","id":"%d"}`, i))); err != nil {
				return
			}
		}
	}()
	for i := range n {
		c.want(fmt.Sprintf(`{"op":"unsubscribed","id":"%d"}`, i))
	}
	<-sent
}

// BenchmarkIdle opens connections of users in one conversation each, all
// subscribed, and reports what one costs in bytes of heap and stacks. The
// clients' own halves, in the same process, hold a file and no goroutine.
func BenchmarkIdle(b *testing.B) {
	h := openHouse(b, func(l *parley.Limits) { l.IPSockets = 1 << 20 })
	const n = 2000
	used := func() uint64 {
		var m runtime.MemStats
		for range 4 { // a stack shrinks by half each time
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		type seat struct {
			path, subscribe string
		}
		seats := make([]seat, n)
		for i := range seats {
			who := parley.PrincipalID(fmt.Sprint("user-", i))
			seats[i] = seat{"/ws?token=" + h.mint(who), `{"type":"subscribe","session_id":"` + h.talk(who).UUID() + `"}`}
		}
		before := used()
		all := make([]*client, n)
		for i, s := range seats {
			all[i] = h.dial(s.path)
			all[i].send(s.subscribe)
			all[i].settle()
			all[i].br = nil
		}
		b.ReportMetric(float64(used()-before)/n, "B/conn")
		b.ReportMetric(float64(runtime.NumGoroutine())/n, "goroutines/conn")
		for _, c := range all {
			_ = c.nc.Close()
		}
		eventually(b, "the end of all", func() bool { return h.server.Len() == 0 })
	}
}
