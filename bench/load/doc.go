// Package load is a load generator for servers that tell many WebSocket
// connections the same: one thread, one epoll, no goroutine and no buffer for a
// connection, so that on one core it is faster than what it measures.
//
// It belongs to no server. What a connection says at its start and what is
// published comes as bytes (Dial, Traffic); what comes back is not parsed but
// searched for the Mark that every published payload carries: its topic, its
// sequence number, and when it was sent. So each connection's messages are
// checked for being lost, doubled or out of order, and each has its latency.
//
// It needs Linux.
package load
