package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
)

// Synchronous says when a commit is on the disk.
type Synchronous string

// The levels of Config.Synchronous.
const (
	// SyncFull syncs every commit: what was acknowledged survives power loss (P1).
	SyncFull Synchronous = "full"
	// SyncNormal syncs at checkpoints: what was acknowledged survives the death of
	// the process, and power loss may take back the last moments, never more.
	SyncNormal Synchronous = "normal"
)

// Config says which file to open and how.
type Config struct {
	// Path is the database file; it and its directory's -wal, -shm and .lock
	// companions are made where they do not exist. Required.
	Path string
	// Synchronous is SyncFull where empty.
	Synchronous Synchronous
	// Exclusive takes the lock that a server holds for its life: there is one
	// server to a file. Without it only credentials, principals and reads may be
	// used beside a running server, never AppendEvent; Replay, LastOffset and Search
	// may miss there what the server has stored last.
	Exclusive bool
	// Readers is the number of connections for reads; 4 where zero.
	Readers int
}

// Validate reports the first setting that cannot be used.
func (c *Config) Validate() error {
	switch {
	case c.Path == "":
		return errors.New("sqlite: path is empty")
	case c.Synchronous != "" && c.Synchronous != SyncFull && c.Synchronous != SyncNormal:
		return fmt.Errorf("sqlite: synchronous is %q, must be full or normal", c.Synchronous)
	case c.Readers < 0:
		return fmt.Errorf("sqlite: readers is %d, must not be negative", c.Readers)
	}
	return nil
}

// dsn names the file to the driver. The reading side can write nothing.
func (c *Config) dsn(readOnly bool) (string, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return "", fmt.Errorf("sqlite: path: %w", err)
	}
	sync := c.Synchronous
	if sync == "" {
		sync = SyncFull
	}
	pragmas := []string{
		"busy_timeout(5000)",
		"journal_mode(wal)",
		"synchronous(" + string(sync) + ")",
		"foreign_keys(off)",
		"wal_autocheckpoint(4000)", // pages; a page is written back once for more commits
		"temp_store(memory)",
		"cache_size(-16384)",           // KiB, of each connection
		"mmap_size(268435456)",         // bytes; reads of cached pages without a copy
		"journal_size_limit(67108864)", // bytes the WAL may keep after a checkpoint
	}
	if readOnly {
		pragmas = append(pragmas, "query_only(on)")
	} else {
		// What was deleted or written anew is no longer in the file, nor on the pages of
		// it that are free.
		pragmas = append(pragmas, "secure_delete(on)")
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String(), nil
}
