package scenario

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// one runs one plan under one sort of traffic.
func one(ctx context.Context, set *Settings, p peer.Peer, plan peer.Plan, t load.Traffic) ([]report.Figure, error) {
	s, err := begin(ctx, set, p, plan)
	if err != nil {
		return nil, err
	}
	defer s.end()
	t.Warm, t.For = set.Warm, set.For
	m, err := s.run(t)
	if err != nil {
		return nil, err
	}
	figures := m.figures()
	if t.Rate > 0 { // the rate is given; what it takes is the question
		slices.SortStableFunc(figures, func(a, b report.Figure) int { return leads(b) - leads(a) })
	}
	figures = append(figures, report.Figure{Name: "connects", Unit: "/s", Value: float64(plan.Total()) / s.connected.Seconds()})
	return figures, nil
}

// leads is 1 for the figure that an open loop is about.
func leads(f report.Figure) int {
	if f.Name == "p99" {
		return 1
	}
	return 0
}

// fanout saturates one topic: the next message goes out when one has reached
// every listener, with so many under way.
func fanout(listeners, window int) func(context.Context, *Settings, peer.Peer) ([]report.Figure, error) {
	return func(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
		plan := peer.Plan{Topics: 1, Listeners: set.shrunk(listeners)}
		return one(ctx, set, p, plan, load.Traffic{Window: set.window(window)})
	}
}

func (s *Settings) window(own int) int {
	if s.Window > 0 {
		return s.Window
	}
	return own
}

// lone sends a message now and then: nothing is warm, nothing can be put together.
func lone(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	plan := peer.Plan{Topics: 1, Listeners: set.shrunk(10_000)}
	return one(ctx, set, p, plan, load.Traffic{Rate: set.rate(2)})
}

// manyWindow is how many messages are under way for each conversation; they take
// turns. With one nothing can be put together; with more than two, peers put
// several messages of one conversation into a frame, which no chat does.
const manyWindow = 2

// many is the case nearest to chat: many conversations with few in each.
func many(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	plan := peer.Plan{Topics: set.shrunk(1000), Listeners: 10, Publishers: 8, Conversations: true}
	return one(ctx, set, p, plan, load.Traffic{Window: set.window(manyWindow * plan.Topics)})
}

// steady is a server with time to spare: how late is a message, and what does it
// cost.
func steady(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	plan := peer.Plan{Topics: set.shrunk(100), Listeners: 10, Publishers: 8, Conversations: true}
	return one(ctx, set, p, plan, load.Traffic{Rate: set.rate(float64(10 * plan.Topics))})
}
