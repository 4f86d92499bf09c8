// Package turn lets a goroutine that has much to do give others their turn: those
// who can run, and those whom the network has something for. On a processor that is
// never idle nobody else asks the network, for up to 10 ms.
package turn
