// Package conn is one listener at its own pace: it upgrades a request to a
// WebSocket, reads and decodes frames and acts on them, writes what the hub owes,
// and minds the clock (pings, idle limits, expiries).
//
// A Conn is one goroutine that reads, and waits without holding a buffer. There
// is no parked writer: whoever makes something to write starts one if none runs,
// and it goes when nothing is left.
package conn
