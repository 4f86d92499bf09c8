//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked says that another server has the file open.
var ErrLocked = errors.New("another server uses this data directory")

// lockFile takes the advisory lock of a file, which it makes where it does not
// exist. The lock ends with the returned file, or with the process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("%w (%s is locked)", ErrLocked, path)
	case err != nil:
		err = fmt.Errorf("sqlite: lock %s: %w", path, err)
	default:
		return f, nil
	}
	_ = f.Close()
	return nil, err
}

// lockDir waits until no other process makes or migrates a file in the directory.
// The lock ends with the returned file. Where the file system has no such locks,
// the operator must not start two at once on an empty directory.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: data directory: %w", err)
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			return f, nil
		}
	}
}
