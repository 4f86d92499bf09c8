package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/proc"
	"github.com/parley-chat/parley/bench/report"
	"github.com/parley-chat/parley/bench/scenario"
)

// Run measures and prints.
func (c *benchCmd) Run(p *program) error {
	if c.List {
		for _, s := range scenario.All() {
			fmt.Fprintf(p.stdout, "%-20s %s\n", s.Name, s.Help)
		}
		return nil
	}
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer restore()
	scenarios, err := scenario.ByName(c.Scenario)
	if err != nil {
		return usageError{err}
	}
	peers, err := peer.ByName(c.Peers)
	if err != nil {
		return usageError{err}
	}
	env, close, err := c.environment(ctx, p)
	if err != nil {
		return err
	}
	defer close()
	set := &scenario.Settings{
		Env: env, Warm: c.Warm, For: c.For, Durable: c.Durable, TLS: c.TLS, Poll: c.Poll, Window: c.Window, Rate: c.Rate, Shrink: c.Shrink,
	}
	r := report.New(ctx, env.ServerCores)
	r.Command = "parley bench " + strings.Join(c.args(), " ")
	for _, file := range c.With {
		if err := r.Include(file); err != nil {
			return usageError{fmt.Errorf("--with: %w", err)}
		}
	}
	failed := c.rounds(ctx, p, r, set, scenarios, peers)
	if err := r.Markdown(p.stdout); err != nil {
		return err
	}
	return errors.Join(failed, c.keep(p, r))
}

// rounds measures every peer in every round, each round beginning with another,
// so that what the machine does besides falls on all alike.
func (c *benchCmd) rounds(ctx context.Context, p *program, r *report.Report, set *scenario.Settings, scenarios []scenario.Scenario, peers []peer.Peer) error {
	var failed []error
	for i := range scenarios {
		s := &scenarios[i]
		out := map[string]bool{} // peers that cannot
		for round := range c.Rounds {
			for j := range peers {
				who := peers[(j+round)%len(peers)]
				if out[who.Name()] || ctx.Err() != nil {
					continue
				}
				figures, err := s.Run(ctx, set, who)
				switch {
				case ctx.Err() != nil:
					return context.Cause(ctx)
				case errors.Is(err, scenario.ErrCannot):
					out[who.Name()] = true
					fmt.Fprintf(p.stderr, "%s: %s is left out: %v\n", s.Name, who.Name(), err)
				case err != nil:
					failed = append(failed, fmt.Errorf("%s: %s, round %d: %w", s.Name, who.Name(), round+1, err))
					fmt.Fprintf(p.stderr, "%s: %s, round %d: FAILED: %v\n", s.Name, who.Name(), round+1, err)
					r.Fail(s.Name, who.Name(), round+1, err)
				default:
					r.Add(s.Name, who.Name(), round+1, figures)
					fmt.Fprintf(p.stderr, "%s: %s, round %d: %s\n", s.Name, who.Name(), round+1, report.Line(figures))
				}
			}
		}
	}
	return errors.Join(failed...)
}

// keep writes the files that were asked for.
func (c *benchCmd) keep(p *program, r *report.Report) error {
	if c.JSON != "" {
		if err := r.WriteJSON(c.JSON); err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "figures: %s\n", c.JSON)
	}
	if c.SVG != "" {
		if err := r.WriteSVG(c.SVG); err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "picture: %s\n", c.SVG)
	}
	return nil
}

// environment prepares the machine: files, cores, and the peers that have to be
// built.
func (c *benchCmd) environment(ctx context.Context, p *program) (*peer.Env, func(), error) {
	files, err := proc.RaiseFiles()
	if err != nil || files < 12_000 {
		fmt.Fprintf(p.stderr, "only %d files may be open: scenarios with more connections will fail (ulimit -n)\n", files)
	}
	env := &peer.Env{SocketIO: c.SocketIODir, Centrifugo: c.Centrifugo}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	env.Parley = []string{self}
	if env.Node, err = exec.LookPath("node"); err != nil {
		env.Node = ""
	}
	if env.TempDir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
		return nil, nil, err
	}
	close := func() { _ = os.RemoveAll(env.TempDir) }
	if env.Helper, err = c.helper(ctx, env.TempDir); err != nil {
		fmt.Fprintf(p.stderr, "peers that are Go libraries are left out: %v\n", err)
	}
	if err := c.pin(p, env); err != nil {
		close()
		return nil, nil, err
	}
	if !c.Priority {
		return env, close, nil
	}
	after, err := proc.First()
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("--priority: %w", err)
	}
	return env, func() { after(); close() }, nil
}

// helper builds the peers that are Go libraries.
func (c *benchCmd) helper(ctx context.Context, dir string) (string, error) {
	if !filepath.IsAbs(c.PeerDir) {
		if _, err := os.Stat(filepath.Join(c.PeerDir, "go.mod")); err != nil {
			return "", fmt.Errorf("%s is not here; run in a checkout of the repository, or name it with --peer-dir", c.PeerDir)
		}
	}
	path := filepath.Join(dir, "peers")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	build.Dir = c.PeerDir
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", c.PeerDir, err, said)
	}
	return path, nil
}

// pin gives the server and the generator a core each.
func (c *benchCmd) pin(p *program, env *peer.Env) error {
	cores := proc.Cores()
	if len(cores) < 2 {
		fmt.Fprintln(p.stderr, "this machine has one core: server and generator share it, and the figures say little")
		return nil
	}
	env.ServerCores = c.ServerCores
	if len(env.ServerCores) == 0 {
		env.ServerCores = cores[:1]
	}
	generator := c.GeneratorCore
	if generator < 0 {
		generator = cores[1]
	}
	return proc.Pin([]int{generator})
}

// args are the flags that say what was measured, for the record.
func (c *benchCmd) args() []string {
	args := []string{"--scenario " + strings.Join(c.Scenario, ","), "--peers " + strings.Join(c.Peers, ","), fmt.Sprintf("--rounds %d", c.Rounds)}
	add := func(when bool, text string) {
		if when {
			args = append(args, text)
		}
	}
	add(c.Durable, "--durable")
	add(c.TLS, "--tls")
	add(c.Poll, "--poll")
	add(c.Window > 0, fmt.Sprintf("--window %d", c.Window))
	add(c.Rate > 0, fmt.Sprintf("--rate %g", c.Rate))
	add(c.For != 5*time.Second, "--for "+c.For.String())
	add(c.Priority, "--priority")
	add(c.Shrink > 1, fmt.Sprintf("--shrink %d", c.Shrink))
	return args
}
