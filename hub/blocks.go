package hub

import (
	"context"
	"fmt"
	"time"

	parley "github.com/parley-chat/parley"
)

// blocks are those whom a principal does not want to hear. It is never changed: the
// next one takes its place.
type blocks map[parley.PrincipalID]struct{}

// shuns reports whether an event tells what somebody says whom the person blocks. By
// what is known now, not by what was when it happened. A run's end is left to spellEnd:
// who heard it begin is told that it is over (P4). Safe for any goroutine.
func (p *person) shuns(e *parley.Event) bool {
	return p.blocked.Load() != nil && p.blocks(e)
}

// blocks is shuns for one who blocks somebody: apart, so that shuns costs those who
// block nobody no call.
func (p *person) blocks(e *parley.Event) bool {
	return e.Type != parley.RunEnded && p.blocksSpeaker(e)
}

// blocksSpeaker reports whether the person blocks the one who has the word in an event.
func (p *person) blocksSpeaker(e *parley.Event) bool {
	b := p.blocked.Load()
	if b == nil {
		return false
	}
	_, blocked := (*b)[parley.SpeakerOf(e)]
	return blocked
}

// knows takes in whom the person blocks; nil for nobody. On the loop.
func (p *person) knows(b *blocks) {
	p.blocked.Store(b)
	p.blocksKnown = true
}

// maxOrgBlocks is up to how many blocks of its org a feed holds all.
const maxOrgBlocks = 1000

// orgBlocks are all blocks of an org, where they are few: then the store need not be
// asked about everybody who comes, which after a restart is everybody at once. Owned
// by the feed's loop.
type orgBlocks struct {
	asked bool                           // somebody has read them, or does
	of    map[parley.PrincipalID]*blocks // nil: not known, or too many
	count int                            // at least how many there are
}

// learn applies a block or the end of one; of so many that they were not worth
// holding it forgets all.
func (o *orgBlocks) learn(owner, blocked parley.PrincipalID, on bool) {
	if o.of == nil {
		return
	}
	if b := o.of[owner].with(blocked, on); b != nil {
		o.of[owner] = b
	} else {
		delete(o.of, owner)
	}
	if on {
		o.count++
	}
	if o.count > 2*maxOrgBlocks {
		*o = orgBlocks{}
	}
}

// knowsBlocks reports whether the feed knows whom a principal blocks. On the loop.
func (f *feed) knowsBlocks(id parley.PrincipalID) bool {
	p := f.persons[id]
	return f.orgBlocks.of != nil || p != nil && p.blocksKnown
}

// shareBlocks has a person, who comes now, know what the feed knows. On the loop.
func (f *feed) shareBlocks(id parley.PrincipalID) {
	if p := f.person(id); !p.blocksKnown {
		p.knows(f.orgBlocks.of[id])
	}
}

// learnBlock applies a block, or the end of one, to whom the feed knows. On the loop.
func (f *feed) learnBlock(e *parley.Event) {
	body, ok := e.Body.(*parley.BlockBody)
	if !ok {
		return
	}
	f.blockings++
	for _, owner := range e.Targets {
		f.orgBlocks.learn(owner, body.Blocked, e.Type == parley.PrincipalBlocked)
		if p := f.persons[owner]; p != nil && p.blocksKnown {
			p.knows(p.blocked.Load().with(body.Blocked, e.Type == parley.PrincipalBlocked))
		}
	}
}

// with returns the blocks after one began or ended; nil for none.
func (b *blocks) with(id parley.PrincipalID, on bool) *blocks {
	next := blocks{}
	if b != nil {
		for other := range *b {
			next[other] = struct{}{}
		}
	}
	if on {
		next[id] = struct{}{}
	} else {
		delete(next, id)
	}
	if len(next) == 0 {
		return nil
	}
	return &next
}

// readBlocks reads whom a principal blocks; nil for nobody. Off the loop: what is
// read is taken in only if the feed applied no change of blocks since before.
func (f *feed) readBlocks(ctx context.Context, owner parley.PrincipalID) (*blocks, error) {
	list, err := f.h.cfg.Store.Blocks(ctx, f.org, owner)
	if err != nil {
		return nil, fmt.Errorf("read whom %s blocks: %w", owner, err)
	}
	var b *blocks
	for i := range list {
		if b == nil {
			b = &blocks{}
		}
		(*b)[list[i].Blocked] = struct{}{}
	}
	return b, nil
}

// readOrgBlocks reads who blocks whom in the org; of is nil where they are too many.
// Off the loop, as readBlocks.
func (f *feed) readOrgBlocks(ctx context.Context) (all orgBlocks, err error) {
	all.asked = true
	list, err := f.h.cfg.Store.OrgBlocks(ctx, f.org, maxOrgBlocks+1)
	if err != nil {
		return all, fmt.Errorf("read who blocks whom: %w", err)
	}
	if len(list) > maxOrgBlocks {
		return all, nil
	}
	all.of, all.count = map[parley.PrincipalID]*blocks{}, len(list)
	for i := range list {
		b := all.of[list[i].Owner]
		if b == nil {
			b = &blocks{}
			all.of[list[i].Owner] = b
		}
		(*b)[list[i].Blocked] = struct{}{}
	}
	return all, nil
}

const rereadPause = 200 * time.Millisecond

// forgetBlocks has the blocks of all read again: the log they came from was taken
// back. Those who are here are kept from what they were kept from until that is done.
func (f *feed) forgetBlocks() {
	f.orgBlocks = orgBlocks{}
	for _, p := range f.persons {
		p.blocksKnown = false
	}
	ids := make([]parley.PrincipalID, len(f.present))
	for i, p := range f.present {
		ids[i] = p.id
	}
	log := f.restored
	f.wg.Go(func() {
		for _, id := range ids {
			if !f.rereadBlocks(id, log) {
				return
			}
		}
	})
}

// rereadBlocks tries until it has read a principal's blocks; false where somebody
// else does by now, or the feed has ended. Off the loop.
func (f *feed) rereadBlocks(id parley.PrincipalID, log uint64) bool {
	for {
		var seen uint64
		if !f.do(func() { seen = f.blockings }) {
			return false
		}
		b, err := f.readBlocks(f.ctx, id)
		if err != nil {
			select {
			case <-time.After(rereadPause):
				continue
			case <-f.ctx.Done():
				return false
			}
		}
		current, done := false, false
		f.do(func() {
			current = f.restored == log
			if done = current && f.blockings == seen; done {
				if p := f.persons[id]; p != nil {
					p.knows(b)
				}
			}
		})
		if !current || done {
			return current
		}
	}
}
