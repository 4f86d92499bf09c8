package hub

import (
	"slices"

	parley "github.com/parley-chat/parley"
)

// name is something that can be asked for: a channel, a conversation, a run, a task
// or a pattern.
type name struct {
	kind nameKind
	text string // a channel, or a pattern as it was written
	id   [16]byte
}

type nameKind uint8

const (
	channelName nameKind = iota + 1
	conversationName
	runName
	taskName
	patternName
)

// isID reports whether such a name is an id.
func (k nameKind) isID() bool { return conversationName <= k && k <= taskName }

// group is all who asked for the same on one feed. Owned by the feed's loop, but
// for what it is the group of, which never changes.
type group struct {
	kind    nameKind
	seats   []*seat
	text    string
	id      [16]byte
	pattern *parley.Pattern // nil but for a pattern
}

func (g *group) name() name { return name{g.kind, g.text, g.id} }

// is compares names, cheaply.
func (g *group) is(n *name) bool { return g.kind == n.kind && g.id == n.id && g.text == n.text }

// groups finds them by name.
type groups struct {
	ids   [taskName + 1]map[[16]byte]*group // by kind
	texts [patternName + 1]map[string]*group
}

func (gs *groups) find(n *name) *group {
	if n.kind.isID() {
		return gs.ids[n.kind][n.id]
	}
	return gs.texts[n.kind][n.text]
}

func (gs *groups) put(g *group) {
	if g.kind.isID() {
		if gs.ids[g.kind] == nil {
			gs.ids[g.kind] = map[[16]byte]*group{}
		}
		gs.ids[g.kind][g.id] = g
		return
	}
	if gs.texts[g.kind] == nil {
		gs.texts[g.kind] = map[string]*group{}
	}
	gs.texts[g.kind][g.text] = g
}

func (gs *groups) remove(g *group) {
	if g.kind.isID() {
		delete(gs.ids[g.kind], g.id)
		return
	}
	delete(gs.texts[g.kind], g.text)
}

// size counts them.
func (gs *groups) size() (n int) {
	for _, m := range gs.ids {
		n += len(m)
	}
	for _, m := range gs.texts {
		n += len(m)
	}
	return n
}

// seat is one listener's place in a group. A listener has one in each of its
// groups. Changed on the feed's loop under Listener.imu.
type seat struct {
	listener *Listener
	group    *group
	// since is the offset after which it holds: a subscription made later starts at
	// the place where it was made.
	since uint64
	refs  *naming // the subscriptions that name the pattern; nil for other names
	at    int32   // its place in group.seats
}

// naming is a pattern named by one subscription, and the others by which the same
// listener named it. Most are named by one.
type naming struct {
	ref   string
	since uint64
	next  *naming
}

// names reports whether a subscription is among these.
func (n *naming) names(ref string) bool {
	for ; n != nil; n = n.next {
		if n.ref == ref {
			return true
		}
	}
	return false
}

// without returns the others than a subscription's.
func (n *naming) without(ref string) *naming {
	for at := &n; *at != nil; {
		if (*at).ref == ref {
			*at = (*at).next
		} else {
			at = &(*at).next
		}
	}
	return n
}

// size counts them.
func (n *naming) size() (size int) {
	for ; n != nil; n = n.next {
		size++
	}
	return size
}

// holds reports whether the seat hears an event; those that are not stored have
// no offset.
func (s *seat) holds(offset uint64) bool { return offset == 0 || offset > s.since }

// sit gives a listener a place in the group of a name, which it has not. Under
// imu.
func (f *feed) sit(l *Listener, n name, p *parley.Pattern, since uint64) *seat {
	g := f.groups.find(&n)
	if g == nil {
		g = &group{kind: n.kind, text: n.text, id: n.id}
		if p != nil {
			own := *p
			g.pattern = &own
			f.patterns.add(g)
		}
		f.groups.put(g)
	}
	s := &l.interests.first
	if s.group != nil {
		s = new(seat)
	}
	*s = seat{listener: l, group: g, since: since, at: int32(len(g.seats))}
	g.seats = append(g.seats, s)
	return s
}

// rise takes a place back; a group that nobody is in goes.
func (f *feed) rise(s *seat) {
	g := s.group
	g.seats = swapRemoved(g.seats, int(s.at))
	if int(s.at) < len(g.seats) {
		g.seats[s.at].at = s.at
	}
	s.group = nil
	if len(g.seats) > 0 {
		return
	}
	f.groups.remove(g)
	if g.pattern != nil {
		f.patterns.remove(g)
	}
}

// calls looks up the groups that an event is called by. They are valid until the
// next call.
func (f *feed) calls(en *entry) []*group {
	e := en.event
	f.serial++
	f.called = f.called[:0]
	f.call(name{kind: channelName, text: e.Channel})
	if !e.Conversation.IsZero() {
		f.call(name{kind: conversationName, id: e.Conversation})
	}
	if run, ok := runOf(e); ok {
		f.call(name{kind: runName, id: run})
	} else if task, ok := taskOf(e); ok {
		f.call(name{kind: taskName, id: task})
	}
	if f.patterns.size > 0 {
		f.patterns.match(en.topicOf(), func(g *group) {
			if len(g.pattern.Tail) == 0 || g.pattern.Matches(en.topicOf(), e) {
				f.called = append(f.called, g)
			}
		})
	}
	return f.called
}

func (f *feed) call(n name) {
	if g := f.groups.find(&n); g != nil {
		f.called = append(f.called, g)
	}
}

// trie finds the patterns that a topic fits: one level for each segment, with the
// children by text and one for any.
type trie struct {
	root node
	size int // patterns in it
}

type node struct {
	// Most have one child, which needs no map. Nil with children, or without any.
	text     string
	only     *node
	children map[string]*node
	any      *node
	groups   []*group // that end here: they differ in their tails, or in how they are written
}

// find returns the child of a text, or nil.
func (n *node) find(text string) *node {
	if n.only != nil {
		if n.text == text {
			return n.only
		}
		return nil
	}
	return n.children[text]
}

// drop takes a child out.
func (n *node) drop(text string) {
	if n.only != nil {
		n.text, n.only = "", nil
	} else if delete(n.children, text); len(n.children) == 0 {
		n.children = nil
	}
}

// leads reports whether there is a child.
func (n *node) leads() bool { return n.any != nil || n.only != nil || len(n.children) > 0 }

// add puts a pattern's group in.
func (t *trie) add(g *group) {
	n := &t.root
	for i, text := range g.pattern.Segments {
		n = n.child(text, g.pattern.Any[i])
	}
	n.groups = append(n.groups, g)
	t.size++
}

func (n *node) child(text string, any bool) *node {
	if any {
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	}
	c := n.find(text)
	if c != nil {
		return c
	}
	c = &node{}
	switch {
	case n.only != nil:
		n.children = map[string]*node{n.text: n.only, text: c}
		n.text, n.only = "", nil
	case n.children != nil:
		n.children[text] = c
	default:
		n.text, n.only = text, c
	}
	return c
}

// remove takes a pattern's group out, and the nodes that lead to nothing then.
func (t *trie) remove(g *group) {
	t.root.remove(g, 0)
	t.size--
}

func (n *node) remove(g *group, level int) (empty bool) {
	if level == len(g.pattern.Segments) {
		n.groups = slices.DeleteFunc(n.groups, func(o *group) bool { return o == g })
		return len(n.groups) == 0
	}
	if g.pattern.Any[level] {
		if n.any.remove(g, level+1) {
			n.any = nil
		}
	} else if text := g.pattern.Segments[level]; n.find(text).remove(g, level+1) {
		n.drop(text)
	}
	return !n.leads()
}

// match calls fn for each pattern whose six segments the topic fits.
func (t *trie) match(topic *parley.Topic, fn func(*group)) {
	segments := [5]string{string(topic.Org), topic.Source, topic.Resource, topic.Event, topic.ResourceID}
	t.root.match(&segments, 0, fn)
}

func (n *node) match(segments *[5]string, level int, fn func(*group)) {
	if level == len(segments) {
		for _, g := range n.groups {
			fn(g)
		}
		return
	}
	if c := n.find(segments[level]); c != nil {
		c.match(segments, level+1, fn)
	}
	if n.any != nil {
		n.any.match(segments, level+1, fn)
	}
}
