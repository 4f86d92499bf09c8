package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// What the scenario of many conversations is made of.
const (
	memberUsers         = 200
	memberConversations = 5000
	memberMissed        = 10 // events that each user misses
)

// manyConversations has 200 users who are each in 5,000 conversations attach, one
// after the other, and come back with a cursor to ten events missed.
func manyConversations(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	if p != (peer.Parley{Surface: peer.Events}) {
		return nil, fmt.Errorf("%w: it is about the events surface (parley-events)", ErrCannot)
	}
	plan := peer.Plan{
		Topics: 1, Listeners: set.shrunk(memberUsers), Durable: true, Conversations: true, Cursors: true, Unconnected: true,
	}
	s, err := begin(ctx, set, p, plan)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.fill(ctx, set.shrunk(memberConversations)); err != nil {
		return nil, err
	}
	before := s.Proc.RSS()
	if s.listeners, err = s.loop.Connect(s.Target.Listeners(s.plan), 1); err != nil {
		return nil, err
	}
	attach := took(s.listeners)
	if err := s.loop.Rest(settle); err != nil {
		return nil, err
	}
	memory := s.Proc.RSS() - before
	if err := s.miss(1); err != nil {
		return nil, err
	}
	back, err := s.hangUp()
	if err != nil {
		return nil, err
	}
	if err := s.miss(memberMissed); err != nil {
		return nil, err
	}
	cpu := s.Proc.CPU()
	resume, err := s.oneByOne(back)
	if err != nil {
		return nil, err
	}
	cpu = s.Proc.CPU() - cpu
	if err := s.loop.Faults().Err(); err != nil {
		return nil, err
	}
	users := float64(len(back))
	return []report.Figure{
		{Name: "attach p50", Unit: "ms", Value: ms(quantile(attach, 0.5))},
		{Name: "attach p99", Unit: "ms", Value: ms(quantile(attach, 0.99))},
		{Name: "resume p50", Unit: "ms", Value: ms(quantile(resume, 0.5))},
		{Name: "resume p99", Unit: "ms", Value: ms(quantile(resume, 0.99))},
		{Name: "CPU per resume", Unit: "µs", Value: cpu.Seconds() * 1e6 / users},
		{Name: "memory per user", Unit: "kB", Value: float64(memory) / users / 1e3},
	}, nil
}

// fill has all listeners join further conversations, all in the same ones.
func (s *session) fill(ctx context.Context, conversations int) error {
	token, err := s.House.Token("host", parley.KindUser)
	if err != nil {
		return err
	}
	members := make([]string, s.plan.Total())
	for i := range members {
		members[i] = peer.User(i)
	}
	return s.meanwhile(func() error {
		for range conversations - s.plan.Topics {
			if _, err := s.House.Conversation(ctx, token, members); err != nil {
				return fmt.Errorf("further conversations: %w", err)
			}
		}
		return nil
	})
}

// meanwhile has the connections answer pings while fn takes its time.
func (s *session) meanwhile(fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	for {
		select {
		case err := <-done:
			return err
		default:
		}
		if err := s.loop.Rest(100 * time.Millisecond); err != nil {
			<-done
			return err
		}
	}
}

// oneByOne lets listeners come back, the next when one has all, and returns how
// long each took.
func (s *session) oneByOne(back []*load.Dial) ([]time.Duration, error) {
	var times []time.Duration
	for _, d := range back {
		from := time.Now()
		conns, err := s.loop.Connect([]*load.Dial{d}, 1)
		if err != nil {
			return nil, err
		}
		all := s.loop.Sent(d.Topic)
		if err := s.loop.Until(func() bool { return conns[0].Err() != nil || conns[0].Order.Next() > all }); err != nil {
			return nil, err
		}
		times = append(times, time.Since(from))
		s.listeners = append(s.listeners, conns[0])
	}
	return times, nil
}

func took(conns []*load.Conn) []time.Duration {
	times := make([]time.Duration, len(conns))
	for i, c := range conns {
		times[i] = c.Took
	}
	return times
}

func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
