// Package dir keeps the bytes of attachments in a directory. Several nodes may
// share one, on a file system that knows links.
//
//	<root>/incoming/     what is being written, under random names
//	<root>/xx/att_…      what is kept, under its id; xx is the id's last byte
//
// A file gets its name once it is complete and synced, by a link, which never
// replaces another: what was kept is not written again.
package dir

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/disk"
	"github.com/parley-chat/parley/internal/spool"
)

// abandoned is the age from which on an incoming file is nobody's: no upload takes
// as long.
const abandoned = 24 * time.Hour

// Dir is a parley.Blobs in a directory.
type Dir struct{ root string }

var _ parley.Blobs = (*Dir)(nil)

// Open opens a directory, which it makes where there is none (mode 0700), and
// removes what a process that died left half written a day ago and before.
func Open(root string) (*Dir, error) {
	d := &Dir{root}
	if err := os.MkdirAll(d.incoming(), 0o700); err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	left, err := os.ReadDir(d.incoming())
	if err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	for _, f := range left {
		if info, err := f.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(d.incoming(), f.Name())) // next time, then
		}
	}
	return d, nil
}

func (d *Dir) incoming() string { return filepath.Join(d.root, "incoming") }

// path is where the bytes of an id lie. Nothing of a client's is part of it.
func (d *Dir) path(id parley.AttachmentID) string {
	return filepath.Join(d.root, hex.EncodeToString(id[15:]), id.String())
}

// Put implements parley.Blobs.
func (d *Dir) Put(ctx context.Context, id parley.AttachmentID, r io.Reader, size int64) (sum [32]byte, err error) {
	f, err := os.CreateTemp(d.incoming(), "*") // mode 0600
	if err != nil {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	sum, err = spool.Copy(ctx, f, r, size)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	if err := d.name(f.Name(), id); err == nil {
		return sum, nil
	} else if !errors.Is(err, fs.ErrExist) {
		return sum, fmt.Errorf("put %s: %w", id, err)
	}
	return sum, d.same(ctx, id, sum)
}

// name gives a complete file its name, for good.
func (d *Dir) name(complete string, id parley.AttachmentID) error {
	path := d.path(id)
	folder := filepath.Dir(path)
	made := os.Mkdir(folder, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	if err := os.Link(complete, path); err != nil {
		return err
	}
	if made == nil {
		if err := disk.SyncDir(d.root); err != nil {
			return err
		}
	}
	return disk.SyncDir(folder)
}

// same is parley.ErrConflict unless the bytes of an id have this sum.
func (d *Dir) same(ctx context.Context, id parley.AttachmentID, sum [32]byte) error {
	f, err := d.Get(ctx, id)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	there, err := spool.Sum(ctx, f)
	if err == nil && there != sum {
		err = parley.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", id, err)
	}
	return nil
}

// Get implements parley.Blobs.
func (d *Dir) Get(_ context.Context, id parley.AttachmentID) (io.ReadSeekCloser, error) {
	f, err := os.Open(d.path(id))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", id, missing(err))
	}
	return f, nil
}

// Stat implements parley.Blobs.
func (d *Dir) Stat(_ context.Context, id parley.AttachmentID) (int64, error) {
	info, err := os.Stat(d.path(id))
	if err != nil {
		return 0, fmt.Errorf("stat %s: %w", id, missing(err))
	}
	return info.Size(), nil
}

// Delete implements parley.Blobs. The name is gone for good when it returns: who asked
// forgets the id then, and nobody would find a file that a loss of power brought back.
func (d *Dir) Delete(_ context.Context, id parley.AttachmentID) error {
	path := d.path(id)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = disk.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	return nil
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return parley.ErrNotFound
	}
	return err
}
