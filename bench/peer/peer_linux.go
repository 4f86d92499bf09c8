package peer

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/proc"
)

// Env is what is on the machine.
type Env struct {
	Parley      []string // the command that runs Parley: "parley"
	Helper      string   // path of the binary built from bench/peers; empty: none
	Node        string   // path of node; empty: none
	SocketIO    string   // directory in which socket.io is installed; empty: none
	Centrifugo  string   // path of the binary; empty: none
	ServerCores []int
	TempDir     string // where servers may keep something
}

// Plan is what a scenario needs of a server.
type Plan struct {
	Topics     int  // channels, rooms, conversations
	Listeners  int  // of each topic
	Publishers int  // connections that publish
	Durable    bool // what is published is stored
	// Conversations makes each topic a conversation that its listeners, each a
	// user of their own, are members of; where the peer has such a thing.
	Conversations bool
	// Cursors makes listeners note where they are.
	Cursors bool
	// Unconnected leaves it to the scenario to connect the listeners.
	Unconnected bool
	// Slow is how many of all listeners, the last ones, read SlowBytes a second.
	Slow, SlowBytes int
	TLS             bool
}

// Total is how many listeners there are.
func (p *Plan) Total() int { return p.Topics * p.Listeners }

// Peer is a server that can be measured.
type Peer interface {
	// Name is what the peer is called in a table.
	Name() string
	// Missing says what is needed to measure it on this machine; empty: nothing.
	Missing(*Env) string
	// Can says why the peer cannot do a plan; empty where it can.
	Can(*Plan) string
	// Start starts it, ready for the plan.
	Start(context.Context, *Env, *Plan) (*Target, error)
}

// Target is a server that was started.
type Target struct {
	Proc *proc.Proc // nil where it runs in this process
	Addr netip.AddrPort
	Scan load.Scan
	// Listener is how the i-th listener connects. It hears topic i / Plan.Listeners.
	Listener func(i int) *load.Dial
	// Publisher is how the i-th publisher connects.
	Publisher func(i int) *load.Dial
	// Template is what publishes a message of a topic: see load.Loop.Publish.
	Template func(topic int) []byte
	// Sync, sent by a publisher, is answered once all it sent before is done; nil
	// where the peer has no such thing.
	Sync []byte
	// Resume is how the i-th listener comes back with a cursor; nil where the peer
	// has no such thing.
	Resume func(i int, cursor string) *load.Dial
	// Request returns what appends the n-th HTTP request that publishes, with as
	// many events as named; nil where the peer has no such thing. Requester is how a
	// connection for them is made.
	Request   func(events int) func(dst []byte, n uint64) []byte
	Requester func() *load.Dial
	// Send appends the n-th HTTP request that posts a message to one of the topics, each
	// under an id of its own; nil where the peer has no such thing.
	Send func(dst []byte, n uint64) []byte
	// Born is the server's memory in bytes before anything was asked of it.
	Born int64
	// House is the Parley that was started; nil for others.
	House *House
	// Close frees what Start has made besides the process; nil: nothing.
	Close func()
}

// Listeners are the ways of all listeners of a plan.
func (t *Target) Listeners(p *Plan) []*load.Dial {
	dials := make([]*load.Dial, p.Total())
	for i := range dials {
		dials[i] = t.Listener(i)
		if i >= len(dials)-p.Slow {
			dials[i].Slow = p.SlowBytes
		}
	}
	return dials
}

// Publishers are the ways of all publishers of a plan.
func (t *Target) Publishers(p *Plan) []*load.Dial {
	dials := make([]*load.Dial, max(1, p.Publishers))
	for i := range dials {
		dials[i] = t.Publisher(i)
	}
	return dials
}

// Templates are what publishes each topic of a plan.
func (t *Target) Templates(p *Plan) [][]byte {
	templates := make([][]byte, p.Topics)
	for i := range templates {
		templates[i] = t.Template(i)
	}
	return templates
}

// Stop ends the server.
func (t *Target) Stop() {
	if t.Proc != nil {
		t.Proc.Kill() // what a server does to end well is not what is measured
	}
	if t.Close != nil {
		t.Close()
	}
}

// liveAndPlain is Can of a peer that is set up without TLS, and why it does not
// keep what is published.
func liveAndPlain(p *Plan, unkept string) string {
	switch {
	case p.Durable:
		return unkept
	case p.TLS:
		return "without TLS only"
	}
	return ""
}

// All lists the peers, in the order of a table.
func All() []Peer {
	return []Peer{
		Parley{Topics}, Parley{Events}, Parley{Bot}, Parley{Chat},
		NATS{}, GWS{}, SocketIO{}, Centrifugo{}, HTTP{},
	}
}

// ByName finds peers by their names; "parley" is all surfaces of ours.
func ByName(names []string) ([]Peer, error) {
	var found []Peer
	for _, name := range names {
		before := len(found)
		for _, p := range All() {
			if p.Name() == name || name == "parley" && strings.HasPrefix(p.Name(), "parley-") {
				found = append(found, p)
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("there is no peer %q; there are %s", name, strings.Join(allNames(), ", "))
		}
	}
	return found, nil
}

func allNames() (names []string) {
	for _, p := range All() {
		names = append(names, p.Name())
	}
	return names
}

// upgrade is an HTTP request for a WebSocket. headers are whole lines, without
// their ends.
func upgrade(a netip.AddrPort, path string, headers ...string) []byte {
	lines := []string{
		"GET " + path + " HTTP/1.1", "Host: " + a.String(), "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + base64.StdEncoding.EncodeToString([]byte("a key of sixteen")),
	}
	return []byte(strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n")
}
