package scenario

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// What the slow scenario is made of.
const (
	slowReaders = 2000
	slowShare   = 10   // one in so many reads slowly
	slowBytes   = 1000 // of a second
	slowRate    = 1000 // messages a second
)

// slow asks whether those who read 1 kB/s hurt those who read all that comes: the
// same traffic once with all fast, once with a tenth slow, each on a new server.
// The slow may be dropped; the others must get everything.
func slow(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	plan := peer.Plan{Topics: 1, Listeners: set.shrunk(slowReaders)}
	without, _, err := slowRun(ctx, set, p, plan, 0)
	if err != nil {
		return nil, fmt.Errorf("all fast: %w", err)
	}
	number := max(plan.Listeners/slowShare, 1)
	with, gone, err := slowRun(ctx, set, p, plan, number)
	if err != nil {
		return nil, fmt.Errorf("with slow readers: %w", err)
	}
	p99, floor := with.Latency.Quantile(0.99), without.Latency.Quantile(0.99)
	return []report.Figure{
		{Name: "p99 of the fast", Unit: "ms", Value: ms(p99)},
		{Name: "p99 without slow", Unit: "ms", Value: ms(floor)},
		{Name: "ratio", Value: float64(p99) / float64(max(floor, 1))},
		{Name: "memory per slow", Unit: "kB", Value: float64(with.rss-without.rss) / float64(number) / 1e3},
		{Name: "slow dropped", Value: float64(gone)},
		{Name: "deliveries", Unit: "/s", Value: float64(with.Delivered) / with.Elapsed.Seconds()},
		{Name: "server", Unit: "cores", Value: with.cpu.Seconds() / with.Elapsed.Seconds()},
		{Name: "generator", Unit: "cores", Value: with.CPU.Seconds() / with.Elapsed.Seconds()},
	}, nil
}

func slowRun(ctx context.Context, set *Settings, p peer.Peer, plan peer.Plan, number int) (m *measured, gone int, err error) {
	plan.Slow, plan.SlowBytes = number, slowBytes
	s, err := begin(ctx, set, p, plan)
	if err != nil {
		return nil, 0, err
	}
	defer s.end()
	m, err = s.try(load.Traffic{Rate: set.rate(slowRate), Warm: set.Warm, For: set.For})
	if err != nil {
		return nil, 0, err
	}
	for _, c := range s.listeners {
		if c.Dial.Slow == 0 && c.Err() != nil {
			return nil, 0, fmt.Errorf("a fast reader was dropped: %w", c.Err())
		}
		if c.Err() != nil {
			gone++
		}
	}
	m.Disconnect = nil // only of slow ones
	return m, gone, m.Err()
}
