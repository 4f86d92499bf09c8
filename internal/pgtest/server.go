package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

const (
	superuser = "parley"
	dirPrefix = "parley-pg-"

	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// settings make the server small. Durability is left on: the tests are about it.
var settings = []string{
	"listen_addresses=",
	"max_connections=200",
	"shared_buffers=32MB",
	"max_wal_size=256MB",
	"jit=off",
	"log_min_messages=warning",
}

// server is a running PostgreSQL: its process, and the directory that holds its
// socket, its data and its log.
type server struct {
	dir    string
	lock   *os.File // held for the directory's life, see sweep
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process has ended
}

// launch makes a cluster and starts a server on it, and returns once it answers.
func launch(b Binaries) (*server, error) {
	sweep(os.TempDir())
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, exited: make(chan struct{})}
	if err := s.launch(b); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) launch(b Binaries) error {
	var err error
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	who, err := unprivileged()
	if err != nil {
		return err
	}
	if err := who.own(s.dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := s.initdb(ctx, b, who); err != nil {
		return err
	}
	if err := s.spawn(b, who); err != nil {
		return err
	}
	return s.await(ctx)
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// initdb makes the cluster. Whoever may enter the directory is trusted, and its
// mode is 0700.
func (s *server) initdb(ctx context.Context, b Binaries, who account) error {
	cmd := exec.CommandContext(ctx, filepath.Join(b.Dir, "initdb"), "-D", s.data(), "-U", superuser,
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--wal-segsize=4", "--no-sync", "--no-instructions")
	s.prepare(cmd, who)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// spawn starts the server's process and leaves a goroutine with it until it ends.
//
// The process is bound to the life of the thread that started it, so that goroutine
// keeps its thread.
func (s *server) spawn(b Binaries, who account) error {
	args := []string{"-D", s.data(), "-k", s.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(b.Dir, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	s.prepare(cmd, who)

	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in its log
		close(s.exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.cmd = cmd
	return nil
}

// prepare makes a command run as the account, in the server's directory, in a
// language whose messages are known.
func (s *server) prepare(cmd *exec.Cmd, who account) {
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = who.processAttributes()
}

// await polls until the server answers.
func (s *server) await(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("postgres ended at its start: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w: %s", err, s.logTail())
		}
	}
}

// logTail is the end of what the server wrote.
func (s *server) logTail() []byte {
	out, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return bytes.TrimSpace(out[max(0, len(out)-2000):])
}

// stop ends the server, whose data nobody needs any more, and removes its
// directory.
func (s *server) stop() error {
	var err error
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(quick) // an error means that it has ended
		select {
		case <-s.exited:
		case <-time.After(stopTimeout):
			err = fmt.Errorf("postgres (pid %d) did not stop in %s", s.cmd.Process.Pid, stopTimeout)
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
	}
	err = errors.Join(err, os.RemoveAll(s.dir))
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
