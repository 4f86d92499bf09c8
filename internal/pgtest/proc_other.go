//go:build !linux

package pgtest

import (
	"os"
	"path/filepath"
	"syscall"
)

// quick is the signal by which a server ends. Elsewhere than on Linux a server
// outlives a test process that was killed.
var quick = os.Interrupt

// account is who runs the server: always whoever runs the tests.
type account struct{}

func unprivileged() (account, error) { return account{}, nil }

func (account) own(string) error { return nil }

func (account) processAttributes() *syscall.SysProcAttr { return nil }

func lockDir(dir string) (*os.File, error) { return os.Create(filepath.Join(dir, "lock")) }

func sweep(string) {}
