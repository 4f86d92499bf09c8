package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Binaries is an installed PostgreSQL server.
type Binaries struct {
	Dir     string // holds initdb and postgres
	Version string // "15.18"
}

// String is one line about it.
func (b Binaries) String() string { return fmt.Sprintf("PostgreSQL %s in %s", b.Version, b.Dir) }

// ErrNotInstalled says that this machine has no PostgreSQL server.
var ErrNotInstalled = errors.New("no PostgreSQL server found on PATH or in " + debianDirs +
	"; as root on Debian `go run ./internal/pgtest/cmd/ensure` installs one")

// debianDirs is where Debian puts what is not on PATH, a folder per version.
const debianDirs = "/usr/lib/postgresql/*/bin"

// Find looks for a server on PATH, then where Debian installs them, the newest
// version first. ErrNotInstalled where there is none.
func Find() (Binaries, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	installed, _ := filepath.Glob(debianDirs)
	slices.SortFunc(installed, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range append(dirs, installed...) {
		if b, err := inspect(dir); err == nil {
			return b, nil
		}
	}
	return Binaries{}, ErrNotInstalled
}

// inspect asks the server in a folder for its version and sees that it comes
// with initdb.
func inspect(dir string) (Binaries, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, err
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return Binaries{}, fmt.Errorf("unexpected version %q", out)
	}
	return Binaries{Dir: dir, Version: fields[2]}, nil
}

// major is the version in /usr/lib/postgresql/15/bin; 0 where there is none.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}
