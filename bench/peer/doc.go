// Package peer knows the servers that are measured: how each is started, how a
// connection to it is made and told what to hear, and what publishes a message.
// Each is a small file; a new one is a type that implements Peer and a line in
// All. It needs Linux.
package peer
