package presence

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// batchInterval is the shortest time between two writes to the roster.
	batchInterval = 100 * time.Millisecond
	// graceTick is how late the end of a grace may be noticed.
	graceTick = time.Second
	// censusInterval is between two looks at which nodes live.
	censusInterval = 2 * time.Second
	// retryInterval is after a failure of the roster, the store or the bus.
	retryInterval = time.Second
)

// Store is what presence asks of the store.
type Store interface {
	parley.PeerReader
	// LiveNodes: see parley.Credentials. This node is expected to be among them.
	LiveNodes(ctx context.Context) ([]string, error)
	// Seen: see parley.People.
	Seen(ctx context.Context, list []parley.LastSeen) error
}

// Config is what a Service is made of; all but Agents and Logger are required.
type Config struct {
	Store  Store
	Bus    parley.Bus
	Roster parley.Roster
	IDs    parley.IDs
	// Node is this process among those that share the store; no two lives of a node
	// have the same.
	Node string
	// Grace is how long somebody without a Conn, or a node without a heartbeat, still
	// counts as there.
	Grace time.Duration
	// Members is how many a conversation may have for its members to hear of one
	// another.
	Members int
	// Agents live in this process: they are always online, in every org, and hear
	// nothing.
	Agents []parley.PrincipalID
	Logger *slog.Logger
}

// Service is one node's part of it. All methods may be called concurrently; Run
// once.
type Service struct {
	cfg   Config
	local local
	view  view
	tells tells

	absences absences

	wake  chan struct{} // holds one token while there may be something to write
	alive atomic.Bool   // false from when another took this node for dead until it lives again

	// Told counts presence events handed to the bus, Writes entries handed to the
	// roster.
	Told, Writes atomic.Uint64
}

// New makes a Service; nothing is written or told until Run.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, wake: make(chan struct{}, 1)}
	s.alive.Store(true)
	s.local.init()
	s.view.init()
	s.tells.init()
	s.absences.init()
	return s
}

// Joined notes a Conn more of a principal. Back ends have no presence. It does no
// I/O and never waits for any.
func (s *Service) Joined(p *parley.Principal) {
	if s.counts(p) && s.local.join(who{p.Org, p.ID}, p.Kind) {
		s.poke()
	}
}

// Left notes a Conn less, of the org and id of an earlier Joined; there may be a
// newer token by then.
func (s *Service) Left(p *parley.Principal) { s.local.leave(who{p.Org, p.ID}, time.Now()) }

func (s *Service) counts(p *parley.Principal) bool {
	return p.Kind != parley.KindService && !slices.Contains(s.cfg.Agents, p.ID)
}

// Of tells the status of principals, as far as this node knows.
func (s *Service) Of(org parley.OrgID, ids []parley.PrincipalID) map[parley.PrincipalID]parley.PresenceStatus {
	all := make(map[parley.PrincipalID]parley.PresenceStatus, len(ids))
	for _, id := range ids {
		all[id] = s.status(who{org, id})
	}
	return all
}

// status includes what somebody told this node and is not written yet.
func (s *Service) status(k who) parley.PresenceStatus {
	online, h := s.view.look(k)
	here, told := s.local.look(k)
	if told != nil && (told.said == 0 || told.after(h.word)) {
		h.word = *told
	}
	switch {
	case slices.Contains(s.cfg.Agents, k.id):
		return parley.PresenceOnline
	case !online && !here:
		return parley.PresenceOffline
	case h.status == parley.PresenceAway:
		return parley.PresenceAway
	}
	return parley.PresenceOnline
}

// Online is how many principals are online over all nodes, as far as this node
// knows; the agents of the process are not counted.
func (s *Service) Online() int { return s.view.len() }

// Run keeps the roster and tells until ctx ends; it returns nil then. It tells
// nobody that this node goes: its pages stay, for whoever is back in time.
func (s *Service) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, part := range []func(context.Context){s.watch, s.tell, s.census, s.note} {
		parts.Go(func() { part(ctx) })
	}
	s.write(ctx)
	parts.Wait()
	return nil
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write brings what changed here into the roster, at once after a quiet time and
// in batches otherwise.
func (s *Service) write(ctx context.Context) {
	tick := time.NewTicker(min(graceTick, s.cfg.Grace/4+time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case now := <-tick.C:
			s.local.expire(now.Add(-s.cfg.Grace))
		}
		wrote, err := s.flush(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.cfg.Logger.Warn("presence: write the roster", "error", err)
			s.poke()
			pause(ctx, retryInterval)
		case wrote:
			pause(ctx, batchInterval)
		}
	}
}

// flush writes one entry for each page that changed.
func (s *Service) flush(ctx context.Context) (wrote bool, err error) {
	if !s.alive.Load() {
		return false, nil
	}
	for i := range pages {
		e, changed := s.local.take(i, time.Now(), s.view.look)
		if !changed {
			continue
		}
		if err := s.append(ctx, pageName(s.cfg.Node, i), e.whole, &e); err != nil {
			s.local.putBack(i, &e)
			return wrote, err
		}
		wrote = true
	}
	return wrote, nil
}

func (s *Service) append(ctx context.Context, page string, whole bool, e *entry) error {
	e.By = s.cfg.Node
	data, err := e.encode()
	if err == nil {
		err = s.cfg.Roster.Append(ctx, parley.RosterEntry{Page: page, Whole: whole, Data: data})
	}
	if err == nil {
		s.Writes.Add(1)
	}
	return err
}

// watch takes in the roster, this node's own pages too.
func (s *Service) watch(ctx context.Context) {
	for {
		stop, err := s.cfg.Roster.Watch(ctx, s.take)
		if err == nil {
			<-ctx.Done()
			stop()
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.cfg.Logger.Warn("presence: watch the roster", "error", err)
		pause(ctx, retryInterval)
	}
}

// take applies an entry and has the changes told that are this node's to tell.
func (s *Service) take(re parley.RosterEntry) {
	e, err := decode(re.Data)
	if err != nil {
		s.cfg.Logger.Warn("presence: an entry of the roster could not be read", "page", re.Page, "error", err)
		return
	}
	changes := s.view.apply(re.Page, re.Whole, e, time.Now())
	own := e.By == s.cfg.Node
	if node, page := splitPage(re.Page); node == s.cfg.Node && !own {
		s.alive.Store(false) // until the census finds this node among the living
		s.local.rewrite(page)
	}
	for i := range changes {
		c := &changes[i]
		if c.online {
			continue
		}
		s.local.gone(c, own)
		if own { // what is kept is when the last connection ended, or about that
			s.absences.add(c.who, c.at.Add(-s.cfg.Grace).UTC())
		}
	}
	if s.local.heard(e) {
		s.poke()
	}
	s.tells.add(changes, own)
}

// census voids the pages of nodes that have been dead for the grace. All nodes do,
// one after the other: where the first has done it nothing is left to the next.
func (s *Service) census(ctx context.Context) {
	missing := map[string]time.Time{} // since when
	for {
		if err := s.count(ctx, missing); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("presence: void the pages of dead nodes", "error", err)
		}
		s.tells.forget(time.Now())
		pause(ctx, censusInterval)
		if ctx.Err() != nil {
			return
		}
	}
}

func (s *Service) count(ctx context.Context, missing map[string]time.Time) error {
	others := s.view.nodes()
	delete(others, s.cfg.Node)
	if len(others) == 0 && s.alive.Load() {
		clear(missing)
		return nil
	}
	live, err := s.cfg.Store.LiveNodes(ctx)
	if err != nil {
		return err
	}
	slices.Sort(live)
	rank, found := slices.BinarySearch(live, s.cfg.Node)
	if !found {
		return nil // who is not known to live does not judge the others
	}
	if !s.alive.Swap(true) {
		s.poke()
	}
	for node := range missing {
		if _, there := others[node]; !there || slices.Contains(live, node) {
			delete(missing, node)
		}
	}
	var failed error
	for node, theirs := range others {
		if slices.Contains(live, node) {
			continue
		}
		if missing[node].IsZero() {
			missing[node] = time.Now()
		}
		if time.Since(missing[node]) < s.cfg.Grace+time.Duration(rank)*censusInterval {
			continue
		}
		for _, page := range theirs {
			failed = errors.Join(failed, s.append(ctx, page, true, new(entry)))
		}
	}
	return failed
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
