package hub

import (
	"slices"

	parley "github.com/parley-chat/parley"
)

// interests is what a listener asked for. It is changed on the feed's loop, under
// Listener.imu.
type interests struct {
	// first is where the first seat of a listener is: most have no other. It has no
	// group while it is free.
	first    seat
	only     [1]*seat
	named    []*seat // channels, conversations, runs and tasks
	patterns []*seat
	// byName finds all of them; nil while they are few.
	byName map[name]*seat
}

// fewSeats is how many are looked through rather than looked up.
const fewSeats = 8

// seat returns the one with a name, or nil.
func (in *interests) seat(n name) *seat {
	if in.byName != nil {
		return in.byName[n]
	}
	list := in.named
	if n.kind == patternName {
		list = in.patterns
	}
	for _, s := range list {
		if s.group.is(&n) {
			return s
		}
	}
	return nil
}

// asked reports whether an interest names the event. Not for the hot path: it
// does not need the feed's marks.
func (l *Listener) asked(en *entry) bool {
	e := en.event
	offset := e.Position.Offset
	l.imu.RLock()
	defer l.imu.RUnlock()
	in := &l.interests
	holds := func(n name) bool {
		s := in.seat(n)
		return s != nil && s.holds(offset)
	}
	if len(in.named) > 0 {
		if holds(name{kind: channelName, text: e.Channel}) ||
			!e.Conversation.IsZero() && holds(name{kind: conversationName, id: e.Conversation}) {
			return true
		}
		if run, ok := runOf(e); ok && holds(name{kind: runName, id: run}) {
			return true
		}
		if task, ok := taskOf(e); ok && holds(name{kind: taskName, id: task}) {
			return true
		}
	}
	for _, s := range in.patterns {
		if s.holds(offset) && en.matches(s.group) {
			return true
		}
	}
	return false
}

// called reports the same of the event that the feed has just looked up the groups
// of. On the loop.
func (l *Listener) called(f *feed, offset uint64) bool {
	in := &l.interests
	if in.byName != nil {
		for _, g := range f.called {
			if s := in.byName[g.name()]; s != nil && s.holds(offset) {
				return true
			}
		}
		return false
	}
	return anyCalled(in.named, f.called, offset) || anyCalled(in.patterns, f.called, offset)
}

func anyCalled(seats []*seat, called []*group, offset uint64) bool {
	for _, s := range seats {
		for _, g := range called {
			if s.group == g && s.holds(offset) {
				return true
			}
		}
	}
	return false
}

// want adds an interest from an offset on. A name that is there keeps the earlier
// offset, so that asking again is harmless. On the loop.
func (l *Listener) want(ref string, i *parley.Interest, since uint64) {
	l.imu.Lock()
	defer l.imu.Unlock()
	in := &l.interests
	for _, c := range i.Channels {
		in.name(l, name{kind: channelName, text: c}, since)
	}
	for _, c := range i.Conversations {
		in.name(l, name{kind: conversationName, id: c}, since)
	}
	for _, r := range i.Runs {
		in.name(l, name{kind: runName, id: r}, since)
	}
	for _, t := range i.Tasks {
		in.name(l, name{kind: taskName, id: t}, since)
	}
	if len(i.Patterns) > 0 {
		in.match(l, ref, i.Patterns, since)
	}
}

// unwant takes an interest back. On the loop.
func (l *Listener) unwant(ref string, i *parley.Interest) {
	l.imu.Lock()
	defer l.imu.Unlock()
	in := &l.interests
	for _, c := range i.Channels {
		in.unname(l, name{kind: channelName, text: c})
	}
	for _, c := range i.Conversations {
		in.unname(l, name{kind: conversationName, id: c})
	}
	for _, r := range i.Runs {
		in.unname(l, name{kind: runName, id: r})
	}
	for _, t := range i.Tasks {
		in.unname(l, name{kind: taskName, id: t})
	}
	if ref != "" {
		in.unmatch(l, ref, nil)
	}
}

// wantNothing takes all back. On the loop.
func (l *Listener) wantNothing() {
	l.imu.Lock()
	defer l.imu.Unlock()
	for _, list := range [][]*seat{l.interests.named, l.interests.patterns} {
		for _, s := range list {
			l.feed.rise(s)
		}
	}
	l.interests = interests{}
}

func (in *interests) name(l *Listener, n name, since uint64) {
	if in.seat(n) == nil {
		in.named = in.added(in.named, l.feed.sit(l, n, nil, since))
	}
}

func (in *interests) unname(l *Listener, n name) {
	if s := in.seat(n); s != nil {
		in.named = in.removed(in.named, s)
		l.feed.rise(s)
	}
}

// match makes a list of patterns take the place of those under the same ref. A
// pattern that was there already keeps the earlier offset: a listener that is
// behind is still owed what it named.
func (in *interests) match(l *Listener, ref string, list []parley.Pattern, since uint64) {
	in.unmatch(l, ref, list)
	for i := range list {
		n := name{kind: patternName, text: list[i].Text}
		s := in.seat(n)
		if s == nil {
			s = l.feed.sit(l, n, &list[i], since)
			in.patterns = in.added(in.patterns, s)
		}
		if !s.refs.names(ref) {
			s.refs = &naming{ref, since, s.refs}
			s.since = min(s.since, since)
		}
	}
}

// unmatch takes the patterns under a ref back that are not to be kept.
func (in *interests) unmatch(l *Listener, ref string, keep []parley.Pattern) {
	kept := func(text string) bool {
		return slices.ContainsFunc(keep, func(p parley.Pattern) bool { return p.Text == text })
	}
	for _, s := range slices.Clone(in.patterns) {
		if kept(s.group.text) {
			continue
		}
		if s.refs = s.refs.without(ref); s.refs == nil {
			in.patterns = in.removed(in.patterns, s)
			l.feed.rise(s)
			continue
		}
		s.since = s.refs.since
		for n := s.refs; n != nil; n = n.next {
			s.since = min(s.since, n.since)
		}
	}
}

func (in *interests) added(list []*seat, s *seat) []*seat {
	if list == nil && s == &in.first {
		list = in.only[:0]
	}
	list = append(list, s)
	switch {
	case in.byName != nil:
		in.byName[s.group.name()] = s
	case len(list) > fewSeats:
		in.byName = map[name]*seat{s.group.name(): s}
		for _, all := range [][]*seat{in.named, in.patterns} {
			for _, s := range all {
				in.byName[s.group.name()] = s
			}
		}
	}
	return list
}

func (in *interests) removed(list []*seat, s *seat) []*seat {
	delete(in.byName, s.group.name())
	if list = swapRemoved(list, slices.Index(list, s)); len(list) == 0 {
		return nil // what was in only may be the other list's next
	}
	return list
}

// size counts what is asked for.
func (in *interests) size() int {
	n := len(in.named)
	for _, s := range in.patterns {
		n += s.refs.size()
	}
	return n
}
