package hub

import (
	"sync/atomic"

	parley "github.com/parley-chat/parley"
)

// person is a principal as a feed knows it: one that listens here, or that a
// conversation in memory knows. Owned by the feed's loop.
type person struct {
	id        parley.PrincipalID
	listeners []*Listener
	// blocked are those whom it does not want to hear, nil for nobody: looked at for
	// every event. blocksKnown says that they were read, and are kept current since.
	blocked     atomic.Pointer[blocks]
	only        [1]*Listener // where listeners is while it is one: in the same line of memory
	at          int32        // its place in feed.present, where it listens
	number      uint32       // of those that the feed has come to know
	in          []*members   // the conversations in memory in which it has or had a stay
	recent      recent       // what was told to it by name
	serial      uint64       // of the last event it was counted for
	blocksKnown bool
}

// person returns who has an id, known from now on.
func (f *feed) person(id parley.PrincipalID) *person {
	p := f.persons[id]
	if p == nil {
		f.known++
		p = &person{id: id, number: f.known}
		f.persons[id] = p
	}
	return p
}

// comes and goes note who listens here.
func (p *person) comes(f *feed, l *Listener) {
	if len(p.listeners) == 0 {
		p.at = int32(len(f.present))
		f.present = append(f.present, p)
		p.listeners = p.only[:0]
	}
	if p.listeners = append(p.listeners, l); len(p.listeners) > 1 {
		p.only[0] = nil // it is elsewhere now, and may go before the person does
	}
}

func (p *person) goes(f *feed, l *Listener) {
	for i, other := range p.listeners {
		if other == l {
			p.listeners = swapRemoved(p.listeners, i)
			break
		}
	}
	if len(p.listeners) > 0 {
		return
	}
	p.listeners = nil
	f.present = swapRemoved(f.present, int(p.at))
	if int(p.at) < len(f.present) {
		f.present[p.at].at = p.at
	}
	f.forgetPerson(p)
}

// forgetPerson lets go of a person that nothing refers to.
func (f *feed) forgetPerson(p *person) {
	if len(p.listeners) == 0 && len(p.in) == 0 && p.recent.empty() {
		delete(f.persons, p.id)
	}
}

// leaves takes a conversation that is let go of off the person's list.
func (p *person) leaves(f *feed, m *members) {
	for i, other := range p.in {
		if other == m {
			p.in = swapRemoved(p.in, i)
			break
		}
	}
	f.forgetPerson(p)
}

// swapRemoved takes the element i out; the last takes its place.
func swapRemoved[E any](list []E, i int) []E {
	last := len(list) - 1
	var none E
	list[i], list[last] = list[last], none
	return list[:last]
}
