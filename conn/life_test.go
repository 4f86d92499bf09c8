package conn_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/conn"
	"github.com/parley-chat/parley/hub"
	"github.com/parley-chat/parley/internal/membus"
)

// bench is a store with one conversation, talk, whose only member is ada.
type bench struct{ hub.Store }

var talk = parley.ConversationID{1}

func (bench) Head(context.Context, parley.OrgID) (parley.Position, error) {
	return parley.Position{}, nil
}

func (bench) LastOffset(context.Context, parley.OrgID, string) (uint64, error) { return 0, nil }

func (bench) OpenRuns(context.Context, parley.OrgID) ([]parley.Run, error) { return nil, nil }

func (bench) Blocks(context.Context, parley.OrgID, parley.PrincipalID) ([]parley.Block, error) {
	return nil, nil
}

func (bench) OrgBlocks(context.Context, parley.OrgID, int) ([]parley.Block, error) {
	return nil, nil
}

func (bench) CheckCursor(_ context.Context, _ parley.ReplayQuery, at parley.Position) error {
	if at.Offset > 0 {
		return parley.ErrCursor
	}
	return nil
}

func (bench) Conversation(_ context.Context, _ parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	return &parley.Conversation{ID: id, Org: org, Kind: parley.KindGroup}, nil
}

func (bench) Stays(_ context.Context, _ parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	if id != talk {
		return nil, nil
	}
	return []parley.Membership{{Org: org, Conversation: id, Principal: "ada", From: 1}}, nil
}

// slowEngine carries nothing out, and takes its time for it.
type slowEngine struct {
	took  time.Duration
	asked atomic.Int32
}

func (e *slowEngine) Do(ctx context.Context, _ *parley.Principal, _ parley.Command) (parley.Result, error) {
	e.asked.Add(1)
	select {
	case <-time.After(e.took):
	case <-ctx.Done():
	}
	return parley.Result{}, parley.ErrUnavailable
}

// room is a server in a bubble of its own time, whose sockets are pipes.
type room struct {
	*tokens
	t      testing.TB
	server *conn.Server
	engine *slowEngine
	limits parley.Limits
}

// inRoom runs a test in a bubble.
func inRoom(t *testing.T, test func(t *testing.T, r *room), changes ...func(*parley.Limits)) {
	inRoomOf(t, bench{}, test, changes...)
}

// inRoomOf is inRoom with a store; changes alter the limits first.
func inRoomOf(t *testing.T, store hub.Store, test func(t *testing.T, r *room), changes ...func(*parley.Limits)) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, tokens: &tokens{known: map[string]parley.Principal{}}, limits: parley.DefaultLimits()}
		for _, change := range changes {
			change(&r.limits)
		}
		r.engine = &slowEngine{took: 12 * time.Second}
		bus := membus.New()
		h := hub.New(hub.Config{Store: store, Bus: bus, Dialects: dialects(), Frame: conn.AppendText, Limits: r.limits})
		r.server = conn.New(conn.Config{
			Hub: h, Engine: r.engine, Auth: r.tokens, Store: store, Dialects: dialects(), Limits: r.limits, Node: "n",
		})
		test(t, r)
		r.server.Close()
		h.Close()
		_ = bus.Close()
		if n := r.server.Counted(); n != 0 {
			t.Errorf("%d places of limits are still taken", n)
		}
	})
}

// enter opens a socket of a surface; token is empty for a stranger. It may name a
// cursor.
func (r *room) enter(surface, token string, cursor ...string) *client {
	r.t.Helper()
	mine, its := net.Pipe()
	r.t.Cleanup(func() { _ = mine.Close() })
	var p *parley.Principal
	if token != "" {
		known := r.known[token]
		p = &known
	}
	if err := r.server.Begin(its, surface, p, parley.Interest{}, surface == "events", cursor...); err != nil {
		r.t.Fatal(err)
	}
	return newClient(r.t, mine)
}

// lives reads, answers pings and returns what else comes, with the time since
// began, until the socket is closed or for a while.
func (c *client) lives(while time.Duration) (heard []string) {
	began := time.Now()
	for {
		_ = c.nc.SetReadDeadline(began.Add(while))
		kind, payload, err := c.nextBy()
		at := time.Since(began)
		switch {
		case isTimeout(err):
			return heard
		case err != nil:
			return append(heard, fmt.Sprint(at, " end"))
		case kind == opPing:
			c.raw(frame(fin|byte(opPong), payload))
		case kind == opClose:
			heard = append(heard, fmt.Sprint(at, " close ", closeText(payload)))
			c.raw(frame(fin|byte(opClose), payload))
		default:
			heard = append(heard, fmt.Sprint(at, " ", payload))
		}
	}
}

func lived(t *testing.T, heard []string, want ...string) {
	t.Helper()
	if len(heard) != len(want) {
		t.Fatalf("heard\n\t%s\nwant\n\t%s", strings.Join(heard, "\n\t"), strings.Join(want, "\n\t"))
	}
	for i := range want {
		if !strings.HasPrefix(heard[i], want[i]) {
			t.Errorf("heard %s, want %s…", heard[i], want[i])
		}
	}
}

func TestAuthTimeout(t *testing.T) {
	for surface, says := range map[string]string{
		"":       `10s {"type":"error","code":"AUTH_FAILED"`,
		"topics": `10s {"op":"error","code":"UNAUTHENTICATED"`,
	} {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter(surface, "")
			lived(t, c.lives(time.Minute), says, "10s close 4401", "10s end")
		})
	}
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("", "")
		lived(t, c.lives(9*time.Second))
		c.send(`{"type":"auth","token":"` + r.mint("ada") + `"}`)
		lived(t, c.lives(4*time.Minute))
	})
}

// A bot without subscription that says nothing is closed; what it says and a
// subscription keep it (C8).
func TestIdle(t *testing.T) {
	const idle = " close 4408 no subscription"
	inRoom(t, func(t *testing.T, r *room) {
		lived(t, r.enter("bot", r.mint("ada")).lives(time.Hour), "5m0s"+idle, "5m0s end")
	})
	t.Run("who has not shown what it speaks", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			lived(t, r.enter("", r.mint("ada")).lives(time.Hour), "5m0s"+idle, "5m0s end")
		})
	})
	t.Run("a frame", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter("bot", r.mint("ada"))
			lived(t, c.lives(4*time.Minute))
			c.send(`{"type":"ping"}`)
			lived(t, c.lives(time.Hour), `0s {"type":"pong"`, "5m0s"+idle, "5m0s end")
		})
	})
	t.Run("a subscription", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter("bot", r.mint("ada"))
			c.send(`{"type":"subscribe","session_id":"` + talk.UUID() + `"}`)
			lived(t, c.lives(time.Hour))
			c.send(`{"type":"unsubscribe","session_id":"` + talk.UUID() + `"}`)
			lived(t, c.lives(time.Hour), "5m0s"+idle, "5m0s end")
		})
	})
	t.Run("another surface", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			lived(t, r.enter("chat", r.mint("ada")).lives(time.Hour))
		})
	})
}

// Who does not answer a ping is gone.
func TestNoPong(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", r.mint("ada"))
		_ = c.nc.SetReadDeadline(time.Time{})
		if kind, _, err := c.nextBy(); kind != opPing || err != nil {
			t.Fatalf("opcode %d, %v", kind, err)
		}
		lived(t, c.lives(time.Hour), "10s close 4408 no pong", "10s end")
	})
	t.Run("a command that takes long is no reason", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter("bot", r.mint("ada"))
			_ = c.nc.SetReadDeadline(time.Time{})
			if kind, _, err := c.nextBy(); kind != opPing || err != nil {
				t.Fatalf("opcode %d, %v", kind, err)
			}
			// The pong comes in time, but waits behind a command that takes longer.
			c.send(`{"type":"message","session_id":"` + talk.UUID() + `","content":"x"}`)
			began := time.Now()
			c.raw(frame(fin|byte(opPong), ""))
			if waited := time.Since(began); waited != r.engine.took {
				t.Fatalf("the pong waited %s", waited)
			}
			lived(t, c.lives(25*time.Second), `0s {"type":"error"`)
		})
	})
}

func TestExpiry(t *testing.T) {
	for surface, says := range map[string][]string{
		"bot":    {`1m0s {"type":"auth_expiring","expires_at":"`, `2m0s {"type":"error","code":"AUTH_FAILED"`},
		"chat":   {`1m0s {"type":"auth_expiring","payload":{"expires_at":"`, `2m0s {"type":"error","payload":"the token has expired"`},
		"topics": {`1m0s {"op":"expiring","expires_at":"`, `2m0s {"op":"error","code":"TOKEN_EXPIRED"`},
		"events": nil,
	} {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter(surface, r.mint("ada", expiresIn(2*time.Minute)))
			lived(t, c.lives(time.Hour), append(says, "2m0s close 4401 token expired", "2m0s end")...)
		})
	}
	t.Run("a refresh moves it", func(t *testing.T) {
		inRoom(t, func(t *testing.T, r *room) {
			c := r.enter("topics", r.mint("ada", expiresIn(2*time.Minute)))
			lived(t, c.lives(90*time.Second), `1m0s {"op":"expiring"`)
			c.send(`{"op":"auth","token":"` + r.mint("ada", expiresIn(10*time.Minute)) + `"}`)
			lived(t, c.lives(time.Hour), `0s {"op":"authenticated"`, `9m0s {"op":"expiring"`, `10m0s {"op":"error"`, "10m0s close 4401", "10m0s end")
		})
	})
}

// Who does not close in turn, and does not read, is not waited for.
func TestCloseIsNotAnswered(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", "")
		<-time.After(11 * time.Second)
		if n := r.server.Len(); n != 1 {
			t.Fatalf("%d sockets, want 1 that is closing", n)
		}
		<-time.After(10 * conn.CloseTimeout)
		if n := r.server.Len(); n != 0 {
			t.Errorf("%d sockets still wait for their clients", n)
		}
		_ = c.nc.Close()
	})
}

// After our close frame nothing that a client says is acted on, for as long as it
// may go on.
func TestDeafAfterClose(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("bot", r.mint("ada", credential("lost")))
		r.server.Revoke(org, "lost")
		c.want(`{"type":"error","code":"AUTH_FAILED"}`)
		if kind, _, _ := c.next(); kind != opClose {
			t.Fatalf("opcode %d", kind)
		}
		for range 3 {
			c.send(`{"type":"message","session_id":"` + talk.UUID() + `","content":"x"}`)
			c.raw(frame(fin|byte(opPing), "x"))
		}
		lived(t, c.lives(time.Minute), "2s end")
		if n := r.engine.asked.Load(); n != 0 {
			t.Errorf("%d commands were carried out", n)
		}
	})
}

// A client that closes is not kept waiting.
func TestCloseIsAnsweredAtOnce(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", r.mint("ada"))
		c.raw(closeFrame(1001, "going"))
		_, payload, err := c.next()
		if closeText(payload) != "1001 " || err != nil {
			t.Fatalf("answered with %s, %v", closeText(payload), err)
		}
		lived(t, c.lives(time.Minute), "0s end")
	})
}

// What is owed when a Conn is closed goes out before the close frame, in as many
// writes as it takes.
func TestOwedBeforeClose(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", r.mint("ada", credential("lost")))
		const n = 400 // of 250 bytes: three writes
		id := strings.Repeat("i", 250)
		for range n {
			c.send(`{"op":"unsubscribe","id":"` + id + `"}`)
		}
		synctest.Wait()
		r.server.Revoke(org, "lost")
		for range n {
			c.want(`{"op":"unsubscribed"}`)
		}
		c.want(`{"op":"error","code":"REVOKED"}`)
		c.closed(4501)
	})
}

// A write that is not taken in time ends the Conn, in the middle of a frame too.
func TestWriteTimeout(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		c := r.enter("topics", r.mint("ada"))
		c.send(`{"op":"ping"}`)
		if _, err := c.nc.Read(make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		<-time.After(29 * time.Second)
		if r.server.Len() != 1 {
			t.Fatal("cut off too early")
		}
		<-time.After(10 * time.Second)
		if r.server.Len() != 0 || r.server.Slow.Load() != 1 {
			t.Errorf("%d sockets, %d of them slow", r.server.Len(), r.server.Slow.Load())
		}
	}, func(l *parley.Limits) { l.PingInterval = time.Hour })
}

// told is a bench at whose beginning one event was told.
type told struct{ bench }

func (told) Head(context.Context, parley.OrgID) (parley.Position, error) {
	return parley.Position{Epoch: 1, Offset: 1}, nil
}

func (told) CheckCursor(context.Context, parley.ReplayQuery, parley.Position) error { return nil }

func (told) Locate(context.Context, parley.OrgID, uint64) (parley.Position, error) {
	return parley.Position{}, nil // of what the log begins after
}

func (told) ReadLog(context.Context, parley.OrgID, uint64, uint64, int) ([]*parley.Event, error) {
	return []*parley.Event{{
		Org: org, Type: "app.said", Class: parley.Durable, Channel: "app", Position: parley.Position{Epoch: 1, Offset: 1},
		Body: &parley.PublishedBody{Data: parley.RawJSON(`"missed"`)},
	}}, nil
}

// A cursor that is not resumed in time is given up: what comes then is told from
// now on.
func TestResumeTimeout(t *testing.T) {
	const (
		resume     = `{"op":"resume","subscriptions":[{"id":"a","topics":["events.org_demo.app.*.*.*"]}]}`
		subscribed = `0s {"op":"subscribed","id":"a"`
		missed     = `0s {"op":"event"`
	)
	for _, test := range []struct {
		name  string
		after time.Duration
		want  []string
	}{
		{"in time", 9 * time.Second, []string{subscribed, missed}},
		{"late", 11 * time.Second, []string{subscribed}},
	} {
		for _, early := range []bool{true, false} { // the token came with the request, or in a frame
			t.Run(fmt.Sprint(test.name, ", early: ", early), func(t *testing.T) {
				inRoomOf(t, told{}, func(t *testing.T, r *room) {
					start := parley.Position{}.Cursor()
					var c *client
					if early {
						c = r.enter("topics", r.mint("ada"), start)
					} else {
						c = r.enter("topics", "")
						c.send(`{"op":"auth","token":"` + r.mint("ada") + `","cursor":"` + start + `"}`)
						c.want(`{"op":"authenticated"}`)
					}
					lived(t, c.lives(test.after))
					c.send(resume)
					lived(t, c.lives(5*time.Second), test.want...)
				})
			})
		}
	}
}
