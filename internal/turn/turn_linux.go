package turn

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Turn is one goroutine's to give. The zero value works, and does not ask the
// network.
type Turn struct {
	file *os.File // an eventfd
	conn syscall.RawConn
	told bool
	tell func(fd uintptr) bool // made once: it would be an allocation for each turn
}

// New makes a Turn, which has a descriptor until it is closed.
func New() *Turn {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return &Turn{}
	}
	file := os.NewFile(uintptr(fd), "eventfd")
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return &Turn{}
	}
	t := &Turn{file: file, conn: conn}
	one := [8]byte{1}
	t.tell = func(fd uintptr) bool {
		if t.told {
			return true
		}
		t.told = true
		_, err := unix.Write(int(fd), one[:])
		return err != nil // without news there would be no end
	}
	return t
}

// Give returns once those have run who could, and those whom the network has
// something for.
//
// runtime.Gosched does not ask the network: whoever yields so is run again before
// that. A goroutine that waits for a descriptor is run once the network was asked,
// together with all it has news for; so this one gives a descriptor news of its
// own, waits for them, and lets the others of that answer go first. Each write is
// news, whether or not any was read.
func (t *Turn) Give() {
	if t.file != nil {
		t.told = false
		_ = t.conn.Read(t.tell)
	}
	runtime.Gosched()
}

// Close gives the descriptor back.
func (t *Turn) Close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}
