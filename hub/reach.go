package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	parley "github.com/parley-chat/parley"
)

// reach is how a feed gets what its ring does not reach back to: after a restart
// all come back at once to a ring that is empty, and would each read the same from
// the store. Owned by the feed's loop.
type reach struct {
	asks  int           // for what the ring does not have, since it last reached further back
	floor uint64        // below this the log is not kept whole
	done  chan struct{} // closed when what is being read is in the ring, or cannot be; nil where nothing is
	down  uint64        // the offset after which it is being read
}

// askWorth is how many events the store gives for what one listener's page costs.
const askWorth = 128

// reachBack has the ring filled from the store down to an offset, where what those
// who ask for it would read by themselves has come to as much. It returns what to
// wait for; nil where the asker is to read by itself. On the loop.
func (f *feed) reachBack(offset uint64) <-chan struct{} {
	r, ring := &f.reach, &f.ring
	down := max(offset, 1) - 1 // what is at the offset may have to be looked at
	switch {
	case r.done != nil && down >= r.down:
		return r.done
	case r.done != nil || ring.reaches(down) || down < r.floor:
		return nil
	}
	r.asks++
	missing := ring.from.Offset - down
	room := uint64(max(f.h.cfg.Limits.RingEvents-len(ring.entries), 0))
	if missing > uint64(r.asks)*askWorth || missing > room {
		return nil
	}
	r.asks, r.done, r.down = 0, make(chan struct{}), down
	top, log, erased, bytes := ring.from, f.restored, f.forgotten, f.ringBytes()-ring.weight
	f.wg.Go(func() {
		p, err := f.readPast(down, top, bytes)
		f.post(func() { f.gotPast(p, top, log, erased, err) }) // else the feed has ended, and nobody waits
	})
	return r.done
}

// await waits for what reachBack returned, or the end of the feed. Not on the loop.
func (f *feed) await(filled <-chan struct{}) {
	select {
	case <-filled:
	case <-f.done:
	}
}

// pastPage is a part of the log before what a ring has, with what is known of the
// conversations in it.
type pastPage struct {
	from    parley.Position // it has everything after it
	entries []*entry        // without members
	rolls   map[parley.ConversationID]*roll
}

// errTooHeavy: what was to be read does not fit the ring.
var errTooHeavy = errors.New("the events are too heavy for the ring")

// readPast reads the log after the offset down, up to a Position, at most so many
// bytes of it. Off the loop.
func (f *feed) readPast(down uint64, top parley.Position, bytes int) (*pastPage, error) {
	store := f.h.cfg.Store
	select {
	case f.h.reads <- struct{}{}:
		defer func() { <-f.h.reads }()
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
	p := &pastPage{rolls: map[parley.ConversationID]*roll{}}
	for after := down; after < top.Offset; {
		events, err := store.ReadLog(f.ctx, f.org, after, top.Offset, f.h.sizes.fill)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		for _, e := range events {
			en := &entry{event: e}
			if en.weight() > maxKept {
				en = en.stub()
			}
			if bytes -= en.weight(); bytes < 0 {
				return nil, errTooHeavy
			}
			p.entries = append(p.entries, en)
		}
		if len(events) < f.h.sizes.fill {
			break
		}
		after = events[len(events)-1].Position.Offset
	}
	// After the reading, as in storePage: the log is the one that the feed applied, and
	// all of it was there.
	if err := store.CheckCursor(f.ctx, parley.ReplayQuery{Org: f.org}, top); err != nil && !errors.Is(err, parley.ErrGone) {
		return nil, fmt.Errorf("check where the ring begins: %w", err)
	}
	var err error
	if p.from, err = store.Locate(f.ctx, f.org, down); err != nil {
		return nil, fmt.Errorf("locate the beginning: %w", err)
	}
	if err := store.CheckCursor(f.ctx, parley.ReplayQuery{Org: f.org, All: true}, p.from); err != nil {
		return nil, fmt.Errorf("check the beginning: %w", err)
	}
	return p, f.readRolls(f.ctx, p)
}

// readRolls reads who is and was in the conversations of a page, after its events.
func (f *feed) readRolls(ctx context.Context, p *pastPage) error {
	for _, en := range p.entries {
		e := en.event
		if e.Conversation.IsZero() {
			continue
		}
		r := p.rolls[e.Conversation]
		if r == nil {
			read, err := readRoll(ctx, f.h.cfg.Store, f.org, e.Conversation)
			if err != nil {
				return err
			}
			r = &read
			p.rolls[e.Conversation] = r
		}
		r.through = max(r.through, e.ChangeSeq) // of a conversation that is gone nobody hears
	}
	return nil
}

// gotPast puts what was read before what the ring has, unless that is not what it
// was: the ring began at top, in the log that had been restored so often, and nothing
// was erased meanwhile, which the page may hold as it was.
func (f *feed) gotPast(p *pastPage, top parley.Position, log, erased uint64, err error) {
	r := &f.reach
	defer func() {
		close(r.done)
		r.done = nil
	}()
	if errors.Is(err, parley.ErrGone) || errors.Is(err, errTooHeavy) {
		r.floor = r.down + 1 // who asks for less may have it yet
	}
	if err != nil || f.restored != log || f.forgotten != erased || f.ring.from != top || !f.meet(p) {
		return
	}
	f.prepend(p)
	f.h.ReachedBack.Add(1)
}

// meet brings the conversations of a page into memory; false where there are too
// many, or one is known to less than what the page says of it.
func (f *feed) meet(p *pastPage) bool {
	if len(f.conversations)+len(p.rolls) > maxConversations/2 {
		return false
	}
	// A conversation that is not known has nothing in the ring: the page's last event
	// of it is the last that was applied.
	applied := make(map[parley.ConversationID]uint64, len(p.rolls))
	for _, en := range p.entries {
		applied[en.event.Conversation] = en.event.ChangeSeq
	}
	for id, r := range p.rolls {
		if f.conversations[id] == nil {
			f.adopt(id, r, applied[id])
		}
	}
	for _, en := range p.entries {
		if e := en.event; !e.Conversation.IsZero() {
			if en.members = f.conversations[e.Conversation]; en.members.through < e.ChangeSeq {
				return false
			}
		}
	}
	return true
}

// prepend puts entries before those that the ring has.
func (f *feed) prepend(p *pastPage) {
	r := &f.ring
	before := map[*recent][]*entry{}
	weight := 0
	for _, en := range p.entries {
		weight += en.weight()
		for _, k := range f.keysOf(en) {
			before[k] = append(before[k], en)
		}
	}
	before[&r.recent] = p.entries
	for k, list := range before {
		k.entries = slices.Concat(list, k.entries)
	}
	r.from = p.from
	f.weigh(weight)
	f.bound()
}
