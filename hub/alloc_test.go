package hub

import (
	"fmt"
	"testing"
	"time"

	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/topics"
	"github.com/parley-chat/parley/internal/allocs"
	"github.com/parley-chat/parley/internal/membus"
)

// writing is a Writer that writes at once, or later where it is only woken.
type writing struct {
	l     *Listener
	woken bool
	buf   []byte
	n     int // bytes written
}

func (w *writing) Wake() { w.woken = true }

func (w *writing) Flush() Flushed {
	w.write()
	return FlushDone
}

func (w *writing) write() {
	w.woken = false
	for more := w.l != nil; more; {
		var frames []byte
		frames, more, _ = w.l.Ready(w.buf[:0])
		w.n += len(frames)
	}
}

// audience is a feed with listeners of one conversation.
type audience struct {
	t       testing.TB
	store   *memStore
	feed    *feed
	writers []*writing
	offset  uint64
	// write is posted to the loop, on which the writers do all they do. It tells ran
	// how many of them have written. Made once, so that it allocates nothing.
	write func()
	ran   chan int
}

func newAudience(t testing.TB, n int, interest parley.Interest) *audience {
	store, bus := newMemStore(), membus.New()
	h := New(Config{Store: store, Bus: bus, Limits: parley.DefaultLimits(), Frame: frameLine, Dialects: []parley.Dialect{topics.New()}})
	t.Cleanup(func() { h.Close(); bus.Close() })
	body := &parley.ConversationBody{Kind: parley.KindGroup}
	for i := range n {
		body.Members = append(body.Members, parley.MemberBody{Principal: parley.PrincipalID(fmt.Sprint("user", i)), Role: parley.RoleMember})
	}
	store.commit(&parley.Event{Type: parley.ConversationCreated, Conversation: talk(), Body: body})
	store.sequence(1)
	a := &audience{t: t, store: store, offset: 1, ran: make(chan int, 1)}
	a.write = func() {
		told := 0
		for _, w := range a.writers {
			if w.woken {
				w.write()
			}
			if w.n > 0 {
				told++
			}
			w.n = 0
		}
		a.ran <- told
	}
	for i := range n {
		w := &writing{buf: make([]byte, 0, 4096)}
		l, err := h.Attach(ListenerConfig{Principal: user(body.Members[i].Principal), Dialect: "topics", Writer: w, Interest: interest})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Detach)
		w.l, a.feed = l, l.feed
		a.writers = append(a.writers, w)
	}
	return a
}

// settle waits until the loop has done what it was given and those have written
// who were woken, and returns how many were told something since the last time.
func (a *audience) settle() (told int) {
	a.feed.post(a.write)
	return <-a.ran
}

// reach returns tell with a check that it reaches every listener, each time.
func (a *audience) reach(tell func() (told int)) func() {
	a.t.Helper()
	for tries := 0; tell() < len(a.writers); tries++ { // the first has the members read, off the loop
		if tries == 1000 {
			a.t.Fatal("nothing is told")
		}
		<-time.After(time.Millisecond)
	}
	// What is told is not in the store. However slowly this runs, nobody looks there.
	a.store.with(func() { a.store.failing = true })
	return func() {
		if told := tell(); told != len(a.writers) {
			a.t.Fatalf("%d of %d are told", told, len(a.writers))
		}
	}
}

// live tells an ephemeral event, as the bus carries it.
func (a *audience) live() func() int {
	data, err := parley.MarshalEvent(&parley.Event{
		Org: testOrg, Type: "cursor.moved", Class: parley.Ephemeral, Conversation: talk(), Channel: "app",
		Actor: "user0", ActorKind: parley.KindUser, Body: &parley.PublishedBody{Data: parley.RawJSON(`{"x":1,"y":2}`)},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return func() int {
		a.feed.fromLive(data)
		return a.settle()
	}
}

// durable tells messages. That they are written here allocates nothing.
func (a *audience) durable() func() int {
	e := said("hello, world")
	e.Org, e.Class, e.Channel = testOrg, parley.Durable, parley.ChannelConversation
	data := make([]byte, 0, 4096)
	return func() int {
		a.offset++
		e.Position, e.ChangeSeq = parley.Position{Epoch: 1, Offset: a.offset}, a.offset
		var err error
		if data, err = parley.AppendEvent(data[:0], e); err != nil {
			a.t.Fatal(err)
		}
		a.feed.fromLog(data)
		return a.settle()
	}
}

// What one event may allocate on its way from the bus's bytes to what its
// listeners write, however many they are: a thousand deliveries, which go out in
// rounds, cost what one does that goes out at once. Reading the event is 4 of it,
// for its text, its body and its fields (see the root package); then come the
// message to the loop, the entry, the frame and, of what is stored, its place in
// the ring. What listens by patterns needs the event's topic besides.
func TestAllocationBudget(t *testing.T) {
	pattern, err := parley.ParsePattern("events.org_test.*.*.*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []struct {
		name          string
		interest      parley.Interest
		live, durable float64
	}{
		{"name", parley.Interest{Conversations: []parley.ConversationID{talk()}}, 7, 8},
		{"channel", parley.Interest{Channels: []string{"app", parley.ChannelConversation}}, 7, 8},
		{"pattern", parley.Interest{Patterns: []parley.Pattern{pattern}}, 9, 10},
	} {
		for _, n := range []int{1, 1000} {
			live, durable := newAudience(t, n, by.interest), newAudience(t, n, by.interest)
			allocs.Check(t,
				allocs.Row{Name: fmt.Sprintf("live to %d by %s", n, by.name), Most: by.live, Do: live.reach(live.live())},
				allocs.Row{Name: fmt.Sprintf("durable to %d by %s", n, by.name), Most: by.durable, Do: durable.reach(durable.durable())},
			)
		}
	}
}

// BenchmarkTell is one ephemeral event from the bus's bytes to what each listener
// would write. bench/instructions.txt holds it to its instructions.
func BenchmarkTell(b *testing.B) {
	pattern, err := parley.ParsePattern("events.org_test.*.*.*.*")
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 1000} {
		for name, interest := range map[string]parley.Interest{
			"listeners": {Conversations: []parley.ConversationID{talk()}},
			"patterns":  {Patterns: []parley.Pattern{pattern}},
		} {
			b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
				a := newAudience(b, n, interest)
				tell := a.reach(a.live())
				b.ReportAllocs()
				for b.Loop() {
					tell()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
			})
		}
	}
}
