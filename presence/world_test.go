package presence_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/membus"
	"github.com/parley-chat/parley/presence"
)

const (
	org   = parley.OrgID("org_demo")
	grace = 15 * time.Second
	lease = 6 * time.Second
)

// world is some nodes over one store, one bus and one roster.
type world struct {
	t      *testing.T
	bus    *membus.Bus
	roster *membus.Roster
	store  *store
	ids    atomic.Uint64
	nodes  []*node

	mu      sync.Mutex
	told    []string
	targets []parley.PrincipalID // of all that was told
	last    map[parley.PrincipalID]parley.PresenceStatus
	quiet   bool // told is not looked at
	onTold  func(*parley.PresenceBody)
}

// in runs a test in a world of its own, whose clock runs ahead while all wait.
func in(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, bus: membus.New(), roster: new(membus.Roster),
		store: &store{beats: map[string]time.Time{}, muted: map[string]bool{}},
		last:  map[parley.PrincipalID]parley.PresenceStatus{},
	}
	stop, err := w.bus.Subscribe(parley.OrgSubject("live", org), func(_, _ string, data []byte) { w.hear(data) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range w.nodes {
			n.kill()
		}
		stop()
		_ = w.bus.Close()
	})
	return w
}

// hear notes what is told, as "ann online to ben,cat in 1".
func (w *world) hear(data []byte) {
	e, err := parley.UnmarshalEvent(data)
	if err != nil {
		w.t.Error(err)
		return
	}
	b := e.Body.(*parley.PresenceBody)
	if e.Type != parley.PresenceChanged || e.Class != parley.Ephemeral || e.Org != org || !e.Conversation.IsZero() ||
		e.Actor != b.Principal || e.ID.IsZero() || b.At.IsZero() || len(e.Targets) > 64 || slices.Contains(e.Targets, b.Principal) {
		w.t.Errorf("told %s", data)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[b.Principal] = b.Status
	w.targets = append(w.targets, e.Targets...)
	if w.onTold != nil {
		w.onTold(b)
	}
	if w.quiet {
		return
	}
	status := string(b.Status)
	if b.Detail != "" {
		status += fmt.Sprintf(" (%s)", b.Detail)
	}
	name := string(b.Principal)
	if b.Kind != parley.KindUser {
		name += " (" + string(b.Kind) + ")"
	}
	var targets []string
	for _, to := range e.Targets {
		targets = append(targets, string(to))
	}
	w.told = append(w.told, fmt.Sprintf("%s %s to %s in %d", name, status, strings.Join(targets, ","), b.Shared[15]))
}

// after lets time go by and checks what was told meanwhile.
func (w *world) after(d time.Duration, want ...string) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, want) {
		w.t.Errorf("told %q, want %q", w.told, want)
	}
	w.told = nil
}

// NewID makes ids 1, 2, 3, …
func (w *world) NewID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[8:], w.ids.Add(1))
	return id
}

// share puts people into a conversation; later ones are newer.
func (w *world) share(conversation int, people ...parley.PrincipalID) {
	w.store.share(parley.ConversationID{14: byte(conversation >> 8), 15: byte(conversation)}, people...)
}

// node is one that runs, and says every 2 s that it lives.
type node struct {
	*presence.Service
	name string
	stop context.CancelFunc
	done sync.WaitGroup
}

func (w *world) node(name string) *node {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{name: name, stop: cancel, Service: presence.New(presence.Config{
		Store: w.store, Bus: w.bus, Roster: w.roster, IDs: w, Node: name, Grace: grace, Members: 5000,
		Agents: []parley.PrincipalID{"demo"},
	})}
	n.done.Go(func() {
		for ctx.Err() == nil {
			w.store.beat(name)
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
			}
		}
	})
	synctest.Wait()
	n.done.Go(func() {
		if err := n.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.nodes = append(w.nodes, n)
	return n
}

// kill ends a node; it leaves behind what it has written.
func (n *node) kill() {
	n.stop()
	n.done.Wait()
}

func (n *node) join(id parley.PrincipalID) {
	n.Joined(&parley.Principal{Org: org, ID: id, Kind: parley.KindUser})
}

func (n *node) leave(id parley.PrincipalID) {
	n.Left(&parley.Principal{Org: org, ID: id, Kind: parley.KindUser})
}

// say has somebody say something to a node, whether it is connected there or not.
func (n *node) say(id parley.PrincipalID, status parley.PresenceStatus, detail string) {
	if err := n.Say(&parley.Principal{Org: org, ID: id, Kind: parley.KindUser}, status, detail); err != nil {
		panic(err)
	}
}

// agree checks what all nodes that run say of somebody.
func (w *world) agree(id parley.PrincipalID, want parley.PresenceStatus, nodes ...*node) {
	w.t.Helper()
	for _, n := range nodes {
		if got := n.Of(org, []parley.PrincipalID{id})[id]; got != want {
			w.t.Errorf("%s says that %s is %s, want %s", n.name, id, got, want)
		}
	}
}

// store is what presence asks of a store, in memory.
type store struct {
	mu    sync.Mutex
	stays map[parley.PrincipalID][]*conversation // the newest first
	read  []parley.PrincipalID                   // who was read in slices
	asked []parley.PrincipalID                   // who was asked about
	beats map[string]time.Time
	muted map[string]bool
	bad   bool
	seen  map[parley.PrincipalID]time.Time
}

func (s *store) Seen(_ context.Context, list []parley.LastSeen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad {
		return errAway
	}
	if s.seen == nil {
		s.seen = map[parley.PrincipalID]time.Time{}
	}
	for _, l := range list {
		s.seen[l.Principal] = l.At
	}
	return nil
}

// lastSeen is when somebody was last there, as far as is stored.
func (s *store) lastSeen(id parley.PrincipalID) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[id]
}

func (s *store) beat(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.muted[node] {
		s.beats[node] = time.Now()
	}
}

// mute keeps a node's heartbeats from the store.
func (s *store) mute(node string, mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted[node] = mute
}

func (s *store) fail(bad bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = bad
}

var errAway = errors.New("the store is away")

func (s *store) LiveNodes(context.Context) (list []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for node, at := range s.beats {
		if time.Since(at) < lease {
			list = append(list, node)
		}
	}
	return list, nil
}

type conversation struct {
	id      parley.ConversationID
	members []parley.PrincipalID
}

func (s *store) share(id parley.ConversationID, people ...parley.PrincipalID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stays == nil {
		s.stays = map[parley.PrincipalID][]*conversation{}
	}
	c := &conversation{id, slices.Sorted(slices.Values(people))}
	for _, p := range people {
		s.stays[p] = append(s.stays[p], c)
		slices.SortFunc(s.stays[p], func(a, b *conversation) int { return bytes.Compare(b.id[:], a.id[:]) })
	}
}

func (s *store) Peers(
	_ context.Context, o parley.OrgID, id parley.PrincipalID, _ int, before parley.ConversationID, limit int,
) (list []parley.Peer, next parley.ConversationID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad || o != org {
		return nil, next, errAway
	}
	read, met := 0, map[parley.PrincipalID]bool{id: true}
	for _, c := range s.stays[id] {
		if !before.IsZero() && bytes.Compare(c.id[:], before[:]) >= 0 {
			continue
		}
		if read >= limit {
			return list, next, nil
		}
		for _, p := range c.members {
			read++
			s.read = append(s.read, p)
			if !met[p] {
				met[p] = true
				list = append(list, parley.Peer{Principal: p, Shared: c.id})
			}
		}
		next = c.id
	}
	return list, parley.ConversationID{}, nil
}

func (s *store) PeersAmong(
	_ context.Context, o parley.OrgID, id parley.PrincipalID, _ int, others []parley.PrincipalID,
) (list []parley.Peer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad || o != org {
		return nil, errAway
	}
	for _, p := range others {
		s.asked = append(s.asked, p)
		i := slices.IndexFunc(s.stays[id], func(c *conversation) bool { return slices.Contains(c.members, p) })
		if i >= 0 {
			list = append(list, parley.Peer{Principal: p, Shared: s.stays[id][i].id})
		}
	}
	return list, nil
}

// wander lets five people connect and disconnect at random to nodes that die and
// start again, and say of themselves what they like.
func (w *world) wander(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	people := []parley.PrincipalID{"ann", "ben", "cat", "dan", "eve"}
	w.share(1, people...)
	w.quiet = true
	conns := map[parley.PrincipalID][]*node{}
	gone := map[parley.PrincipalID]time.Time{} // since when without any
	w.onTold = func(b *parley.PresenceBody) {
		if b.Status != parley.PresenceOffline {
			return
		}
		// The word may be on its way for a moment while somebody comes back.
		if at, ok := gone[b.Principal]; ok && time.Since(at) < grace {
			w.t.Errorf("seed %d: %s is told to have gone after %s", seed, b.Principal, time.Since(at))
		} else if !ok {
			w.t.Errorf("seed %d: %s is told to have gone and is there", seed, b.Principal)
		}
	}
	lives := 0
	start := func() *node { lives++; return w.node(fmt.Sprintf("n%d", lives)) }
	nodes := []*node{start(), start(), start()}
	for range 400 {
		who := people[r.IntN(len(people))]
		i := r.IntN(len(nodes))
		w.mu.Lock()
		switch held := conns[who]; {
		case r.IntN(40) == 0: // a node dies, and its clients lose their connections
			dead := nodes[i]
			for p, list := range conns {
				if conns[p] = slices.DeleteFunc(list, func(n *node) bool { return n == dead }); len(conns[p]) == 0 && gone[p].IsZero() {
					gone[p] = time.Now()
				}
			}
			w.mu.Unlock()
			dead.kill()
			nodes[i] = start()
			w.mu.Lock()
		case len(held) > 0 && r.IntN(2) == 0:
			held[0].leave(who)
			if conns[who] = held[1:]; len(conns[who]) == 0 {
				gone[who] = time.Now()
			}
		case r.IntN(4) == 0: // to any node, connected or not
			status := []parley.PresenceStatus{parley.PresenceAway, parley.PresenceOnline}[r.IntN(2)]
			nodes[i].say(who, status, []string{"", "lunch"}[r.IntN(2)])
		default:
			nodes[i].join(who)
			conns[who] = append(held, nodes[i])
			delete(gone, who)
		}
		w.mu.Unlock()
		time.Sleep(time.Duration(r.IntN(int(grace) * 2 / 3)))
		synctest.Wait()
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	late := start() // knows but what the roster has kept
	time.Sleep(time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range people {
		is := nodes[0].Of(org, people)[p]
		if (is == parley.PresenceOffline) != (len(conns[p]) == 0) {
			w.t.Errorf("seed %d: a node says that %s is %s, with %d connections", seed, p, is, len(conns[p]))
		}
		if got := w.last[p]; got != is && (got != "" || is != parley.PresenceOffline) {
			w.t.Errorf("seed %d: the last word on %s is %q, and it is %s", seed, p, got, is)
		}
		w.agree(p, is, append(nodes, late)...)
	}
}
