package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// publishConnections is how many keep-alive connections ask at once.
const publishConnections = 32

// publish posts durable events, so many to a request, and waits for each answer.
func publish(events int) func(context.Context, *Settings, peer.Peer) ([]report.Figure, error) {
	return func(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
		plan := peer.Plan{Durable: true, TLS: set.TLS}
		if _, floor := p.(peer.HTTP); !floor {
			if why := p.Can(&plan); why != "" {
				return nil, fmt.Errorf("%w: %s", ErrCannot, why)
			}
		} else if events > 1 {
			return nil, fmt.Errorf("%w: it has no batches", ErrCannot)
		}
		t, err := p.Start(ctx, set.Env, &plan)
		if err != nil {
			return nil, err
		}
		defer t.Stop()
		if t.Request == nil {
			return nil, fmt.Errorf("%w: the route is of the events surface (parley-events)", ErrCannot)
		}
		return ask(ctx, set, t, t.Request(events), "event", events)
	}
}

// sendConversations is over how many conversations messages are spread.
const sendConversations = 50

// send posts messages as clients do, and waits for each answer.
func send(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	t, err := p.Start(ctx, set.Env, &peer.Plan{Topics: sendConversations, Listeners: 1, Conversations: true, TLS: set.TLS})
	if err != nil {
		return nil, err
	}
	defer t.Stop()
	if t.Send == nil {
		return nil, fmt.Errorf("%w: the route is of the chat surface (parley-chat)", ErrCannot)
	}
	return ask(ctx, set, t, t.Send, "message", 1)
}

// ask sends requests on all connections, each of which stores so many of what they
// are of.
func ask(ctx context.Context, set *Settings, t *peer.Target, request func([]byte, uint64) []byte, what string, each int) ([]report.Figure, error) {
	l, err := load.New(ctx, t.Scan)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.Poll = set.Poll
	dials := make([]*load.Dial, publishConnections)
	for i := range dials {
		dials[i] = t.Requester()
	}
	conns, err := l.Connect(dials, 0)
	if err != nil {
		return nil, err
	}
	var cpu []time.Duration
	a, err := l.Ask(conns, request, set.Warm, set.For, func() { cpu = append(cpu, t.Proc.CPU()) })
	if err != nil {
		return nil, err
	}
	seconds, stored := a.Elapsed.Seconds(), float64(a.Answers)*float64(each)
	return []report.Figure{
		{Name: what + "s", Unit: "/s", Value: stored / seconds},
		{Name: "requests", Unit: "/s", Value: float64(a.Answers) / seconds},
		{Name: "CPU per " + what, Unit: "µs", Value: (cpu[1] - cpu[0]).Seconds() * 1e6 / stored},
		{Name: "p50", Unit: "ms", Value: ms(a.Latency.Quantile(0.5))},
		{Name: "p99", Unit: "ms", Value: ms(a.Latency.Quantile(0.99))},
		{Name: "server", Unit: "cores", Value: (cpu[1] - cpu[0]).Seconds() / seconds},
		{Name: "generator", Unit: "cores", Value: a.CPU.Seconds() / seconds},
	}, nil
}
