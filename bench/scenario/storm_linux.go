package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// stormMissed is how many durable events each client misses.
const stormMissed = 100

// storm drops 5,000 clients at once, tells each topic stormMissed durable events
// while nobody hears them, and lets all come back together with their cursors. It
// takes the time from the first that comes until the last has everything, once and
// in order.
func storm(topics int) func(context.Context, *Settings, peer.Peer) ([]report.Figure, error) {
	return func(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
		topics := min(topics, set.shrunk(topics))
		plan := peer.Plan{
			Topics: topics, Listeners: set.shrunk(5000) / topics, Publishers: min(topics, 64), Durable: true,
			Conversations: true, Cursors: true,
		}
		s, err := begin(ctx, set, p, plan)
		if err != nil {
			return nil, err
		}
		defer s.end()
		if s.Resume == nil {
			return nil, fmt.Errorf("%w: it has nothing to come back to", ErrCannot)
		}
		if err := s.miss(1); err != nil { // so that everybody has a cursor
			return nil, fmt.Errorf("the first event: %w", err)
		}
		back, err := s.hangUp()
		if err != nil {
			return nil, err
		}
		if err := s.miss(stormMissed); err != nil {
			return nil, fmt.Errorf("the missed events: %w", err)
		}
		return s.comeBack(back)
	}
}

// miss publishes events in each topic, and waits until they are kept and all who
// are connected have them.
func (s *session) miss(events int) error {
	for range events {
		for topic := range s.plan.Topics {
			s.loop.Emit(topic)
		}
	}
	if err := s.loop.Sync(s.publishers, s.Target.Sync); err != nil {
		return err
	}
	return s.loop.Until(s.caughtUp)
}

// caughtUp reports whether all who are connected have heard all of their topic.
func (s *session) caughtUp() bool {
	for _, c := range s.listeners {
		if c.Err() != nil {
			return true // and it is noticed by who looks at the faults
		}
		if c.Order.Next() <= s.loop.Sent(c.Dial.Topic) {
			return false
		}
	}
	return true
}

// hangUp drops all listeners and returns how they come back.
func (s *session) hangUp() ([]*load.Dial, error) {
	back := make([]*load.Dial, len(s.listeners))
	for i, c := range s.listeners {
		if c.Err() != nil {
			return nil, fmt.Errorf("listener %d: %w", i, c.Err())
		}
		if c.Cursor == "" {
			return nil, fmt.Errorf("listener %d was told no cursor; it was last told %s", i, c.Said)
		}
		back[i] = s.Resume(i, c.Cursor)
		back[i].Heard = c.Order
	}
	s.loop.Hang(s.listeners)
	s.listeners = nil
	// The server notices, and tidies up.
	return back, s.loop.Rest(500 * time.Millisecond)
}

// comeBack measures the return of all.
func (s *session) comeBack(back []*load.Dial) ([]report.Figure, error) {
	cpu, before, from := s.Proc.CPU(), s.loop.Total(), time.Now()
	var err error
	if s.listeners, err = s.loop.Connect(back, 256); err != nil {
		return nil, fmt.Errorf("come back: %w", err)
	}
	connected := time.Since(from)
	if err := s.loop.Until(s.caughtUp); err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	took, used := time.Since(from), s.Proc.CPU()-cpu
	if err := s.loop.Rest(200 * time.Millisecond); err != nil { // what comes twice comes now
		return nil, err
	}
	if err := s.loop.Faults().Err(); err != nil {
		return nil, err
	}
	clients := float64(len(back))
	recovered := float64(s.loop.Total().Delivered - before.Delivered)
	return []report.Figure{
		{Name: "recovered in", Unit: "s", Value: took.Seconds()},
		{Name: "connected in", Unit: "s", Value: connected.Seconds()},
		{Name: "CPU per client", Unit: "µs", Value: used.Seconds() * 1e6 / clients},
		{Name: "messages", Unit: "/s", Value: recovered / took.Seconds()},
		{Name: "server", Unit: "cores", Value: used.Seconds() / took.Seconds()},
		{Name: "memory", Unit: "MB", Value: float64(s.Proc.RSS()) / 1e6},
	}, nil
}
