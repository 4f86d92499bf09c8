//go:build !linux

package main

import "errors"

// Run says that it cannot.
func (*benchCmd) Run(*program) error {
	return errors.New("bench needs Linux: it drives epoll and reads /proc")
}
