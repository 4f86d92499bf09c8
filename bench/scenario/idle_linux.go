package scenario

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// settle is how long a server may take to tidy up before its memory is read.
const settle = 10 * time.Second

// spareFiles are those that a server needs besides its connections.
const spareFiles = 500

// idle measures the memory of connections that are authenticated, listen to one
// conversation of ten, and hear nothing; at most stands for as many as there may
// be files, up to 50,000.
func idle(connections int) func(context.Context, *Settings, peer.Peer) ([]report.Figure, error) {
	return func(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
		n := connections
		if n == 0 {
			var l unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
				return nil, err
			}
			n = min(int(l.Cur)-spareFiles, 50_000)
		}
		plan := peer.Plan{Topics: max(set.shrunk(n)/10, 1), Listeners: 10, Conversations: true}
		s, err := begin(ctx, set, p, plan)
		if err != nil {
			return nil, err
		}
		defer s.end()
		if err := s.loop.Rest(settle); err != nil {
			return nil, err
		}
		rss, total := s.Proc.RSS(), float64(plan.Total())
		figures := []report.Figure{
			{Name: "memory per connection", Unit: "kB", Value: float64(rss-s.Born) / total / 1e3},
			{Name: "memory", Unit: "MB", Value: float64(rss) / 1e6},
			{Name: "before", Unit: "MB", Value: float64(s.Born) / 1e6},
			{Name: "connections", Value: total},
			{Name: "connects", Unit: "/s", Value: total / s.connected.Seconds()},
		}
		if s.House == nil || connections == 0 {
			return figures, nil
		}
		more, err := memberships(ctx, s)
		return append(figures, more...), err
	}
}

// memberships has every listener join more conversations, all in the same, and
// measures what that costs. The store's file grows too, and the kernel caches what
// was written: that is told apart from what the server itself holds.
func memberships(ctx context.Context, s *session) ([]report.Figure, error) {
	const conversations = 50
	before, all := s.Proc.Own(), s.Proc.RSS()
	if err := s.fill(ctx, conversations+s.plan.Topics); err != nil {
		return nil, err
	}
	if err := s.loop.Rest(settle); err != nil {
		return nil, err
	}
	grown, total := s.Proc.Own()-before, float64(conversations*s.plan.Total())
	cached := s.Proc.RSS() - all - grown
	return []report.Figure{
		{Name: "further membership", Unit: "B", Value: float64(grown) / total},
		{Name: "its files in the kernel's cache", Unit: "B", Value: float64(cached) / total},
	}, nil
}
