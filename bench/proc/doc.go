// Package proc runs a process on a core of its own and reads from /proc what it
// uses. It needs Linux.
package proc
