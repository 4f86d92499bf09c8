package dir_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/blob/blobtest"
	"github.com/parley-chat/parley/blob/dir"
)

func open(t *testing.T, root string) *dir.Dir {
	t.Helper()
	d, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBlobs(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) parley.Blobs { return open(t, filepath.Join(t.TempDir(), "a", "b")) })
}

// files are all files below a directory.
func files(t *testing.T, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(root, path)
			list = append(list, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A file lies under its id, readable by its owner only, and nothing else is left
// behind, by those that failed neither.
func TestNamesAreIDsOnly(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	id := parley.AttachmentID{1, 15: 0xab}
	if _, err := d.Put(t.Context(), id, strings.NewReader("four"), 4); err != nil {
		t.Fatal(err)
	}
	_, _ = d.Put(t.Context(), parley.AttachmentID{2}, strings.NewReader("four"), 5)
	_, _ = d.Put(t.Context(), id, strings.NewReader("five!"), 5)
	if got := files(t, root); len(got) != 1 || got[0] != "ab/"+id.String() {
		t.Errorf("files: %q", got)
	}
	info, err := os.Stat(filepath.Join(root, "ab", id.String()))
	if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// What a process that died left half written goes at a later start; what another
// node is writing now stays.
func TestWhatWasAbandonedGoes(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	old, young := filepath.Join(root, "incoming", "1"), filepath.Join(root, "incoming", "2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if got := files(t, root); len(got) != 1 || got[0] != "incoming/2" {
		t.Errorf("files: %q", got)
	}
}
