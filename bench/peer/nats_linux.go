package peer

import (
	"bytes"
	"context"
	"fmt"

	"github.com/parley-chat/parley/bench/load"
)

// NATS is nats-server over WebSocket: core NATS, its defaults, no permissions.
type NATS struct{}

// Name is "nats".
func (NATS) Name() string { return "nats" }

// Missing says whether the helper is there.
func (NATS) Missing(env *Env) string { return needsHelper(env) }

// Can refuses what core NATS does not have.
func (NATS) Can(p *Plan) string {
	return liveAndPlain(p, "core NATS stores nothing")
}

// natsPing is what both ends ask to see whether the other lives.
var natsPing = []byte("PING\r\n")

// Start starts the helper.
func (NATS) Start(ctx context.Context, env *Env, plan *Plan) (*Target, error) {
	t, err := helper(ctx, env, "nats")
	if err != nil {
		return nil, err
	}
	const hello = `CONNECT {"verbose":false,"pedantic":false,"echo":true,"protocol":1,"lang":"bench","version":"1"}` + "\r\n"
	dial := func(topic int, more string) *load.Dial {
		return &load.Dial{
			Addr: t.Addr, Request: upgrade(t.Addr, "/"), Opcode: load.OpBinary, Topic: topic,
			Steps: []load.Step{{Send: []byte(hello + more + string(natsPing)), Expect: "PONG\r\n"}},
		}
	}
	t.Listener = func(i int) *load.Dial {
		topic := i / plan.Listeners
		return dial(topic, fmt.Sprintf("SUB bench.t%d 1\r\n", topic))
	}
	t.Publisher = func(int) *load.Dial { return dial(load.NoTopic, "") }
	t.Template = func(topic int) []byte {
		return fmt.Appendf(nil, "PUB bench.t%d %d\r\n%s\r\n", topic, load.PayloadBytes, load.Payload(topic, ""))
	}
	t.Scan.KeepAlive = func(payload []byte) []byte {
		if bytes.Contains(payload, natsPing) {
			return []byte("PONG\r\n")
		}
		return nil
	}
	return t, nil
}
