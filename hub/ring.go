package hub

import (
	"cmp"
	"slices"

	parley "github.com/parley-chat/parley"
)

// ring is a feed's memory: the last applied durable events, oldest first, found
// by Position and by log key. It bounds itself in events and in bytes.
type ring struct {
	recent     // of all keys
	weight int // of all in it, in bytes as they guess it
	// from is the Position after which the ring has everything that was applied.
	from     parley.Position
	channels map[string]*recent
}

// recent are the entries of one log key that a ring holds, oldest first.
type recent struct{ entries []*entry }

func (r *recent) empty() bool { return len(r.entries) == 0 }

func (r *recent) add(en *entry) { r.entries = append(r.entries, en) }

// drop lets go of the oldest, if it is en.
func (r *recent) drop(en *entry) {
	if len(r.entries) == 0 || r.entries[0] != en {
		return
	}
	r.entries[0] = nil
	if r.entries = r.entries[1:]; len(r.entries) == 0 {
		r.entries = nil
	}
}

// after returns those after an offset.
func (r *recent) after(offset uint64) []*entry {
	i, _ := slices.BinarySearchFunc(r.entries, offset+1, func(en *entry, at uint64) int {
		return cmp.Compare(en.event.Position.Offset, at)
	})
	return r.entries[i:]
}

// maxKept is the weight of the heaviest entry that a ring keeps: a stub takes the
// place of a heavier one.
const maxKept = 256 << 10

// keep adds an entry to the ring and lets go of the oldest beyond its bounds.
func (f *feed) keep(en *entry) {
	keys := f.keysOf(en)
	if en.weight() > maxKept {
		en = en.stub()
	}
	r := &f.ring
	r.add(en)
	f.weigh(en.weight())
	for _, k := range keys {
		k.add(en)
	}
	f.bound()
}

// bound lets go of the oldest beyond the ring's bounds.
func (f *feed) bound() {
	r := &f.ring
	for len(r.entries) > max(f.h.cfg.Limits.RingEvents, 1) || r.weight > f.ringBytes() && len(r.entries) > 1 {
		f.letGo()
	}
}

// ringBytes is how heavy the ring may be: where all rings of the hub together are
// four times as heavy as one may be, an eighth.
func (f *feed) ringBytes() int {
	limit := f.h.cfg.Limits.RingBytes
	if f.h.ringWeight.Load() > 4*int64(limit) {
		return limit / 8
	}
	return limit
}

func (f *feed) weigh(n int) {
	f.ring.weight += n
	f.h.ringWeight.Add(int64(n))
}

// letGo drops the oldest entry.
func (f *feed) letGo() {
	r := &f.ring
	en := r.entries[0]
	f.weigh(-en.weight())
	r.from = en.event.Position
	r.drop(en)
	for _, k := range f.keysOf(en) {
		k.drop(en)
	}
	if en.members == nil {
		for _, t := range en.event.Targets {
			if p := f.persons[t]; p != nil {
				f.forgetPerson(p)
			}
		}
		if k := r.channels[en.event.Channel]; k != nil && k.empty() {
			delete(r.channels, en.event.Channel)
		}
	}
}

// keysOf returns what an entry is found by: the same as parley.Event.Keys says.
func (f *feed) keysOf(en *entry) []*recent {
	f.keys = f.keys[:0]
	e := en.event
	switch {
	case en.members != nil:
		f.keys = append(f.keys, &en.members.recent)
	case len(e.Targets) > 0:
		for i, t := range e.Targets {
			if !slices.Contains(e.Targets[:i], t) {
				f.keys = append(f.keys, &f.person(t).recent)
			}
		}
	default:
		k := f.ring.channels[e.Channel]
		if k == nil {
			k = &recent{}
			if f.ring.channels == nil {
				f.ring.channels = map[string]*recent{}
			}
			f.ring.channels[e.Channel] = k
		}
		f.keys = append(f.keys, k)
	}
	return f.keys
}

// clearRing empties the ring; it has everything after a Position.
func (f *feed) clearRing(from parley.Position) {
	for len(f.ring.entries) > 0 {
		f.letGo()
	}
	f.ring = ring{from: from}
}

// reaches reports whether the ring has everything after an offset.
func (r *ring) reaches(offset uint64) bool { return offset >= r.from.Offset }

// positionAt returns the Position of an offset and the entry there; false where the ring
// cannot say, and nil where there is no entry.
func (f *feed) positionAt(offset uint64) (parley.Position, *entry, bool) {
	r := &f.ring
	switch offset {
	case r.from.Offset:
		return r.from, nil, true
	case f.applied.Offset:
		if n := len(r.entries); n > 0 && r.entries[n-1].event.Position == f.applied {
			return f.applied, r.entries[n-1], true
		}
		return f.applied, nil, true
	}
	if !r.reaches(offset) {
		return parley.Position{}, nil, false
	}
	if rest := r.after(offset - 1); len(rest) > 0 && rest[0].event.Position.Offset == offset {
		return rest[0].event.Position, rest[0], true
	}
	return parley.Position{}, nil, false
}

// missed returns about n of the ring's entries after an offset, oldest first,
// among them all that may concern the listener up to the returned Position. That
// is zero where the first of them has to be read from the store. The list is valid
// until the next call.
func (f *feed) missed(l *Listener, after uint64, n int) ([]*entry, parley.Position) {
	lists, total, all := f.keysFor(l, after)
	if all || total > 16*n {
		// It may be concerned by anything, or by so much that sorting it out again for
		// every page costs more than passing over what is not for it.
		return f.cut(f.ring.after(after), n)
	}
	switch len(lists) {
	case 0:
		return nil, f.applied
	case 1:
		return f.cut(lists[0], n)
	}
	f.page = f.page[:0]
	for _, list := range lists {
		f.page = append(f.page, list...)
	}
	slices.SortFunc(f.page, func(a, b *entry) int {
		return cmp.Compare(a.event.Position.Offset, b.event.Position.Offset)
	})
	return f.cut(f.page, n)
}

// cut ends a page after n entries, or before a stub.
func (f *feed) cut(list []*entry, n int) ([]*entry, parley.Position) {
	end := f.applied
	if len(list) > n {
		list, end = list[:n], list[n-1].event.Position
	}
	for i, en := range list {
		if en.missing {
			end = parley.Position{} // before the first: nothing was gone through
			if i > 0 {
				end = list[i-1].event.Position
			}
			return list[:i], end
		}
	}
	return list, end
}

// keysFor returns what the ring has after an offset under each log key that
// concerns a listener, and how much that is; all where any key may. All its
// conversations are among them: which of their facts are told without a
// subscription is the dialect's to say.
func (f *feed) keysFor(l *Listener, after uint64) (lists [][]*entry, total int, all bool) {
	if l.readsOrg(l.who.Load().rights) {
		return nil, 0, true
	}
	f.lists = f.lists[:0]
	add := func(r *recent) {
		if r != nil {
			if rest := r.after(after); len(rest) > 0 {
				f.lists = append(f.lists, rest)
				total += len(rest)
			}
		}
	}
	add(&l.person.recent)
	for _, m := range l.person.in {
		if k := len(m.recent.entries); k > 0 && m.recent.entries[k-1].event.Position.Offset > after {
			add(&m.recent)
		}
	}
	seen := map[string]bool(nil)
	for _, s := range l.interests.named {
		if s.group.kind == channelName {
			add(f.ring.channels[s.group.text])
			if len(l.interests.patterns) > 0 {
				seen = including(seen, s.group.text)
			}
		}
	}
	for _, s := range l.interests.patterns {
		channel, known := channelOf(s.group.pattern)
		if !known {
			return nil, 0, true
		}
		if !seen[channel] {
			seen = including(seen, channel)
			add(f.ring.channels[channel])
		}
	}
	return f.lists, total, false
}

// including puts a key into a set, which may be nil.
func including[K comparable](set map[K]bool, key K) map[K]bool {
	if set == nil {
		set = map[K]bool{}
	}
	set[key] = true
	return set
}
