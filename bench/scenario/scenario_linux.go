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
	"github.com/parley-chat/parley/bench/proc"
	"github.com/parley-chat/parley/bench/report"
)

// Settings are what all scenarios share. The zero value is a mistake; see Default.
type Settings struct {
	Env     *peer.Env
	Warm    time.Duration // before what is measured
	For     time.Duration // what is measured
	Durable bool          // the fan-out rows publish what is stored
	TLS     bool
	Poll    bool    // the generator polls: see load.Loop
	Window  int     // of closed loops; 0: the scenario's own
	Rate    float64 // messages a second of open loops that do not search it; 0: the scenario's own
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
		{"rate-5k", "1 topic, 5,000 listeners: the highest rate with p99 under 100 ms and nothing lost", false, rate},
		{"lone-10k", "1 topic, 10,000 listeners, 2 messages a second", false, lone},
		{"many", "1,000 conversations of 10, each listener its own socket, as fast as it goes, 1,000 messages under way in turn", false, many},
		{"steady", "100 conversations of 10, 1,000 messages a second", false, steady},
		{"idle-10k", "memory of 10,000 connections that hear nothing, and of further memberships", false, idle(10_000)},
		{"idle-max", "memory of as many connections as there may be files, up to 50,000", false, idle(0)},
		{"publish", "POST one durable event at a time on 32 connections; nethttp is the floor", false, publish(1)},
		{"publish-batch", "POST 100 durable events at a time on 32 connections", true, publish(100)},
		{"send", "POST one message at a time to 50 conversations on 32 connections", true, send},
		{"storm-1", "5,000 clients dropped, 100 durable events missed, all come back: one topic", true, storm(1)},
		{"storm-500", "the same with 500 topics", true, storm(500)},
		{"slow", "1 topic at 1,000 messages a second, a tenth of 2,000 readers at 1 kB/s", false, slow},
		{"many-conversations", "200 users in 5,000 conversations each: attach and resume", true, manyConversations},
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

func (s *Settings) rate(own float64) float64 {
	if s.Rate > 0 {
		return s.Rate
	}
	return own
}

// session is a server that runs and the connections to it.
type session struct {
	*peer.Target
	plan       *peer.Plan
	cores      []int // of the server and the generator
	loop       *load.Loop
	listeners  []*load.Conn
	publishers []*load.Conn
	connected  time.Duration // how long it took to connect all listeners
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
	s := &session{Target: t, plan: &plan, cores: append(proc.Cores(), set.Env.ServerCores...)}
	if s.loop, err = load.New(ctx, t.Scan); err != nil {
		t.Stop()
		return nil, err
	}
	s.loop.Poll = set.Poll
	if err := s.connect(); err != nil {
		s.end()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
}

func (s *session) connect() (err error) {
	dials := s.Target.Listeners(s.plan)
	if s.plan.Unconnected {
		dials = nil
	}
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
	cpu    time.Duration // the server's
	others time.Duration // what neither server nor generator used of their cores
	rss    int64
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
	var cpu, busy []time.Duration
	t.Sample = func() {
		cpu, busy = append(cpu, s.Proc.CPU()), append(busy, proc.Busy(s.cores))
	}
	r, err := s.loop.Run(t)
	if err != nil {
		return nil, err
	}
	m := &measured{Result: r, cpu: cpu[1] - cpu[0], rss: s.Proc.RSS()}
	m.others = max(busy[1]-busy[0]-m.cpu-r.CPU, 0)
	return m, nil
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
		{Name: "others", Unit: "cores", Value: m.others.Seconds() / seconds},
		{Name: "memory", Unit: "MB", Value: float64(m.rss) / 1e6},
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
