package conn_test

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkCommand is a command and its answer over a socket, one after the other
// and a hundred at once, both ends in one process.
func BenchmarkCommand(b *testing.B) {
	h := openHouse(b)
	c := h.dial("/ws/topics?token=" + h.mint("ada"))
	ask := text(`{"op":"ping"}`)
	c.raw(ask)
	answer := c.data()
	read := func(n int) {
		if _, err := io.CopyN(io.Discard, c.br, int64(n)*int64(len(answer)+2)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.raw(ask)
			read(1)
		}
	})
	b.Run("100", func(b *testing.B) {
		b.ReportAllocs()
		many := bytes.Repeat(ask, 100)
		for b.Loop() {
			c.raw(many)
			read(100)
		}
	})
}
