package hub

import (
	"slices"

	parley "github.com/parley-chat/parley"
)

// tell offers an entry to every listener it may concern. m is what is known of
// the entry's conversation, nil where it has none.
func (f *feed) tell(en *entry, m *members) {
	e := en.event
	switch {
	case m != nil:
		f.tellMembers(en, m)
		for l := range f.readers {
			if len(m.stays[l.who.Load().ID]) == 0 {
				l.offer(en, m)
			}
		}
	case len(e.Targets) > 0:
		for i, target := range e.Targets {
			if slices.Contains(e.Targets[:i], target) {
				continue // named twice, told once
			}
			for l := range f.byPrincipal[target] {
				l.offer(en, nil)
			}
		}
	default:
		for l := range f.wide {
			l.offer(en, nil)
		}
	}
}

// tellMembers offers to the listeners of those who are or were in the
// conversation, walking whichever is fewer: its members, or who is connected.
func (f *feed) tellMembers(en *entry, m *members) {
	if len(m.stays) <= len(f.byPrincipal) {
		for p := range m.stays {
			for l := range f.byPrincipal[p] {
				l.offer(en, m)
			}
		}
		return
	}
	for p, listeners := range f.byPrincipal {
		if len(m.stays[p]) > 0 {
			for l := range listeners {
				l.offer(en, m)
			}
		}
	}
}

// verdict says whether a listener is told an event, and in which view.
type verdict struct {
	told bool
	view parley.View
}

// identity is a principal with what its scopes allow, asked for at every event.
type identity struct {
	parley.Principal
	reads    bool // conversations at all
	readsAll bool // those of two and internal messages too
	readsOrg bool // conversations it is not in
}

func newIdentity(p parley.Principal) *identity {
	return &identity{
		p, p.Can(parley.ScopeConversationsRead), p.Can(parley.ScopeConversationsReadAll), p.Can(parley.ScopeOrgRead),
	}
}

// heard decides whether the listener is told an event now: access first, then
// what it asked for, then what its surface tells of its own accord. m is what is
// known of the event's conversation, nil for none. P6: this is asked for every
// event at delivery, live and in replay alike.
func (l *Listener) heard(en *entry, m *members) verdict {
	who, e := l.who.Load(), en.event
	view, ok := l.may(who, e, m)
	if !ok {
		return verdict{}
	}
	asked := l.asked(en)
	if s := l.hub.traits[l.dialect].selects; s != nil {
		asked = s.Select(e, who.ID, asked)
	}
	return verdict{asked && !l.own(e), view}
}

// may decides access.
func (l *Listener) may(who *identity, e *parley.Event, m *members) (parley.View, bool) {
	if e.Conversation.IsZero() {
		return parley.ViewPublic, mayHearOf(who, e)
	}
	if m == nil || m.kind == "" || !who.reads {
		return parley.ViewPublic, false
	}
	at := e.ChangeSeq
	if e.Class != parley.Durable {
		at = max(at, m.applied)
	}
	s := m.stay(who.ID, at)
	if s != nil && s.To == at && e.Class != parley.Durable {
		s = nil // one's leave is the last that one hears
	}
	internal := who.readsAll
	if s != nil {
		internal = internal || s.HearsInternal(m.kind)
	} else if !l.readsOrg(who) || m.ofTwo() && !internal {
		return parley.ViewPublic, false
	}
	if internal {
		return parley.ViewInternal, true
	}
	return parley.ViewPublic, !e.Internal
}

// mayHearOf decides access to an event that belongs to no conversation: its
// targets, where it has any, are all who hear it, and on a channel they need its
// scope like everyone else.
func mayHearOf(who *identity, e *parley.Event) bool {
	if len(e.Targets) > 0 && !slices.Contains(e.Targets, who.ID) {
		return false
	}
	return e.Scope() == parley.PrincipalScope || MayHear(&who.Principal, e.Channel)
}

// readsOrg reports whether the listener hears conversations it is not in: with
// org:read, and by patterns only. The events surface always filters by membership
// (contracts.md section 9).
func (l *Listener) readsOrg(who *identity) bool {
	if !who.readsOrg {
		return false
	}
	l.imu.RLock()
	defer l.imu.RUnlock()
	return len(l.interests.patterns) > 0
}

// MayHear reports whether a principal's scopes allow it to hear a channel of the
// events surface.
func MayHear(p *parley.Principal, channel string) bool {
	switch channel {
	case parley.ChannelConversation:
		return p.Can(parley.ScopeConversationsRead)
	case parley.ChannelMemory:
		return p.Can(parley.ScopeMemoryRead)
	case parley.ChannelOffering:
		return p.Can(parley.ScopeOfferingsRead)
	}
	return p.Can(parley.ScopeEventsSubscribe)
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
