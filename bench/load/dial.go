package load

import (
	"crypto/tls"
	"net/netip"
)

// Dial says how one connection is made. It is not changed by whoever uses it.
type Dial struct {
	Addr netip.AddrPort
	// Request is the HTTP request that asks for the upgrade; nil for a connection
	// that speaks plain HTTP and only publishes.
	Request []byte
	// Steps follow the upgrade.
	Steps []Step
	// Opcode of the frames that are sent, OpText or OpBinary.
	Opcode byte
	// Topic is what the connection hears: NoTopic for one that publishes, AnyTopic
	// for one that hears several.
	Topic int
	// Heard is what was heard before, on a connection that this one goes on from.
	Heard Order
	// TLS secures the connection; nil: plain TCP.
	TLS *tls.Config
	// Slow is how many bytes are read in a second; 0: whatever comes.
	Slow int
}

// What a connection may hear besides one topic.
const (
	NoTopic  = -1
	AnyTopic = -2
)

// Step is one exchange before a connection is ready.
type Step struct {
	Send   []byte // the payload of a frame; nil: nothing
	Expect string // what a payload must hold before the next step; empty: nothing is awaited
}
