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
