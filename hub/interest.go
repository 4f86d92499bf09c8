package hub

import parley "github.com/parley-chat/parley"

// interests is what a listener asked for, each with the offset after which it
// holds: a subscription made later starts at the place where it was made.
type interests struct {
	channels      map[string]uint64
	conversations map[parley.ConversationID]uint64
	runs          map[parley.RunID]uint64
	patterns      map[string]patterns // by the subscription's ref
}

type patterns []pattern

type pattern struct {
	parley.Pattern
	since uint64
}

// asked reports whether an interest names the event.
func (l *Listener) asked(en *entry) bool {
	e := en.event
	at := e.Position.Offset
	holds := func(since uint64, ok bool) bool { return ok && (at == 0 || at > since) }
	l.imu.RLock()
	defer l.imu.RUnlock()
	in := &l.interests
	if len(in.channels) > 0 {
		if since, ok := in.channels[e.Channel]; holds(since, ok) {
			return true
		}
	}
	if len(in.conversations) > 0 && !e.Conversation.IsZero() {
		if since, ok := in.conversations[e.Conversation]; holds(since, ok) {
			return true
		}
	}
	if len(in.runs) > 0 {
		if run, ok := runOf(e); ok {
			if since, ok := in.runs[run]; holds(since, ok) {
				return true
			}
		}
	}
	if len(in.patterns) == 0 {
		return false
	}
	topic := en.topicOf()
	for _, p := range in.patterns {
		for i := range p {
			if holds(p[i].since, true) && p[i].Matches(topic, e) {
				return true
			}
		}
	}
	return false
}

// add takes in an interest from an offset on.
func (in *interests) add(ref string, i *parley.Interest, since uint64) {
	for _, c := range i.Channels {
		put(&in.channels, c, since)
	}
	for _, c := range i.Conversations {
		put(&in.conversations, c, since)
	}
	for _, r := range i.Runs {
		put(&in.runs, r, since)
	}
	if len(i.Patterns) > 0 {
		if in.patterns == nil {
			in.patterns = map[string]patterns{}
		}
		in.patterns[ref] = in.patterns[ref].replaced(i.Patterns, since)
	}
}

// replaced returns the list that takes the place of p under the same ref. A
// pattern that was there already keeps the earlier offset: a listener that is
// behind is still owed what it named.
func (p patterns) replaced(list []parley.Pattern, since uint64) patterns {
	out := make(patterns, len(list))
	for i := range list {
		out[i] = pattern{list[i], since}
		for j := range p {
			if p[j].Text == list[i].Text {
				out[i].since = p[j].since
			}
		}
	}
	return out
}

// put adds a name; one that is there keeps the earlier offset, so that asking
// again is harmless.
func put[K comparable](m *map[K]uint64, key K, since uint64) {
	if *m == nil {
		*m = map[K]uint64{}
	}
	if _, ok := (*m)[key]; !ok {
		(*m)[key] = since
	}
}

// remove takes an interest back.
func (in *interests) remove(ref string, i *parley.Interest) {
	for _, c := range i.Channels {
		delete(in.channels, c)
	}
	for _, c := range i.Conversations {
		delete(in.conversations, c)
	}
	for _, r := range i.Runs {
		delete(in.runs, r)
	}
	if ref != "" {
		delete(in.patterns, ref)
	}
}

// size counts what is asked for.
func (in *interests) size() int {
	n := len(in.channels) + len(in.conversations) + len(in.runs)
	for _, p := range in.patterns {
		n += len(p)
	}
	return n
}
