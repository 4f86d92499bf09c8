package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// rateLimit is what p99 must stay below.
const rateLimit = 100 * time.Millisecond

// rate searches the highest rate at which every message reaches 5,000 listeners,
// 99 % of them within rateLimit: twice the rate while that goes well, then halves
// of what is between, to a tenth. A server that was overloaded is not asked again;
// a new one is.
func rate(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	plan := peer.Plan{Topics: 1, Listeners: set.shrunk(5000)}
	var s *session
	defer func() {
		if s != nil {
			s.end()
		}
	}()
	var best *measured
	low, high := 0.0, 0.0
	for next := 4.0; high == 0 || high-low > low/10; {
		if s == nil {
			var err error
			if s, err = begin(ctx, set, p, plan); err != nil {
				return nil, err
			}
		}
		m, err := s.try(load.Traffic{Rate: next, Warm: set.Warm / 2, For: set.For})
		if err != nil {
			return nil, err
		}
		if m.Doubled > 0 || m.Reordered > 0 || m.Strays > 0 {
			return nil, m.Err()
		}
		if m.Lost == 0 && m.Disconnect == nil && m.Latency.Quantile(0.99) < rateLimit {
			low, best = next, m
		} else {
			high = next
			s.end()
			s = nil
		}
		switch {
		case high == 0:
			next = 2 * low
		case low == 0 && high < 0.5:
			return nil, errors.New("it keeps the limit at no rate")
		default:
			next = (low + high) / 2
		}
	}
	if best == nil {
		return nil, fmt.Errorf("p99 stays under %s at no rate", rateLimit)
	}
	return best.figures(), nil
}
