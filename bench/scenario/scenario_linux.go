package scenario

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/parley-chat/parley/bench/load"
	"github.com/parley-chat/parley/bench/peer"
	"github.com/parley-chat/parley/bench/report"
)

// Settings are what all scenarios share. The zero value is a mistake; see Default.
type Settings struct {
	Env     *peer.Env
	Warm    time.Duration // before what is measured
	For     time.Duration // what is measured
	Durable bool          // the fan-out rows publish what is stored
	TLS     bool
	Window  int // of closed loops; 0: the scenario's own
	// Shrink divides the number of listeners, to try a scenario out; 0 and 1: as it
	// is named.
	Shrink int
}

// Scenario is one question asked of a server.
type Scenario struct {
	Name string // a stable name, for flags and files
	Help string
	// Ours is set where only Parley has what it takes.
	Ours bool
	run  func(context.Context, *Settings, peer.Peer) ([]report.Figure, error)
}

// ErrCannot is what a peer that has not what a scenario needs answers.
var ErrCannot = errors.New("cannot")

// Run asks one peer once.
func (s *Scenario) Run(ctx context.Context, set *Settings, p peer.Peer) ([]report.Figure, error) {
	if _, ours := p.(peer.Parley); s.Ours && !ours {
		return nil, fmt.Errorf("%w: it has nothing like it", ErrCannot)
	}
	if why := p.Missing(set.Env); why != "" {
		return nil, fmt.Errorf("%w: it needs %s", ErrCannot, why)
	}
	defer debug.FreeOSMemory() // what one run left behind must not disturb the next
	return s.run(ctx, set, p)
}

// All lists the scenarios, in the order of the documentation.
func All() []Scenario {
	return []Scenario{
		{"fanout-1k", "1 topic, 1,000 listeners, as fast as it goes, 16 messages under way", false, fanout(1000, 16)},
		{"fanout-10k", "1 topic, 10,000 listeners, as fast as it goes, 4 messages under way", false, fanout(10_000, 4)},
		{"lone-10k", "1 topic, 10,000 listeners, 2 messages a second", false, lone},
		{"many", "1,000 conversations of 10, each listener its own socket, as fast as it goes", false, many},
		{"steady", "100 conversations of 10, 1,000 messages a second", false, steady},
	}
}

// ByName finds scenarios by their names.
func ByName(names []string) ([]Scenario, error) {
	var found []Scenario
	for _, name := range names {
		before := len(found)
		for _, s := range All() {
			if s.Name == name {
				found = append(found, s)
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return found, nil
}

// Names are those of all scenarios.
func Names() (names []string) {
	for _, s := range All() {
		names = append(names, s.Name)
	}
	return names
}

// shrunk is n listeners, or fewer where a scenario is only tried out.
func (s *Settings) shrunk(n int) int { return max(n/max(s.Shrink, 1), 1) }

// session is a server that runs and the connections to it.
type session struct {
	*peer.Target
	plan       *peer.Plan
	loop       *load.Loop
	listeners  []*load.Conn
	publishers []*load.Conn
	connected  time.Duration // how long it took to connect all listeners
	idle       int64         // the server's memory in bytes before anybody came
}

// begin starts a server for a plan and connects everybody.
func begin(ctx context.Context, set *Settings, p peer.Peer, plan peer.Plan) (*session, error) {
	plan.Durable, plan.TLS = plan.Durable || set.Durable, set.TLS
	if why := p.Can(&plan); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrCannot, why)
	}
	t, err := p.Start(ctx, set.Env, &plan)
	if err != nil {
		return nil, err
	}
	s := &session{Target: t, plan: &plan, idle: t.Proc.RSS()}
	if s.loop, err = load.New(ctx, t.Scan); err != nil {
		t.Stop()
		return nil, err
	}
	if err := s.connect(); err != nil {
		s.end()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
}

func (s *session) connect() (err error) {
	dials := s.Target.Listeners(s.plan)
	from := time.Now()
	if s.listeners, err = s.loop.Connect(dials, 0); err != nil {
		return err
	}
	s.connected = time.Since(from)
	if s.publishers, err = s.loop.Connect(s.Target.Publishers(s.plan), 0); err != nil {
		return err
	}
	return s.loop.Publish(s.Target.Templates(s.plan), s.publishers)
}

func (s *session) end() {
	s.loop.Close()
	s.Target.Stop()
}

// measured is one run of traffic with what the server used meanwhile.
type measured struct {
	*load.Result
	cpu time.Duration
	rss int64
}

// run loads the server. A fault in the deliveries is an error.
func (s *session) run(t load.Traffic) (*measured, error) {
	m, err := s.try(t)
	if err != nil {
		return nil, err
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// try loads the server; faults are in the result.
func (s *session) try(t load.Traffic) (*measured, error) {
	var cpu []time.Duration
	t.Sample = func() { cpu = append(cpu, s.Proc.CPU()) }
	r, err := s.loop.Run(t)
	if err != nil {
		return nil, err
	}
	return &measured{r, cpu[1] - cpu[0], s.Proc.RSS()}, nil
}

// figures are what every run of traffic has.
func (m *measured) figures() []report.Figure {
	seconds := m.Elapsed.Seconds()
	delivered := float64(m.Delivered)
	return []report.Figure{
		{Name: "deliveries", Unit: "/s", Value: delivered / seconds},
		{Name: "CPU per million", Unit: "s", Value: m.cpu.Seconds() / delivered * 1e6},
		{Name: "p50", Unit: "ms", Value: ms(m.Latency.Quantile(0.5))},
		{Name: "p99", Unit: "ms", Value: ms(m.Latency.Quantile(0.99))},
		{Name: "per frame", Unit: "", Value: delivered / max(1, float64(m.Frames))},
		{Name: "per read", Unit: "", Value: delivered / max(1, float64(m.Reads))},
		{Name: "server", Unit: "cores", Value: m.cpu.Seconds() / seconds},
		{Name: "generator", Unit: "cores", Value: m.CPU.Seconds() / seconds},
		{Name: "memory", Unit: "MB", Value: float64(m.rss) / 1e6},
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
