package presence

import (
	"context"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// seenBatch bounds how many times are stored at once, seenInterval is between two
	// batches: the store has messages to write.
	seenBatch    = 500
	seenInterval = 250 * time.Millisecond
	// seenWait bounds the last batch, when the node goes.
	seenWait = 2 * time.Second
)

// absences are those who went offline by an entry of this node and whose time is
// not in the store yet.
type absences struct {
	mu   sync.Mutex
	at   map[who]time.Time
	wake chan struct{} // holds one token while there may be some
}

func (a *absences) init() {
	a.at, a.wake = map[who]time.Time{}, make(chan struct{}, 1)
}

func (a *absences) add(k who, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at[k] = at
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take returns some of them, at most seenBatch.
func (a *absences) take() (list []parley.LastSeen) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, at := range a.at {
		if len(list) == seenBatch {
			return list
		}
		list = append(list, parley.LastSeen{Org: k.org, Principal: k.id, At: at})
		delete(a.at, k)
	}
	a.at = map[who]time.Time{} // what a storm needed is given back
	return list
}

// putBack has those stored later that could not be, unless they went again.
func (a *absences) putBack(list []parley.LastSeen) {
	for _, l := range list {
		k := who{l.Org, l.Principal}
		a.mu.Lock()
		_, again := a.at[k]
		a.mu.Unlock()
		if !again {
			a.add(k, l.At)
		}
	}
}

// note stores when people were last there, in batches.
func (s *Service) note(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.noteRest(ctx)
			return
		case <-s.absences.wake:
		}
		for ctx.Err() == nil {
			list := s.absences.take()
			if len(list) == 0 {
				break
			}
			if err := s.cfg.Store.Seen(ctx, list); err != nil {
				s.absences.putBack(list)
				if ctx.Err() == nil {
					s.cfg.Logger.Warn("presence: store when people were last there", "error", err)
				}
				pause(ctx, retryInterval)
				continue
			}
			pause(ctx, seenInterval)
		}
	}
}

// noteRest stores what is left when the node goes, once and briefly.
func (s *Service) noteRest(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), seenWait)
	defer cancel()
	for list := s.absences.take(); len(list) > 0; list = s.absences.take() {
		if err := s.cfg.Store.Seen(ctx, list); err != nil {
			s.cfg.Logger.Warn("presence: store when people were last there", "error", err)
			return
		}
	}
}
