//go:build linux

package load

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// echo is a server that tells everybody what anybody says, after spoil has had its
// way with it: n counts what was said.
type echo struct {
	spoil func(n int, payload []byte) [][]byte

	mu    sync.Mutex
	conns []net.Conn
	said  int
}

func startEcho(t *testing.T, spoil func(int, []byte) [][]byte) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{spoil: spoil}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.serve(c) })
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	if _, err := ws.Upgrade(c); err != nil {
		return
	}
	e.mu.Lock()
	e.conns = append(e.conns, c)
	e.mu.Unlock()
	for {
		payload, err := wsutil.ReadClientText(c)
		if err != nil {
			return
		}
		if bytes.Equal(payload, []byte("hello")) {
			_ = wsutil.WriteServerText(c, []byte("welcome"))
			continue
		}
		e.mu.Lock()
		e.said++
		for _, p := range e.spoil(e.said, payload) {
			for _, other := range e.conns {
				_ = wsutil.WriteServerText(other, p)
			}
		}
		e.mu.Unlock()
	}
}

func dialOf(a netip.AddrPort, topic int) *Dial {
	return &Dial{
		Addr: a, Opcode: OpText, Topic: topic, Steps: []Step{{Send: []byte("hello"), Expect: "welcome"}},
		Request: []byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"),
	}
}

func try(t *testing.T, spoil func(int, []byte) [][]byte, traffic Traffic) *Result {
	t.Helper()
	addr := startEcho(t, spoil)
	l, err := New(t.Context(), Scan{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Connect([]*Dial{dialOf(addr, 0), dialOf(addr, 0)}, 0); err != nil {
		t.Fatal(err)
	}
	publisher := dialOf(addr, 0) // who speaks hears it too, here
	publishers, err := l.Connect([]*Dial{publisher}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Publish([][]byte{Payload(0, "")}, publishers); err != nil {
		t.Fatal(err)
	}
	traffic.For, traffic.Grace = 100*time.Millisecond, time.Second
	r, err := l.Run(traffic)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunNoticesWhatAServerDoesWrong(t *testing.T) {
	var held []byte
	for name, c := range map[string]struct {
		spoil func(n int, p []byte) [][]byte
		want  string // in the error; empty: none
	}{
		"nothing": {func(_ int, p []byte) [][]byte { return [][]byte{p} }, ""},
		"one is lost": {func(n int, p []byte) [][]byte {
			if n == 2 {
				return nil
			}
			return [][]byte{p}
		}, "3 messages were lost"},
		"one is doubled": {func(n int, p []byte) [][]byte {
			if n == 2 {
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}, "3 messages came twice"},
		"two are swapped": {func(n int, p []byte) [][]byte {
			switch n {
			case 2:
				held = bytes.Clone(p)
				return nil
			case 3:
				return [][]byte{p, held}
			}
			return [][]byte{p}
		}, "3 messages came out of order"},
	} {
		for mode, traffic := range map[string]Traffic{"closed": {Window: 4}, "open": {Rate: 200}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				r := try(t, c.spoil, traffic)
				if r.Latency.Count() == 0 {
					t.Errorf("nothing came: %+v", r)
				}
				err := r.Err()
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("said %v, want %q", err, c.want)
				}
			})
		}
	}
}

func TestConnectSaysWhatTheServerSaid(t *testing.T) {
	addr := startEcho(t, func(int, []byte) [][]byte { return nil })
	l, err := New(t.Context(), Scan{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := dialOf(addr, 0)
	d.Request = []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := l.Connect([]*Dial{d}, 0); err == nil || !strings.Contains(err.Error(), "the upgrade was refused") {
		t.Errorf("said %v", err)
	}
}
