package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// quick is the signal by which a server ends at once, its children with it.
const quick = syscall.SIGQUIT

// account is who runs the server; the zero value is whoever runs the tests.
type account struct{ credential *syscall.Credential }

// unprivileged finds an account for the server, which refuses to run as root.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, fmt.Errorf("account %s: %w", name, err)
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("root needs an account postgres or nobody to run the server")
}

// own gives a directory to the account.
func (a account) own(dir string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid))
}

// processAttributes start a process as the account and end it when the thread
// that started it ends, so that a killed test process leaves no server.
func (a account) processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential, Pdeathsig: quick}
}

// lockDir marks a directory as in use for as long as the file is open.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// sweep removes the directories of test processes that were killed. One whose
// lock is held is in use; one whose lock is younger than a minute may be about to
// be. The directory's own time says nothing: a server that ends changes it.
func sweep(temp string) {
	locks, _ := filepath.Glob(filepath.Join(temp, dirPrefix+"*", "lock"))
	for _, lock := range locks {
		f, err := os.Open(lock)
		if err != nil {
			continue
		}
		if info, err := f.Stat(); err == nil && time.Since(info.ModTime()) > time.Minute && flock(f) == nil {
			_ = os.RemoveAll(filepath.Dir(lock))
		}
		_ = f.Close()
	}
}
