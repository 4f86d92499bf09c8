//go:build !unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked says that another server has the file open.
var ErrLocked = errors.New("another server uses this data directory")

// lockFile only makes the file: this system has no advisory lock that ends with
// its process, so that the operator must see to it that one server runs.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: lock file: %w", err)
	}
	return f, nil
}

// lockDir locks nothing: two must not be started at once on an empty directory.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: data directory: %w", err)
	}
	return f, nil
}
