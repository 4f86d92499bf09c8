// Package hub knows who hears an event on this node: its connections and their
// interests. For each org with a Conn here it runs one feed, which applies the
// org's log in order and resolves each event to listeners; each event is encoded
// once per dialect and view. A listener that is not at the feed's place is given
// what lies between from the feed's ring, or reads it from the store, at its own
// pace (ADR 1, ADR 14).
//
// What is said by whom a listener's principal blocks is not told to it. A feed reads
// whom a principal blocks when the first of its listeners comes, and keeps it current
// by the log; live and in replay alike it is what is known now that counts.
//
// The hub decides what is told to whom. Sockets are conn's.
package hub
