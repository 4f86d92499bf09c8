package peer

import (
	"context"

	"github.com/parley-chat/parley/bench/load"
)

// HTTP is a net/http handler that reads a body and answers: the floor of every
// HTTP route in Go.
type HTTP struct{}

// Name is "nethttp".
func (HTTP) Name() string { return "nethttp" }

// Missing says whether the helper is there.
func (HTTP) Missing(env *Env) string { return needsHelper(env) }

// Can refuses all that is not just requests.
func (HTTP) Can(p *Plan) string {
	if p.Topics > 0 || p.TLS {
		return "it only answers requests, without TLS"
	}
	return ""
}

// Start starts the helper.
func (HTTP) Start(ctx context.Context, env *Env, _ *Plan) (*Target, error) {
	t, err := helper(ctx, env, "http")
	if err != nil {
		return nil, err
	}
	t.Requester = func() *load.Dial { return &load.Dial{Addr: t.Addr, Topic: load.NoTopic} }
	t.Request = func(int) func([]byte, uint64) []byte {
		return inTurn(requestChannels, func(n int) []byte { return appendPost(nil, t.Addr, "/", "none", keptEvent(n)) })
	}
	return t, nil
}
