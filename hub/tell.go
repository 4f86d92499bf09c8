package hub

import (
	"slices"

	parley "github.com/parley-chat/parley"
)

// resolve calls hear, once each, with the listeners that hear an entry now, and
// the view in which they do. m is what is known of the entry's conversation, nil
// where it has none. P6: whatever was checked when something was asked for is
// checked here again, at delivery.
func (f *feed) resolve(en *entry, m *members, hear func(*Listener, parley.View)) {
	called := f.calls(en)
	e := en.event
	switch {
	case m != nil:
		f.resolveMembers(en, m, hear)
	case len(e.Targets) > 0:
		for _, target := range e.Targets {
			if p := f.persons[target]; p != nil && !p.shuns(e) {
				for _, l := range p.listeners {
					f.consider(l, en, named, hear)
				}
			}
		}
	default:
		for _, g := range called {
			for _, s := range g.seats {
				f.consider(s.listener, en, nil, hear)
			}
		}
	}
}

// resolveMembers looks at those who are in the conversation, walking whichever is
// fewer: its members, or who is connected; then at those who hear conversations
// that they are not in.
func (f *feed) resolveMembers(en *entry, m *members, hear func(*Listener, parley.View)) {
	e := en.event
	moment, seq, hidden := m.moment(e), about(e), parley.HiddenFrom(e)
	if len(m.stays) <= len(f.present) {
		for i := len(m.stays) - 1; i >= 0; i-- { // at the moment at which a role changes the new one counts
			if s := &m.stays[i]; len(s.who.listeners) > 0 && s.hears(e, moment) && !s.who.shuns(e) && !among(hidden, s.who.id) {
				st := standing{m.kind, true, s.internal}
				if seq > 0 {
					if st.narrow(m.stays, m.lastOf(s.who), seq, e.Internal); !st.in {
						continue
					}
				}
				for _, l := range s.who.listeners {
					f.consider(l, en, &st, hear)
				}
			}
		}
	} else {
		for _, p := range f.present {
			if st := m.standingOf(p, e); st.in && !p.shuns(e) && !among(hidden, p.id) {
				for _, l := range p.listeners {
					f.consider(l, en, &st, hear)
				}
			}
		}
	}
	for l := range f.readers {
		if !l.person.shuns(e) && !among(hidden, l.person.id) {
			st := standing{kind: m.kind}
			f.consider(l, en, &st, hear)
		}
	}
}

// consider decides whether one listener hears the entry that the feed has looked up
// the groups of. A listener is considered once.
func (f *feed) consider(l *Listener, en *entry, st *standing, hear func(*Listener, parley.View)) {
	if l.serial == f.serial {
		return
	}
	l.serial = f.serial
	view, ok := l.may(l.rights, en, st)
	if ok && l.selects(en.event, l.called(f, en.event.Position.Offset)) {
		hear(l, view)
	}
}

// heard decides the same of a listener alone, for an entry of the past.
func (l *Listener) heard(en *entry, st *standing) (parley.View, bool) {
	view, ok := l.may(l.who.Load().rights, en, st)
	return view, ok && !l.person.shuns(en.event) && !among(parley.HiddenFrom(en.event), l.person.id) && l.selects(en.event, l.asked(en))
}

// among reports whether somebody is among principals in the byte order of their ids;
// mostly there are none.
func among(ids []parley.PrincipalID, who parley.PrincipalID) bool {
	if len(ids) == 0 {
		return false
	}
	_, found := slices.BinarySearch(ids, who)
	return found
}

// selects reports whether a listener that may hear an event is told it: what it
// asked for, and what its surface tells of its own accord, but for what it said
// itself.
func (l *Listener) selects(e *parley.Event, asked bool) bool {
	if s := l.feed.h.traits[l.dialect].selects; s != nil {
		asked = s.Select(e, l.who.Load().ID, asked)
	}
	return asked && !l.own(e)
}

// identity is a principal with what its scopes allow.
type identity struct {
	*parley.Principal
	rights rights
}

// rights are what scopes allow, asked for at every event. The order is that of
// rightsOf.
type rights uint8

const (
	reads      rights = 1 << iota // conversations at all
	readsAll                      // those of two and internal messages too
	readsOrg                      // conversations it is not in
	memories                      // the channel of memory events
	offerings                     // that of offerings
	subscribes                    // all other channels
)

func newIdentity(p *parley.Principal) *identity {
	return &identity{p, rightsOf(p)}
}

func rightsOf(p *parley.Principal) (r rights) {
	for i, scope := range [...]parley.Scope{
		parley.ScopeConversationsRead, parley.ScopeConversationsReadAll, parley.ScopeOrgRead,
		parley.ScopeMemoryRead, parley.ScopeOfferingsRead, parley.ScopeEventsSubscribe,
	} {
		if p.Can(scope) {
			r |= 1 << i
		}
	}
	return r
}

func (r rights) has(right rights) bool { return r&right != 0 }

// hearsChannel is MayHear for rights.
func (r rights) hearsChannel(channel string) bool {
	switch channel {
	case parley.ChannelConversation:
		return r.has(reads)
	case parley.ChannelMemory:
		return r.has(memories)
	case parley.ChannelOffering:
		return r.has(offerings)
	}
	return r.has(subscribes)
}

// named is the standing of one whom an event of no conversation names: it was
// found by that.
var named = &standing{in: true}

// may decides access. st is how the listener's principal stands to the event's
// conversation; nil, or named, where it has none.
func (l *Listener) may(r rights, en *entry, st *standing) (parley.View, bool) {
	e := en.event
	if e.Conversation.IsZero() {
		return parley.ViewPublic, l.mayHearOf(r, en, st == named)
	}
	if st == nil || st.kind == "" || !r.has(reads) {
		return parley.ViewPublic, false
	}
	internal := r.has(readsAll) || st.internal
	if !st.in && (!l.readsOrg(r) || st.ofTwo() && !internal) {
		return parley.ViewPublic, false
	}
	if internal {
		return parley.ViewInternal, true
	}
	return parley.ViewPublic, !e.Internal
}

// mayHearOf decides access to an event that belongs to no conversation: its
// targets, where it has any, are all who hear it, and they need the scope of its
// channel like everyone else; who is there is told on that of conversations. target
// says that the principal is known to be one.
func (l *Listener) mayHearOf(r rights, en *entry, target bool) bool {
	e := en.event
	if len(e.Targets) > 0 && !target && !slices.Contains(e.Targets, l.who.Load().ID) {
		return false
	}
	return r.hearsChannel(e.Channel)
}

// readsOrg reports whether the listener hears conversations it is not in: with
// org:read, and by patterns only. The events surface always filters by membership
// (contracts.md section 9).
func (l *Listener) readsOrg(r rights) bool {
	if !r.has(readsOrg) {
		return false
	}
	l.imu.RLock()
	defer l.imu.RUnlock()
	return len(l.interests.patterns) > 0
}

// MayHear reports whether a principal's scopes allow it to hear a channel of the
// events surface.
func MayHear(p *parley.Principal, channel string) bool {
	return rightsOf(p).hearsChannel(channel)
}

// own reports whether the listener's own Conn caused the event: it is not told
// of what it said itself.
func (l *Listener) own(e *parley.Event) bool {
	if l.origin == "" {
		return false
	}
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		return e.Type == parley.MessageCreated && b.Origin == l.origin
	case *parley.TypingBody:
		return b.Origin == l.origin
	}
	return false
}
