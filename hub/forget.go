package hub

import (
	"cmp"
	"slices"

	parley "github.com/parley-chat/parley"
)

// forget takes out of the ring, before an event is told that says so, what was
// deleted or erased: who comes back from here on is told what is left of it, as the
// store would tell it. What a listener is owed already is in flight, and goes out
// before the event.
func (f *feed) forget(e *parley.Event, m *members) {
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		if e.Type == parley.MessageDeleted && m != nil {
			f.clear(m.recent.entries, func(e *parley.Event) *parley.Event { return parley.ForgetMessage(e, b.ID) })
		}
	case *parley.ErasedBody:
		f.clear(f.ring.entries, func(e *parley.Event) *parley.Event { return parley.ForgetPrincipal(e, b.Principal) })
	case *parley.ExpiredBody:
		if m != nil {
			f.clear(m.recent.entries, func(e *parley.Event) *parley.Event { return parley.ForgetExpired(e, b) })
		}
	case *parley.ConversationBody:
		if e.Type == parley.ConversationDeleted && b.Reason == parley.ReasonErased && m != nil {
			f.clear(m.recent.entries, parley.ForgetConversation)
		}
	default:
		return
	}
	f.forgotten++
}

// clear puts in the place of each of some of the ring's entries what fn leaves of
// its event. Others may be reading the entry: it stays as it is.
func (f *feed) clear(entries []*entry, fn func(*parley.Event) *parley.Event) {
	for _, en := range slices.Clone(entries) {
		left := fn(en.event)
		if left == en.event {
			continue
		}
		other := &entry{event: left, members: en.members}
		f.weigh(other.weight() - en.weight())
		f.ring.replace(en, other)
		for _, k := range f.keysOf(en) {
			k.replace(en, other)
		}
	}
}

// replace puts an entry in the place of another with the same Position.
func (r *recent) replace(en, other *entry) {
	i, found := slices.BinarySearchFunc(r.entries, en.event.Position.Offset, func(en *entry, at uint64) int {
		return cmp.Compare(en.event.Position.Offset, at)
	})
	if found && r.entries[i] == en {
		r.entries[i] = other
	}
}
