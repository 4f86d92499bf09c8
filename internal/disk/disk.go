// Package disk does what the os package leaves out about files that must last.
package disk

import (
	"errors"
	"os"
	"runtime"
)

// SyncDir makes what was named, renamed or removed in a directory survive a loss of
// power.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
