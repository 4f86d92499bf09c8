// Package scenario is what is measured: each scenario starts a server, connects,
// loads it, and gives figures; a run that lost, doubled or reordered a message
// fails. It needs Linux.
package scenario
