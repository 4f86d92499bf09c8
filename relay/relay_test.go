package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/membus"
	"github.com/parley-chat/parley/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org parley.OrgID = "org_test"

// fakeLog is the part of a log that a relay uses: events that are handed out once.
type fakeLog struct {
	parley.Log
	mu    sync.Mutex
	queue []*parley.Event
	next  uint64
	asked int
	err   error
}

func (l *fakeLog) commit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.next++
		l.queue = append(l.queue, event(l.next, "{}"))
	}
}

func (l *fakeLog) Sequence(_ context.Context, limit int) ([]*parley.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.err != nil {
		return nil, l.err
	}
	n := min(limit, len(l.queue))
	out := l.queue[:n]
	l.queue = l.queue[n:]
	return out, nil
}

func (l *fakeLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *fakeLog) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func event(offset uint64, data string) *parley.Event {
	return &parley.Event{
		ID: parley.EventID{15: byte(offset), 14: byte(offset >> 8), 0: 1}, Org: org, Type: "a.b", Class: parley.Durable, Channel: "c",
		Position: parley.Position{Epoch: 7, Offset: offset}, Body: &parley.PublishedBody{Data: parley.RawJSON(data)},
	}
}

// encoded is the event as a store hands it out.
func encoded(tb testing.TB, e *parley.Event) parley.EncodedEvent {
	tb.Helper()
	data, err := parley.MarshalEvent(e)
	if err != nil {
		tb.Fatal(err)
	}
	return parley.EncodedEvent{ID: e.ID, Org: e.Org, Position: e.Position, Data: data}
}

// receiver collects the offsets that are heard on the org's log.
type receiver struct {
	mu      sync.Mutex
	offsets []uint64
}

func listen(t *testing.T, bus *membus.Bus) *receiver {
	r := &receiver{}
	stop, err := bus.Subscribe(parley.OrgSubject("log", org), func(_, _ string, data []byte) {
		e, _, err := Decode(data)
		if err != nil {
			t.Error(err)
			return
		}
		r.mu.Lock()
		r.offsets = append(r.offsets, e.Position.Offset)
		r.mu.Unlock()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return r
}

func (r *receiver) heard() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]uint64(nil), r.offsets...)
}

// run starts a relay that stops with the test.
func run(t *testing.T, c Config) *Relay {
	r := New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestAPokeTellsEverythingAtOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &fakeLog{}, membus.New()
		r := run(t, Config{Store: log, Bus: bus})
		ear := listen(t, bus)
		synctest.Wait()
		start := time.Now()
		log.commit(1000)
		r.Poke()
		r.Poke()
		synctest.Wait()
		got := ear.heard()
		if len(got) != 1000 || time.Since(start) != 0 {
			t.Fatalf("%d heard after %v", len(got), time.Since(start))
		}
		for i, offset := range got {
			if offset != uint64(i+1) {
				t.Fatalf("event %d has offset %d", i, offset)
			}
		}
		if s := r.Stats(); s != (Stats{Published: 1000}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestWithoutAPokeItLooksEach100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &fakeLog{}, membus.New()
		run(t, Config{Store: log, Bus: bus})
		ear := listen(t, bus)
		synctest.Wait()
		log.commit(3)
		time.Sleep(interval + time.Millisecond)
		synctest.Wait()
		if got := ear.heard(); len(got) != 3 {
			t.Errorf("heard %v", got)
		}
	})
}

func TestPokeNeverBlocks(t *testing.T) {
	r := New(Config{Store: &fakeLog{}, Bus: membus.New()}) // not running
	for range 1000 {
		r.Poke()
	}
}

func TestWhatTheBusDoesNotTakeIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &fakeLog{}, membus.New()
		r := run(t, Config{Store: log, Bus: bus})
		ear := listen(t, bus)
		bus.Cut(true)
		log.commit(2)
		r.Poke()
		synctest.Wait()
		bus.Cut(false)
		log.commit(1)
		r.Poke()
		synctest.Wait()
		if got := ear.heard(); len(got) != 1 || got[0] != 3 {
			t.Errorf("heard %v", got)
		}
		if s := r.Stats(); s.Failed != 2 || s.Published != 1 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestAFailingStoreIsAskedEverMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &fakeLog{}, membus.New()
		log.fail(errors.New("disk on fire"))
		r := run(t, Config{Store: log, Bus: bus})
		ear := listen(t, bus)
		for range 600 {
			r.Poke()
			time.Sleep(100 * time.Millisecond)
		}
		if n := log.calls(); n < 60 || n > 130 {
			t.Errorf("asked %d times in a minute", n)
		}
		log.fail(nil)
		log.commit(1)
		time.Sleep(maxBackoff)
		synctest.Wait()
		if got := ear.heard(); len(got) != 1 {
			t.Errorf("heard %v", got)
		}
		asked := log.calls()
		time.Sleep(10 * time.Second)
		if n := log.calls() - asked; n < 90 {
			t.Errorf("asked %d times in 10 s after it was well again", n)
		}
	})
}

func TestTwoRelaysTellEachEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &fakeLog{}, membus.New()
		relays := []*Relay{run(t, Config{Store: log, Bus: bus}), run(t, Config{Store: log, Bus: bus})}
		ear := listen(t, bus)
		for i := range 100 {
			log.commit(10)
			relays[i%2].Poke()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		seen := map[uint64]int{}
		for _, offset := range ear.heard() {
			seen[offset]++
		}
		for offset := uint64(1); offset <= 1000; offset++ {
			if seen[offset] != 1 {
				t.Fatalf("offset %d was told %d times", offset, seen[offset])
			}
		}
		if n := relays[0].Stats().Published + relays[1].Stats().Published; n != 1000 {
			t.Errorf("%d published", n)
		}
	})
}

func TestTwoRelaysOnOneStore(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(t.TempDir(), "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	const total = 500
	bus, done := membus.New(), make(chan map[uint64]int, 1)
	seen := map[uint64]int{}
	stop, err := bus.Subscribe(parley.OrgSubject("log", org), func(_, _ string, data []byte) {
		if e, _, err := Decode(data); err != nil {
			t.Error(err)
		} else if seen[e.Position.Offset]++; len(seen) == total {
			done <- maps.Clone(seen)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	relays := []*Relay{run(t, Config{Store: store, Bus: bus}), run(t, Config{Store: store, Bus: bus})}
	for i := range total {
		err := store.Update(t.Context(), func(tx parley.Tx) error {
			e := event(uint64(i+1), "{}")
			e.Position = parley.Position{}
			return tx.AppendEvent(e)
		})
		if err != nil {
			t.Fatal(err)
		}
		relays[i%2].Poke()
	}
	select {
	case seen := <-done:
		for offset := uint64(1); offset <= total; offset++ {
			if seen[offset] != 1 {
				t.Errorf("offset %d was told %d times", offset, seen[offset])
			}
		}
	case <-time.After(30 * time.Second):
		t.Fatal("not everything was told")
	}
}

func TestALargeEventTravelsAsAPointer(t *testing.T) {
	for _, size := range []int{10, MaxInline - 1000, MaxInline, 2 * MaxInline} {
		e := event(42, fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("x", size)))
		data, isPointer, err := encode(encoded(t, e))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > MaxInline || isPointer != (size >= MaxInline) {
			t.Errorf("%d bytes of data: pointer %v, %d bytes", size, isPointer, len(data))
		}
		got, pointer, err := Decode(data)
		switch {
		case err != nil:
			t.Error(err)
		case isPointer:
			if got != nil || *pointer != (Pointer{org, parley.Position{Epoch: 7, Offset: 42}}) {
				t.Errorf("read as %+v, %+v", got, pointer)
			}
		case pointer != nil || got.ID != e.ID || got.Position != e.Position:
			t.Errorf("read as %+v, %+v", got, pointer)
		}
	}
}

func TestPeekTellsWhatDecodeDoes(t *testing.T) {
	plain, escaped, member := event(7, `{"body":{"org":"x","type":"y","position":{"offset":1}}}`), event(8, "{}"), event(9, "{}")
	escaped.Org = `org "a"`
	member.Type, member.Conversation = parley.MemberLeft, parley.ConversationID{1}
	member.Channel, member.Body = `c","type":"x`, &parley.MemberBody{}
	for _, e := range []*parley.Event{plain, escaped, member} {
		h, ok := Peek(encoded(t, e).Data)
		if want := (Header{e.Org, e.Type, e.Position}); ok != (e != escaped) || ok && h != want {
			t.Errorf("got %+v, %v, want %+v", h, ok, want)
		}
	}
	pointer, _, err := encode(encoded(t, event(1, `{"x":"`+strings.Repeat("x", MaxInline)+`"}`)))
	if _, ok := Peek(pointer); ok || err != nil {
		t.Errorf("a pointer was taken for an event (%v)", err)
	}
	for _, text := range []string{``, `{}`, `null`, `{"org":"o","type":"t","position":{"offset":x},"body":{}}`} {
		if h, ok := Peek([]byte(text)); ok {
			t.Errorf("%s was read as %+v", text, h)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, _, err := encode(encoded(f, event(1, "{}")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"pointer":{"org":"o","position":{"epoch":1,"offset":2}}}`))
	f.Add([]byte(`{"pointer":null}`))
	f.Add([]byte(`{"pointer":{}}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, p, err := Decode(data)
		if err == nil && (e == nil) == (p == nil) {
			t.Fatalf("%q: event %v, pointer %v", data, e, p)
		}
		Peek(data)
	})
}
