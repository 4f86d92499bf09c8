// Package presence knows who is connected, on whichever node, and tells those who
// share a conversation with somebody that came or went (presence.changed).
//
// A principal is online while it has a Conn anywhere, and for a grace after its
// last one: whoever is back in time never was away. Each node writes whom it has
// into pages of its own in a roster that all nodes share (parley.Roster), and only
// when that changes; nothing is renewed. A node that dies leaves its pages behind,
// and another voids them a grace after the node's heartbeat in the store ran out.
// A node that starts again has a new name: its predecessor's pages bridge the time
// until its clients are back, so that a restart is not heard at all.
//
// What a principal says of itself (Say: away, back, a detail) is a register beside
// that: it holds on all nodes, goes with the principal from page to page, and is
// forgotten when it goes offline.
//
// The roster has one order for everybody, and so there is one entry that brings a
// principal's first node, and one that takes its last: whoever wrote that entry
// tells the change. docs/decisions/0011-presence.md weighs this against leases.
package presence
