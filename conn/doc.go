// Package conn is one listener at its own pace: it upgrades a request to a
// WebSocket, reads and decodes frames and acts on them, writes what the hub owes,
// and minds the clock (pings, idle limits, expiries).
//
// A Front lets in who asks for a socket, before net/http. A Conn is one goroutine
// that waits, without a buffer and on the smallest stack; hands of the Server's
// read its frames and act on them, and its wheel minds all clocks. There is no
// parked writer: the hub's loop writes by itself where few hear an event, rounds
// over all who are owed something where many do, and a goroutine only while a
// socket has to be waited for (ADR 14).
package conn
