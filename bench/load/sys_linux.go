package load

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets never block, so their calls need not tell the scheduler: a tenth of
// a microsecond each.

func rawRead(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func rawWrite(fd int, b []byte) (int, unix.Errno) {
	// MSG_NOSIGNAL: a connection that was closed is an error, no signal.
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// sysEpollPwait2 is the same on all architectures (Linux 5.11).
const sysEpollPwait2 = 441

// wait waits for at most d for something to happen.
func (l *Loop) wait(d time.Duration) ([]unix.EpollEvent, error) {
	events := unsafe.Pointer(&l.events[0])
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(events), uintptr(len(l.events)), 0, 0, 0)
	if errno == 0 && n == 0 && d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		n, _, errno = unix.Syscall6(sysEpollPwait2, uintptr(l.epoll), uintptr(events), uintptr(len(l.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if errno == unix.ENOSYS {
			n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(events), uintptr(len(l.events)), uintptr(d.Milliseconds()), 0, 0)
		}
	}
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, errno
	}
	return l.events[:n], nil
}
