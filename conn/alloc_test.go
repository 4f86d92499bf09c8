package conn

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/topics"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/allocs"
	"github.com/parley-chat/parley/internal/membus"
)

// What a Conn writes and reads. An event costs what the bus and the hub make of it
// (14, the copies of the bus of these tests among them), however many sockets it
// is written to. A frame that is read costs its payload and the fragments it is
// gathered in; the rest is the command.
func TestAllocationBudget(t *testing.T) {
	for _, n := range []int{1, 100} {
		allocs.Check(t, allocs.Row{Name: fmt.Sprintf("an event written to %d sockets", n), Most: 14, Do: written(t, n)})
	}
	frame := func(text string) []byte {
		frame := append([]byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text))}, 0, 0, 0, 0)
		return append(frame, text...)
	}
	for _, c := range []struct {
		name, text string
		most       float64
	}{
		{"a ping", `{"op":"ping"}`, 8},
		{"a subscribe", `{"op":"subscribe","id":"a","topics":["events.org_acme.conversations.conversation.message_posted.*"]}`, 25},
		{"a publish", `{"op":"publish","source":"app","name":"cursor.moved","payload":{"x":1,"y":2}}`, 18},
	} {
		allocs.Check(t, allocs.Row{Name: c.name + " read and decoded", Most: c.most, Do: heard(t, frame(c.text))})
	}
}

// quietStore is a store in which nothing ever happened.
type quietStore struct {
	parley.Reader
	parley.Log
}

func (quietStore) Head(context.Context, parley.OrgID) (parley.Position, error) {
	return parley.Position{}, nil
}

func (quietStore) OpenRuns(context.Context, parley.OrgID) ([]parley.Run, error) { return nil, nil }

func (quietStore) Blocks(context.Context, parley.OrgID, parley.PrincipalID) ([]parley.Block, error) {
	return nil, nil
}

func (quietStore) OrgBlocks(context.Context, parley.OrgID, int) ([]parley.Block, error) {
	return nil, nil
}

// written returns what tells an event to n Conns on TCP sockets and reads it at
// their other ends.
func written(t *testing.T, n int) func() {
	t.Helper()
	const org = parley.OrgID("org_test")
	bus, dialects, limits := membus.New(), []parley.Dialect{topics.New()}, parley.DefaultLimits()
	h := hub.New(hub.Config{Store: quietStore{}, Bus: bus, Dialects: dialects, Frame: AppendText, Limits: limits})
	s := New(Config{Hub: h, Dialects: dialects, Limits: limits, Node: "n1"})
	t.Cleanup(func() { s.Close(); h.Close(); bus.Close() })
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	var ends []net.Conn
	for i := range n {
		end, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = end.Close() })
		nc, err := tcp.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p := &parley.Principal{Org: org, ID: parley.PrincipalID(fmt.Sprint("user", i)), Kind: parley.KindUser, Class: parley.ClassAccess, Scopes: parley.UserScopes}
		if err := s.Begin(nc, "topics", p, parley.Interest{Channels: []string{"app"}}, true); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	e := &parley.Event{
		ID: parley.EventID{1}, Org: org, Type: "cursor.moved", Class: parley.Ephemeral, Time: time.Unix(0, 0).UTC(), Channel: "app",
		Actor: "bob", ActorKind: parley.KindUser, Body: &parley.PublishedBody{Data: parley.RawJSON(`{"x":1,"y":2}`)},
	}
	data, err := parley.MarshalEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	frame := AppendText(nil, dialects[0].AppendEvent(nil, e, parley.ViewPublic))
	tell := func() {
		if err := bus.Publish(parley.OrgSubject("live", org), data); err != nil {
			t.Fatal(err)
		}
	}
	tell() // behind whatever is said first
	var first []byte
	for i, end := range ends {
		_ = end.SetReadDeadline(time.Now().Add(10 * time.Second))
		for first = first[:0]; !bytes.HasSuffix(first, frame); {
			first = append(first, 0)
			if _, err := end.Read(first[len(first)-1:]); err != nil {
				t.Fatalf("conn %d of %d heard %q: %v", i, n, first, err)
			}
		}
		_ = end.SetReadDeadline(time.Time{})
	}
	got := make([]byte, len(frame))
	return func() {
		tell()
		for _, end := range ends {
			if _, err := io.ReadFull(end, got); err != nil || !bytes.Equal(got, frame) {
				t.Fatalf("heard %q: %v", got, err)
			}
		}
	}
}

// repeating is a socket on which the same bytes come again and again.
type repeating struct {
	net.Conn
	bytes.Reader
}

func (r *repeating) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// heard returns what reads a frame, as serve and hear do, and has it decoded.
func heard(t *testing.T, frame []byte) func() {
	limits, dialect := parley.DefaultLimits(), topics.New()
	nc, r := new(repeating), reader{limits: &limits}
	return func() {
		nc.Reset(frame)
		if err := r.await(nc, nil, nil); err != nil {
			t.Fatal(err)
		}
		m, whole, err := r.frame(nc, nil)
		if err != nil || !whole {
			t.Fatalf("whole %v: %v", whole, err)
		}
		r.rise()
		if _, err := dialect.Decode(m.payload); err != nil {
			t.Fatal(err)
		}
	}
}
