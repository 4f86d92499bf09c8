package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/bench/proc"
)

// Surface is one of Parley's.
type Surface string

// The surfaces.
const (
	Events Surface = "events"
	Bot    Surface = "bot"
	Topics Surface = "topics"
	Chat   Surface = "chat"
)

// Parley is this product, heard on one of its surfaces. Every listener is a user
// of its own.
type Parley struct{ Surface Surface }

// Name is "parley-topics" and so on.
func (p Parley) Name() string { return "parley-" + string(p.Surface) }

// Missing says whether there is a command.
func (Parley) Missing(env *Env) string {
	if len(env.Parley) == 0 {
		return "the parley command"
	}
	return ""
}

// Can is always empty.
func (Parley) Can(*Plan) string { return "" }

// Org is whose the users of a benchmark are.
const Org = "org_bench"

// The types that are published: one that is told and not kept, named so in the
// configuration, and one that is kept.
const (
	typeLive = "load.tick"
	typeKept = "load.kept"
)

// settings are those of the server: its limits count what one client does, and
// here one client is ten thousand.
const settings = `
demo_agent: false
ephemeral_type: [load.tick]
log_level: warn
drain_timeout: 1s
limits:
  events_sockets_user: 1000
  principal_sockets: 100000
  ip_sockets: 1000000
  publishes_per_minute: 1000000000
  service_publishes: 1000000000
  messages_per_second: 100000000
  messages_burst: 100000000
  members_per_call: 100000
  drain_bytes: 16MiB
`

// Start runs "parley serve" on a new data directory and makes what the plan needs.
func (p Parley) Start(ctx context.Context, env *Env, plan *Plan) (*Target, error) {
	dir, err := os.MkdirTemp(env.TempDir, "parley-bench-")
	if err != nil {
		return nil, err
	}
	s, err := p.serve(ctx, env, plan, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	t, err := s.target(ctx, p.Surface, plan)
	if err != nil {
		s.Proc.Kill()
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("prepare: %w; it said: %s", err, s.Proc.Log())
	}
	t.Close = func() { _ = os.RemoveAll(dir) }
	return t, nil
}

func (p Parley) serve(ctx context.Context, env *Env, plan *Plan, dir string) (*House, error) {
	keys, err := auth.OpenKeys(dir)
	if err != nil {
		return nil, err
	}
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("listen: %s\nadmin_listen: %s\ndata: %s\norg: %s\n", addr, admin, dir, Org) + settings
	house := &House{Addr: addr.String(), Mint: keys.Mint}
	if plan.TLS {
		if house.TLS, err = certify(dir); err != nil {
			return nil, err
		}
		text = fmt.Sprintf("tls_cert: %s\ntls_key: %s\n", filepath.Join(dir, certFile), filepath.Join(dir, keyFile)) + text
	}
	file := filepath.Join(dir, "bench.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := append(append([]string(nil), env.Parley[1:]...), "serve", "--config", file)
	house.Proc, err = proc.Start(ctx, env.ServerCores, exec.Command(env.Parley[0], args...))
	if err != nil {
		return nil, err
	}
	if err := house.Proc.Listening(ctx, addr); err != nil {
		house.Proc.Kill()
		return nil, err
	}
	house.born = house.Proc.RSS()
	return house, nil
}
