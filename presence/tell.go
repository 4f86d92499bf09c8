package presence

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// maxTargets bounds the targets of one event: who is told is looked up in that
	// list for every listener.
	maxTargets = 64
	// targetTime is the least time that telling takes for each one told: a node tells
	// 20,000 a second at most, however many come and go, and rests as long as it worked.
	targetTime = 50 * time.Microsecond
	// pauseTime is how much of that is waited out at once.
	pauseTime = 100 * time.Millisecond
	// crossTime is how long the words of two nodes about the same principal may cross
	// on the bus.
	crossTime = 5 * time.Second
)

// tells are the changes that this node is to tell: the last one of each principal,
// in the order of the first.
type tells struct {
	mu      sync.Mutex
	order   []who
	pending map[who]change
	wake    chan struct{} // holds one token while order is not empty
	// lately is when this node last told of somebody more than that it came.
	lately map[who]time.Time
}

func (t *tells) init() {
	t.pending, t.lately = map[who]change{}, map[who]time.Time{}
	t.wake = make(chan struct{}, 1)
}

// add takes changes in. Those that others tell are left to them, but for one sort:
// where this node has just said that somebody went, or stepped away, it also says
// what comes next, as the two words could cross on the bus.
func (t *tells) add(changes []change, own bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		if !own {
			if at, ok := t.lately[c.who]; !ok || c.at.Sub(at) > crossTime {
				continue
			}
		}
		t.put(c)
	}
}

func (t *tells) put(c change) {
	if _, ok := t.pending[c.who]; !ok {
		t.order = append(t.order, c.who)
	}
	t.pending[c.who] = c
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// again has a change told once more, unless a later one waits already.
func (t *tells) again(c change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.pending[c.who]; !ok {
		t.put(c)
	}
}

func (t *tells) next() (c change, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		if t.order != nil { // what a storm needed is given back
			t.order, t.pending = nil, map[who]change{}
		}
		return c, false
	}
	k := t.order[0]
	t.order = t.order[1:]
	c = t.pending[k]
	delete(t.pending, k)
	if !c.online || c.word.said != 0 {
		t.lately[k] = c.at
	}
	return c, true
}

// forget lets go of what was said too long ago to cross with anything.
func (t *tells) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, at := range t.lately {
		if _, waits := t.pending[k]; !waits && now.Sub(at) > crossTime {
			delete(t.lately, k)
		}
	}
}

// tell tells changes one after the other, at a bounded pace.
func (s *Service) tell(ctx context.Context) {
	var owed time.Duration
	for {
		c, ok := s.tells.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-s.tells.wake:
				continue
			}
		}
		if online, h := s.view.look(c.who); online != c.online || online && !h.same(c.word) {
			continue // no longer true: whoever wrote what came after tells that
		}
		began := time.Now()
		n, err := s.tellPeers(ctx, &c)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.cfg.Logger.Warn("presence: tell", "org", c.org, "error", err)
			s.tells.again(c)
			pause(ctx, retryInterval)
		}
		if owed += max(time.Duration(n)*targetTime, time.Since(began)); owed >= pauseTime {
			pause(ctx, owed)
			owed = 0
		}
	}
}

// group is some of those with whom the principal shares the same conversation.
type group struct {
	shared  parley.ConversationID
	targets []parley.PrincipalID
}

// grouped puts peers together by the conversation they share, at most maxTargets
// in a group; their order is kept.
func grouped(peers []parley.Peer) []group {
	var groups []group
	open := map[parley.ConversationID]int{} // the last group of each
	for _, p := range peers {
		i, ok := open[p.Shared]
		if !ok || len(groups[i].targets) == maxTargets {
			i = len(groups)
			open[p.Shared] = i
			groups = append(groups, group{shared: p.Shared})
		}
		groups[i].targets = append(groups[i].targets, p.Principal)
	}
	return groups
}

func (s *Service) publish(c *change, g group) error {
	spec, _ := parley.SpecOf(parley.PresenceChanged)
	body := &parley.PresenceBody{Principal: c.id, Kind: c.kind, At: c.at.UTC(), Shared: g.shared}
	body.Status, body.Detail = c.status()
	e := &parley.Event{
		ID: s.cfg.IDs.NewID(), Org: c.org, Type: spec.Type, Class: spec.Class, Time: body.At,
		Actor: c.id, ActorKind: c.kind, Targets: g.targets, Channel: spec.Channel, Body: body,
	}
	data, err := parley.MarshalEvent(e)
	if err == nil {
		err = s.cfg.Bus.Publish(parley.OrgSubject("live", c.org), data)
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	s.Told.Add(1)
	return nil
}
