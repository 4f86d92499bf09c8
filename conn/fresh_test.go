package conn_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/internal/membus"
)

// fickle is a store of credentials that can be away.
type fickle struct {
	parley.Credentials
	away atomic.Bool
}

func (f *fickle) Revocations(ctx context.Context, since time.Time) ([]parley.Revocation, error) {
	if f.away.Load() {
		return nil, parley.ErrUnavailable
	}
	return f.Credentials.Revocations(ctx, since)
}

// A node that cannot read what was revoked, and is not told by another, stops
// delivering (P6). Sockets live on, and hear it all once it knows again.
func TestNothingIsToldWhileRevocationsAreUnknown(t *testing.T) {
	store, asked := &fickle{}, new(atomic.Int64)
	var node *auth.Authenticator
	h := openHouseWith(t, func(c *conn.Config) {
		store.Credentials = c.Store.(parley.Credentials)
		var err error
		if node, err = auth.New(auth.Config{Store: store}); err != nil {
			t.Fatal(err)
		}
		c.Fresh = func() bool {
			asked.Add(1)
			return node.Fresh()
		}
	}, func(l *parley.Limits) { l.MessagesPerSecond, l.MessagesBurst = 1000, 1000 })
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); node.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-watched })

	talk := h.talk("ada", "bob")
	path := "/realtime?channels=conversation&client_id=%s&token=%s"
	ada := h.dial(fmt.Sprintf(path, "a", h.mint("ada")))
	lost := h.dial(fmt.Sprintf(path, "b", h.mint("ada", credential("lost"))))
	h.post("bob", talk, "before")
	for _, c := range []*client{ada, lost} {
		c.want(`{"type":"message.new","data":{"message":{"content":"before"}}}`)
	}
	store.away.Store(true)
	eventually(t, "it knows no more", func() bool { return !node.Fresh() })
	const n = 300 // more than a socket is owed in memory
	for i := range n {
		h.post("bob", talk, fmt.Sprint("number ", i))
	}
	ada.alive()
	h.hub.Settle(t.Context()) // what was posted has been owed to them
	calls := asked.Load()
	<-time.After(500 * time.Millisecond)
	if calls = asked.Load() - calls; calls > 10 {
		t.Errorf("two sockets that wait ask %d times in half a second", calls)
	}
	h.server.Revoke(org, "lost")
	if kind, payload, err := lost.next(); kind != opClose {
		t.Errorf("whose credential was revoked heard %q, %v", payload, err)
	}
	ada.alive()

	store.away.Store(false)
	for i := range n {
		ada.want(fmt.Sprintf(`{"type":"message.new","data":{"message":{"content":"number %d"}}}`, i))
	}
	h.post("bob", talk, "after")
	ada.want(`{"type":"message.new","data":{"message":{"content":"after"}}}`)
}

// What is revoked on one node closes the sockets of another.
func TestRevokedOnAnotherNode(t *testing.T) {
	bus := membus.New()
	h := openHouse(t)
	node := func() *auth.Authenticator {
		a, err := auth.New(auth.Config{Store: h.store})
		if err != nil {
			t.Fatal(err)
		}
		stop, err := a.Share(bus)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		return a
	}
	here, there := node(), node() // neither polls
	there.OnRevoke(h.server.Revoke)
	lost, kept := h.dial("/ws?token="+h.mint("ada", credential("lost"))), h.dial("/ws?token="+h.mint("ada"))
	if err := here.Revoke(t.Context(), org, "lost", time.Time{}); err != nil {
		t.Fatal(err)
	}
	lost.want(`{"type":"error","code":"AUTH_FAILED"}`)
	lost.closed(4501)
	kept.settle()
}
