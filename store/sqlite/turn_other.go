//go:build !linux

package sqlite

import "runtime"

// turn lets whoever can run go first.
type turn struct{}

func newTurn() turn { return turn{} }

func (turn) yield() { runtime.Gosched() }

func (turn) close() {}
