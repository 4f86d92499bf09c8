package sqlite

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// turn lets whoever can run go first.
type turn struct {
	file *os.File // an eventfd
	conn syscall.RawConn
}

func newTurn() turn {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return turn{}
	}
	file := os.NewFile(uintptr(fd), "eventfd")
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return turn{}
	}
	return turn{file, conn}
}

// yield returns once those have run who could, and those whom the network has
// something for.
//
// runtime.Gosched does not ask the network: whoever yields so is run again before
// that. A goroutine that waits for a descriptor is run once the network was asked,
// together with all it has news for; so this one gives a descriptor news of its
// own, waits for them, and lets the others of that answer go first. Each write is
// news, whether or not any was read.
func (t turn) yield() {
	if t.file == nil {
		runtime.Gosched()
		return
	}
	told := false
	_ = t.conn.Read(func(fd uintptr) bool {
		if told {
			return true
		}
		told = true
		one := [8]byte{1}
		_, err := unix.Write(int(fd), one[:])
		return err != nil // without news there would be no end
	})
	runtime.Gosched()
}

func (t turn) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}
