// Command instructions holds benchmarks to the instructions that one iteration may
// take, as callgrind counts them. Unlike a time, the count is the same on a machine
// that is busy, to about a hundredth.
//
//	go run ./internal/instructions [-update] bench/instructions.txt
//
// What runs before and after the iterations cancels out: each benchmark runs twice,
// with fewer and with more of them. callgrind shows programs a processor of its own,
// so that code chosen by the processor's abilities is the same wherever it runs.
// Where the machine has no valgrind, or the file is of another version of Go, it
// says so in one line and fails nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// tolerance is how many instructions more than the budget are taken for chance, as
// a part of it.
const tolerance = 0.15

func main() {
	update := flag.Bool("update", false, "write what was counted to the file, instead of holding against it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0), *update); err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, update bool) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read the budgets: %w", err)
	}
	f, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("read the budgets in %s: %w", name, err)
	}
	here, err := toolchain(ctx)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("valgrind"); err != nil {
		fmt.Println("instructions: not counted: there is no valgrind")
		return nil
	}
	if f.toolchain != here && !update {
		fmt.Printf("instructions: not counted: the budgets are those of %s, this is %s\n", f.toolchain, here)
		return nil
	}
	f.toolchain = here
	dir, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	over := false
	for i, b := range f.budgets {
		got, err := b.count(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s %s: %w", b.folder, b.benchmark, err)
		}
		verdict, bad := b.verdict(got)
		fmt.Printf("%-16s %-32s %9d instructions, %s\n", b.folder, b.benchmark, got, verdict)
		over = over || bad
		f.budgets[i].most = got
	}
	switch {
	case update:
		return os.WriteFile(name, []byte(f.String()), 0o644)
	case over:
		return fmt.Errorf("over budget by more than %.0f %%; where it must be, run with -update and say why in the commit", tolerance*100)
	}
	return nil
}

// toolchain is the version of Go, without its patch, and what it compiles for.
func toolchain(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version: %w", err)
	}
	w := strings.Fields(string(out))
	if len(w) != 3 {
		return "", fmt.Errorf("go says of itself %q", out)
	}
	if v := strings.Split(w[0], "."); len(v) > 2 {
		w[0] = v[0] + "." + v[1]
	}
	return w[0] + " " + w[1] + "/" + w[2], nil
}

// count has a benchmark run with fewer and with more iterations, and returns the
// instructions of one. dir is where test binaries are kept from one benchmark to
// the next.
func (b *budget) count(ctx context.Context, dir string) (uint64, error) {
	folder, err := filepath.Abs(b.folder)
	if err != nil {
		return 0, err
	}
	binary := filepath.Join(dir, strings.NewReplacer("/", "_", ".", "_").Replace(b.folder))
	if _, err := os.Stat(binary); err != nil {
		if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, b.folder).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	var counted [2]uint64
	var failed [2]error
	var both sync.WaitGroup // they disturb each other's times, not their counts
	for i, n := range []int{b.fewer, b.more} {
		both.Go(func() { counted[i], failed[i] = b.callgrind(ctx, folder, binary, n) })
	}
	both.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return 0, err
	}
	if counted[1] <= counted[0] {
		return 0, fmt.Errorf("%d iterations take %d instructions, %d take %d", b.fewer, counted[0], b.more, counted[1])
	}
	return (counted[1] - counted[0]) / uint64(b.more-b.fewer), nil
}

// callgrind counts the instructions of a run with n iterations.
func (b *budget) callgrind(ctx context.Context, folder, binary string, n int) (uint64, error) {
	cmd := exec.CommandContext(ctx, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
		binary, "-test.run", "^$", "-test.bench", b.pattern(), "-test.benchtime", strconv.Itoa(n)+"x", "-test.cpu", "1")
	cmd.Dir = folder
	// callgrind cannot follow the signals that preempt goroutines.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run: %w\n%s", err, out)
	}
	counted, err := collected(out)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	return counted, nil
}

// pattern is the regular expression of this benchmark alone.
func (b *budget) pattern() string {
	parts := strings.Split(b.benchmark, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

var (
	counts = regexp.MustCompile(`(?m)^==\d+== Collected : (\d+)`)
	// A benchmark that ran has a line with its time; a pattern may fit none.
	ran = regexp.MustCompile(`(?m)^Benchmark.* ns/op`)
)

// collected finds the count in what callgrind and the benchmark said.
func collected(out []byte) (uint64, error) {
	if !ran.Match(out) {
		return 0, errors.New("no such benchmark")
	}
	m := counts.FindSubmatch(out)
	if m == nil {
		return 0, errors.New("callgrind has not counted")
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}
