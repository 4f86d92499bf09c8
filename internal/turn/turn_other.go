//go:build !linux

package turn

import "runtime"

// Turn is one goroutine's to give.
type Turn struct{}

// New makes a Turn.
func New() *Turn { return &Turn{} }

// Give returns once those have run who could.
func (*Turn) Give() { runtime.Gosched() }

// Close gives back what a Turn has.
func (*Turn) Close() {}
