package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Proc is a process that was started here.
type Proc struct {
	cmd  *exec.Cmd
	log  tail
	done chan struct{}
	err  error // once done is closed
}

// Start runs a command on the cores given (none: wherever). It ends with ctx, with
// this process, or with Stop.
func Start(ctx context.Context, cores []int, cmd *exec.Cmd) (*Proc, error) {
	p := &Proc{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := onCores(cores, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	return p, nil
}

// onCores runs f on a thread that is bound to cores: what it starts inherits that,
// and the thread's nice value.
func onCores(cores []int, f func() error) error {
	if len(cores) == 0 {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read affinity: %w", err)
	}
	set := setOf(cores)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind to cores %v: %w", cores, err)
	}
	err := f()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

func setOf(cores []int) (set unix.CPUSet) {
	for _, c := range cores {
		set.Set(c)
	}
	return set
}

// Pin binds every thread of this process, and those it will start, to cores.
func Pin(cores []int) error {
	set := setOf(cores)
	return eachThread(func(id int) error { return unix.SchedSetaffinity(id, &set) })
}

// First lets every thread of this process, and what it will start, go before all
// else on their cores, until after is called. It needs privileges.
func First() (after func(), err error) {
	const most = -20
	err = eachThread(func(id int) error { return unix.Setpriority(unix.PRIO_PROCESS, id, most) })
	if err != nil {
		return nil, err
	}
	// Where the kernel shares a core among sessions first, that of the session counts.
	const session = "/proc/self/autogroup"
	if os.WriteFile(session, []byte(strconv.Itoa(most)), 0) != nil {
		return func() {}, nil
	}
	return func() { _ = os.WriteFile(session, []byte("0"), 0) }, nil
}

func eachThread(f func(id int) error) error {
	for range 2 { // a thread may have been started meanwhile
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := f(id); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("thread %d: %w", id, err)
			}
		}
	}
	return nil
}

// Cores lists those that this process may use.
func Cores() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return []int{0}
	}
	var cores []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores
}

// RaiseFiles raises the limit on open files to what is allowed, here and in what
// is started from now on, and returns it.
func RaiseFiles() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = l.Max
	// syscall's, so that what is started does not get the old limit back.
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: l.Cur, Max: l.Max})
	return l.Cur, err
}

// FreeAddr is a loopback address at which nobody listens.
func FreeAddr() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// Listening waits until the process takes connections at an address.
func (p *Proc) Listening(ctx context.Context, a netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.DialTimeout("tcp", a.String(), time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended (%v) and said: %s", p.err, p.log.String())
		case <-ctx.Done():
			return fmt.Errorf("it does not listen on %s: %w; it said: %s", a, ctx.Err(), p.log.String())
		case <-tick.C:
		}
	}
}

// PID is the process's id.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Log is the end of what the process has written.
func (p *Proc) Log() string { return p.log.String() }

// Stop asks the process to end, and makes it after three seconds.
func (p *Proc) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(3 * time.Second)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Kill ends the process at once.
func (p *Proc) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// CPU is what all threads of the process have used since it started, user and
// system.
func (p *Proc) CPU() time.Duration { return cpuOf(p.PID()) }

func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything; utime and stime are the 12th and
	// 13th field after it, in ticks of 10 ms.
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Busy is how long cores have not been idle since the machine started, whoever
// used them.
func Busy(cores []int) time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var ticks int64
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		core, ok := strings.CutPrefix(fields[0], "cpu")
		n, err := strconv.Atoi(core)
		if !ok || err != nil || !slices.Contains(cores, n) {
			continue
		}
		for i, f := range fields[1:] {
			if i == 3 || i == 4 || i > 7 { // idle, waiting for a disk; guests are in user
				continue
			}
			v, _ := strconv.ParseInt(f, 10, 64)
			ticks += v
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// RSS is the resident memory of the process, in bytes.
func (p *Proc) RSS() int64 { return memoryOf(p.PID(), "Rss", "VmRSS") }

// Own is the resident memory of the process without the files that it maps, its
// program and a database, in bytes: what is left of those is the kernel's cache of
// them, which is there however they are read.
func (p *Proc) Own() int64 { return memoryOf(p.PID(), "Anonymous", "RssAnon") }

// memoryOf reads a line of smaps_rollup, or of status where that cannot be read.
func memoryOf(pid int, rollup, status string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	}
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != rollup && name != status {
			continue
		}
		kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		return kb << 10
	}
	return 0
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*tail)(nil)

const tailBytes = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
