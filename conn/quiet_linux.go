//go:build linux && !race

package conn

import (
	"syscall"
	"unsafe"
)

// quietRead and quietWrite are read and write for a descriptor that does not
// block, without a word to the Go runtime, which would else be ready to give the
// processor to others meanwhile. Telling it is not dear, but in a process that was
// idle it wakes the runtime's monitor, a thread that then looks every 20 µs whether
// the call has come back: a sixth of what a message costs that comes alone.
//
// The monitor is also who interrupts a goroutine that computes for long, and it
// sleeps until somebody tells of a call: those who do much at once do (rounds).

func quietRead(fd uintptr, p []byte) (int, error) { return quiet(syscall.SYS_READ, fd, p) }

func quietWrite(fd uintptr, p []byte) (int, error) { return quiet(syscall.SYS_WRITE, fd, p) }

func quiet(trap, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
