package conn_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

// The first pings of sockets that came at once are spread over half an interval,
// and each is pinged every interval from then on.
func TestPingsAreSpread(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		const n = 200
		type heard struct{ first, second time.Duration }
		pings := make(chan heard)
		began := time.Now()
		for range n {
			c := r.enter("topics", r.mint("ada"))
			go func() {
				var at [2]time.Duration
				for i := range at {
					_ = c.nc.SetReadDeadline(time.Now().Add(time.Hour))
					if kind, _, err := c.nextBy(); kind != opPing || err != nil {
						t.Errorf("opcode %d, %v", kind, err)
					}
					at[i] = time.Since(began)
					c.raw(frame(fin|byte(opPong), ""))
				}
				_ = c.nc.Close()
				pings <- heard{at[0], at[1]}
			}()
		}
		var first []time.Duration
		most := map[time.Duration]int{}
		for range n {
			h := <-pings
			first = append(first, h.first)
			most[h.first]++
			if h.second-h.first != r.limits.PingInterval {
				t.Errorf("pinged at %s, and again at %s", h.first, h.second)
			}
		}
		synctest.Wait()
		slices.Sort(first)
		if early, late := first[0], first[n-1]; early < r.limits.PingInterval/2 || late > r.limits.PingInterval+100*time.Millisecond ||
			late-early < r.limits.PingInterval/3 {
			t.Errorf("the first pings came between %s and %s", early, late)
		}
		for at, n := range most {
			if n > 20 {
				t.Errorf("%d pings at %s", n, at)
			}
		}
	}, func(l *parley.Limits) { l.PrincipalSockets = 1000 })
}

// What is due comes at its time or up to a step late, never early, however far
// off it is, and whenever it was set.
func TestDueInTime(t *testing.T) {
	for _, after := range []time.Duration{
		time.Millisecond, 99 * time.Millisecond, 100 * time.Millisecond, 101 * time.Millisecond,
		51199 * time.Millisecond, 51200 * time.Millisecond, 51201 * time.Millisecond, 52 * time.Second, 3 * time.Minute,
	} {
		for _, from := range []time.Duration{0, 50 * time.Millisecond, 70 * time.Second} {
			inRoom(t, func(t *testing.T, r *room) {
				<-time.After(from)
				heard := r.enter("events", r.mint("ada", expiresIn(after))).lives(time.Hour)
				if len(heard) == 0 {
					t.Fatal("it did not end")
				}
				end := heard[len(heard)-1]
				text, _, _ := strings.Cut(end, " ")
				at, err := time.ParseDuration(text)
				if err != nil {
					t.Fatal(err)
				}
				if at < after || at >= after+100*time.Millisecond {
					t.Errorf("from %s, due after %s: %s", from, after, end)
				}
			})
		}
	}
}

// A server that has nobody to look after does not wake up.
func TestWheelRests(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", r.mint("ada"))
		c.raw(closeFrame(1000, ""))
		c.closed(1000)
		<-time.After(time.Minute) // it may wake once for who has gone
		turned := r.server.Turned()
		<-time.After(time.Hour)
		if r.server.Turned() != turned {
			t.Error("the wheel turns for nobody")
		}
	})
}
