// Package conn is one listener at its own pace: it upgrades a request to a
// WebSocket, reads and decodes frames and acts on them, writes what the hub owes,
// and minds the clock (pings, idle limits, expiries).
//
// A Front lets in who asks for a socket, before net/http. A Conn is one goroutine
// that waits, without a buffer and on the smallest stack; hands of the Server's
// read its frames and act on them, and its wheel minds all clocks. There is no
// parked writer: whoever makes something to write starts one if none runs, and it
// goes when nothing is left.
package conn
