package hub

import (
	"fmt"
	"slices"
	"testing/synctest"

	parley "github.com/parley-chat/parley"
)

// blip is an ephemeral event of the customer's own. It is told once for each time
// that it comes, to those whom it concerns, and lost only to those who are not
// live, or fall behind.
type blip struct {
	event *parley.Event
	text  string // by which it is known
}

// passage is how a blip came to a node.
type passage struct {
	first, last int // tick
	times       int
}

// owedBlip is one that a client was live for: it is owed for as long as the
// listener's turn lasts.
type owedBlip struct {
	number int
	turn   uint32
}

func (s *sim) publishBlip() { s.sendBlip() }

func (s *sim) sendBlip() *blip {
	text := fmt.Sprintf(`{"blip":%d}`, len(s.blips))
	c, e := s.published(text)
	e.Class = parley.Ephemeral
	if c != nil {
		e.Conversation, e.ChangeSeq = c.id, s.store.conversations[c.id].ChangeSeq
	}
	b := &blip{e, string(e.Body.(*parley.PublishedBody).Data)}
	s.blips = append(s.blips, b)
	s.publishLive(e)
	return b
}

// blipOf returns the number of the blip that data is, as it is on the bus.
func (s *sim) blipOf(data []byte) (number int, ok bool) {
	e, err := parley.UnmarshalEvent(data)
	if err != nil || e.Class != parley.Ephemeral {
		return 0, false
	}
	b, ok := e.Body.(*parley.PublishedBody)
	if !ok {
		return 0, false
	}
	return blipNumber(string(b.Data))
}

func blipNumber(text string) (number int, ok bool) {
	_, err := fmt.Sscanf(text, `{"blip":%d`, &number)
	return number, err == nil
}

// passing notes that a blip comes to a node now, and who is to hear it.
func (s *sim) passing(n *simNode, data []byte, times int) {
	number, ok := s.blipOf(data)
	if !ok || times == 0 {
		return
	}
	synctest.Wait() // what came before has been told
	s.tick++
	p := n.passed[number]
	if p == nil {
		p = &passage{first: s.tick}
		n.passed[number] = p
	}
	p.last = s.tick
	p.times += times
	s.trace("blip %d comes to %s %d times: %s on %s in %d", number, n.name, times, s.blips[number].event.Type, s.blips[number].event.Channel, num(s.blips[number].event.Conversation))
	b := s.blips[number]
	if !b.event.Conversation.IsZero() {
		return // it may have to wait
	}
	for _, c := range s.clients {
		if c.l == nil || c.node != n || !c.wants(b.event) {
			continue
		}
		if turn, live := c.standing(); live {
			c.blipsOwed = append(c.blipsOwed, owedBlip{number, turn})
		}
	}
}

// standing returns the listener's turn, and whether it is live.
func (c *client) standing() (turn uint32, isLive bool) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.l.turn, c.l.state == live
}

// wants reports whether the client, as it is now, is to hear an event that is not
// stored, and belongs to no conversation or to one in which all that was stored has
// been told.
func (c *client) wants(e *parley.Event) bool {
	_, allowed := c.accessOf(&c.who, c.sim.factNow(e))
	return allowed && slices.ContainsFunc(c.spans, func(s span) bool { return s.ended == 0 && names(&s.sub.Interest, e) })
}

// factNow is an event with those who are in its conversation now.
func (s *sim) factNow(e *parley.Event) *fact {
	f := &fact{event: e, hearers: map[parley.PrincipalID]bool{}}
	for _, c := range s.conversations {
		if c.id == e.Conversation {
			f.kind = c.kind
			for p, role := range c.members {
				m := parley.Membership{Role: role}
				f.hearers[p] = m.HearsInternal(c.kind)
			}
		}
	}
	return f
}

// hearBlip holds a blip against what the client is to hear.
func (c *client) hearBlip(l line) {
	s := c.sim
	number, ok := blipNumber(l.text)
	if !ok || number >= len(s.blips) || s.blips[number].text != l.text {
		s.fatalf("%s hears a blip that nobody sent: %q", c.name, l.text)
	}
	e := s.blips[number].event
	p := c.node.passed[number]
	if p == nil {
		s.fatalf("%s hears blip %d, which has not come to %s", c.name, number, c.node.name)
	}
	if c.blipsGot[number]++; c.blipsGot[number] > p.times {
		s.fatalf("%s hears blip %d %d times, it came %d times", c.name, number, c.blipsGot[number], p.times)
	}
	if e.Conversation.IsZero() && p.last <= c.since {
		s.fatalf("%s hears blip %d, from before it came", c.name, number)
	}
	if e.Conversation.IsZero() && p.times == 1 {
		if p.first < c.lastBlip {
			s.fatalf("%s hears blip %d too late", c.name, number)
		}
		c.lastBlip = p.first
	}
	if !slices.ContainsFunc(c.spans, func(s span) bool { return (s.ended == 0 || s.ended > p.first) && names(&s.sub.Interest, e) }) {
		s.fatalf("%s hears blip %d (%s on %s, %v), which it did not ask for: %+v", c.name, number, e.Type, e.Channel, e.Conversation, c.spans)
	}
	if !e.Conversation.IsZero() {
		c.checkPresent(l)
		return
	}
	mayAs := func(who *parley.Principal) bool {
		_, allowed := c.accessOf(who, &fact{event: e})
		return allowed
	}
	if !mayAs(&c.who) && !slices.ContainsFunc(c.eras, func(e era) bool { return mayAs(&e.who) }) {
		s.fatalf("%s (%s) must not hear blip %d on %s to %v", c.name, c.who.ID, number, e.Channel, e.Targets)
	}
}

// checkBlips holds a client that has read all to what it was owed.
func (c *client) checkBlips() {
	if c.l == nil {
		return
	}
	turn, _ := c.standing()
	for _, o := range c.blipsOwed {
		if o.turn == turn && c.blipsGot[o.number] == 0 {
			c.sim.fatalf("%s has lost blip %d: it was live", c.name, o.number)
		}
	}
	c.blipsOwed = nil
}

// settleBlips sends some while everybody listens: who is to hear one does.
func (s *sim) settleBlips() {
	nested := s.nested
	s.nested = true
	defer func() { s.nested = nested }()
	for range 3 {
		b := s.sendBlip()
		for _, n := range s.nodes {
			for len(n.bus.live) > 0 {
				n.bus.take("live", &n.bus.live, s.rng, 0)
			}
		}
		synctest.Wait()
		for _, c := range s.clients {
			c.readAll()
			if c.l == nil || c.reading || c.heldBack {
				continue
			}
			got := c.blipsGot[len(s.blips)-1]
			if got == 0 && s.lastErased(b.event.Conversation) {
				continue
			}
			if want := c.wants(b.event); want != (got == 1) {
				s.fatalf("%s (%s, kind %d) hears blip %d (%s on %s in %d to %v) %d times; it is to hear it: %t",
					c.name, c.who.ID, c.kind, len(s.blips)-1, b.event.Type, b.event.Channel, num(b.event.Conversation), b.event.Targets, got, want)
			}
		}
	}
	for _, c := range s.clients {
		c.checkBlips()
	}
}

// lastErased reports whether the last event of a conversation was erased: a feed
// that had not come to it by then holds what its author knew after it, until the
// conversation's next event.
func (s *sim) lastErased(id parley.ConversationID) (erased bool) {
	for _, f := range s.facts {
		if !id.IsZero() && f.event.Conversation == id {
			erased = f.erased
		}
	}
	return erased
}

// checkFeeds looks for what is left of those who are gone, and whether what a ring
// holds is found by its log keys, all of it and in order. empty says that everybody
// is gone.
func (s *sim) checkFeeds(empty bool) {
	for _, n := range s.nodes {
		n.hub.mu.Lock()
		f := n.hub.feeds[testOrg]
		n.hub.mu.Unlock()
		if f == nil {
			continue
		}
		f.do(func() {
			if problem := f.inspect(empty); problem != "" {
				s.t.Errorf("-hub.seed=%d, step %d: %s: %s", s.seed, s.step, n.name, problem)
			}
		})
		if s.t.Failed() {
			s.t.FailNow()
		}
	}
}

// inspect returns what is wrong with a feed. On the loop.
func (f *feed) inspect(empty bool) (problem string) {
	byKey, weight := map[string][]*entry{}, 0
	for _, en := range f.ring.entries {
		keys := en.event.Keys(nil)
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			byKey[key] = append(byKey[key], en)
		}
		weight += en.weight()
	}
	if weight != f.ring.weight {
		return fmt.Sprintf("the ring weighs %d and says %d", weight, f.ring.weight)
	}
	check := func(key string, r *recent) {
		if !slices.Equal(r.entries, byKey[key]) {
			problem = fmt.Sprintf("under %s are %d entries, the ring has %d", key, len(r.entries), len(byKey[key]))
		}
		delete(byKey, key)
	}
	for channel, r := range f.ring.channels {
		check(parley.ChannelKey(channel), r)
	}
	for id, p := range f.persons {
		check(parley.PrincipalKey(id), &p.recent)
		if len(p.listeners) == 0 && len(p.in) == 0 && p.recent.empty() {
			problem = fmt.Sprintf("%s is remembered for nothing", id)
		}
	}
	for id, m := range f.conversations {
		check(parley.ConversationKey(id), &m.recent)
	}
	switch {
	case problem != "":
		return problem
	case len(byKey) > 0:
		return fmt.Sprintf("%d log keys of the ring's entries are not known", len(byKey))
	case empty && f.groups.size()+f.patterns.size+len(f.present)+len(f.readers)+len(f.ahead) > 0:
		return fmt.Sprintf("of those who left are left %d groups, %d patterns, %d persons, %d readers, %d ahead",
			f.groups.size(), f.patterns.size, len(f.present), len(f.readers), len(f.ahead))
	case empty && f.patterns.root.leads():
		return "the trie of patterns is not empty"
	}
	return ""
}
