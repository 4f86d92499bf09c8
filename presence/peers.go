package presence

import (
	"context"
	"slices"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// peerRows is how many members of shared conversations are read at once: about a
	// millisecond of the store's, beside which others attach.
	peerRows = 1000
	// lookupRows is how many members may be read for each of those who are online and
	// were not met: it is what asking about them is taken to cost.
	lookupRows = 64
	// lookups is of how many it is asked at once whether they share a conversation.
	lookups = 8
)

// walk finds those who share a conversation with a principal and tells them its
// change. It goes through the conversations from the newest to the oldest, and ends
// when all who are online were met: of those who are not, nobody hears it. Where
// that takes longer than to ask about each of the others, it does that.
type walk struct {
	*change
	s    *Service
	met  map[parley.PrincipalID]struct{} // and the principal itself
	here int                             // those of met who are online
	told int                             // how many were named
}

// tellPeers tells a change to those who share a conversation with its principal
// and returns how many were named. Where they are few all are; of many those who
// are online.
func (s *Service) tellPeers(ctx context.Context, c *change) (told int, err error) {
	w := &walk{change: c, s: s, met: map[parley.PrincipalID]struct{}{}}
	w.meet(c.id)
	err = w.conversations(ctx)
	return w.told, err
}

func (w *walk) conversations(ctx context.Context) error {
	var before parley.ConversationID
	for slice := 1; ; slice++ {
		began := time.Now()
		peers, next, err := w.s.cfg.Store.Peers(ctx, w.org, w.id, w.s.cfg.Members, before, peerRows)
		if err != nil {
			return err
		}
		last := next.IsZero()
		if err := w.tell(peers, slice == 1 && last && len(peers) <= maxTargets); err != nil || last {
			return err
		}
		missing := w.s.view.count(w.org) - w.here
		switch {
		case missing <= 0:
			return nil
		case slice*peerRows > missing*lookupRows:
			return w.lookup(ctx)
		}
		before = next
		rest(ctx, began)
	}
}

// lookup asks about those who are online and were not met.
func (w *walk) lookup(ctx context.Context) error {
	for some := range slices.Chunk(w.s.view.others(w.org, w.met), lookups) {
		began := time.Now()
		peers, err := w.s.cfg.Store.PeersAmong(ctx, w.org, w.id, w.s.cfg.Members, some)
		if err != nil {
			return err
		}
		if err := w.tell(peers, false); err != nil {
			return err
		}
		rest(ctx, began)
	}
	return nil
}

// tell tells the change to those who were not met before, and, unless all are to
// be told, are online.
func (w *walk) tell(peers []parley.Peer, all bool) error {
	var listening []parley.Peer
	for _, p := range peers {
		first, online := w.meet(p.Principal)
		if first && (all || online) && !slices.Contains(w.s.cfg.Agents, p.Principal) {
			listening = append(listening, p)
		}
	}
	for _, group := range grouped(listening) {
		if err := w.s.publish(w.change, group); err != nil {
			return err
		}
		w.told += len(group.targets)
	}
	return nil
}

// meet reports whether somebody was not met before, and is online: those are, too,
// whose first Conn here is not written yet.
func (w *walk) meet(id parley.PrincipalID) (first, online bool) {
	if _, again := w.met[id]; again {
		return false, false
	}
	w.met[id] = struct{}{}
	k := who{w.org, id}
	if w.s.view.has(k) {
		w.here++
		return true, true
	}
	return true, w.s.local.has(k)
}

// rest leaves the processor and the store to others for as long as they were held.
func rest(ctx context.Context, began time.Time) { pause(ctx, time.Since(began)) }
