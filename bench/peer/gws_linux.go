package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/proc"
)

// helper starts the binary of bench/peers.
func helper(ctx context.Context, env *Env, command string) (*Target, error) {
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(ctx, env.ServerCores, exec.Command(env.Helper, command, addr.String()))
	if err != nil {
		return nil, err
	}
	if err := p.Listening(ctx, addr); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return &Target{Proc: p, Addr: addr, Born: p.RSS()}, nil
}

func needsHelper(env *Env) string {
	if env.Helper == "" {
		return "the helper of bench/peers: run in a checkout of the repository, or name it with --peer-dir"
	}
	return ""
}

// GWS is a loop of fifty lines around a WebSocket library: whoever says a topic
// hears it, and a message is written to each of them. It has no authentication, no
// history and no bounds: it is what anyone gets in an afternoon.
type GWS struct{}

// Name is "gws".
func (GWS) Name() string { return "gws" }

// Missing says whether the helper is there.
func (GWS) Missing(env *Env) string { return needsHelper(env) }

// Can refuses what the loop does not have.
func (GWS) Can(p *Plan) string {
	return liveAndPlain(p, "it stores nothing")
}

// Start starts the helper.
func (GWS) Start(ctx context.Context, env *Env, plan *Plan) (*Target, error) {
	t, err := helper(ctx, env, "gws")
	if err != nil {
		return nil, err
	}
	dial := func(topic int, steps ...load.Step) *load.Dial {
		return &load.Dial{Addr: t.Addr, Request: upgrade(t.Addr, "/"), Opcode: load.OpText, Topic: topic, Steps: steps}
	}
	t.Listener = func(i int) *load.Dial {
		topic := i / plan.Listeners
		return dial(topic, load.Step{Send: fmt.Appendf(nil, `{"op":"sub","topic":"t%d"}`, topic), Expect: "ok"})
	}
	t.Publisher = func(int) *load.Dial { return dial(load.NoTopic) }
	t.Template = func(topic int) []byte {
		return fmt.Appendf(nil, `{"op":"pub","topic":"t%d","data":%s}`, topic, json.RawMessage(load.Payload(topic, "")))
	}
	return t, nil
}
