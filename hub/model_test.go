package hub

import (
	"slices"
	"strings"

	parley "github.com/parley-chat/parley"
)

// fact is what the model remembers of a durable event: who was in its
// conversation when it was committed, and whether they hear what is internal.
type fact struct {
	event   *parley.Event
	kind    parley.ConversationKind
	hearers map[parley.PrincipalID]bool
	erased  bool
}

// owed says what a client must be told.
type owed int

const (
	never owed = iota
	perhaps
	surely
)

// span is an interest with the offsets at which it held: after from, up to to.
// Up to maybe it may or may not have held.
type span struct {
	sub             parley.Subscribe
	from, to, maybe uint64
	ended           int // tick; zero while it lasts
}

const forEver = ^uint64(0)

// expects is the whole contract of who hears what, said naively (contracts.md
// sections 9 and 10, design.md P6).
func (c *client) expects(f *fact) owed {
	e := f.event
	offset := e.Position.Offset
	if offset <= c.base {
		return never
	}
	allowed := c.allows(f)
	if allowed == never || c.plain() && e.Type == parley.RunEnded {
		return never
	}
	answer := c.asked(e, offset)
	if answer == never {
		return never
	}
	if m, ok := e.Body.(*parley.MessageBody); ok && m.Origin != "" && c.origins[m.Origin] {
		if m.Origin == c.origin {
			return never
		}
		return perhaps // who comes back may be told what it said itself
	}
	if f.erased || offset <= c.perhapsTo {
		return perhaps
	}
	if end, ok := e.Body.(*parley.RunBody); (!ok || !c.began(end)) && !c.surelyHears(parley.SpeakerOf(e), offset) {
		return perhaps
	}
	return min(answer, allowed)
}

// plain reports whether the client's surface has no streams.
func (c *client) plain() bool { return c.kind == kindEvents || c.kind == kindMixed }

// whoAt lists who the client may have been when a fact was told.
func (c *client) whoAt(offset uint64) (list []*parley.Principal) {
	for i := range c.eras {
		if offset <= c.eras[i].maybe {
			list = append(list, &c.eras[i].who)
		}
		if offset <= c.eras[i].to {
			return list
		}
	}
	return append(list, &c.who)
}

// allows says whether the client may hear a fact.
func (c *client) allows(f *fact) owed {
	n, list := 0, c.whoAt(f.event.Position.Offset)
	for _, who := range list {
		if internal, allowed := c.accessOf(who, f); allowed && (internal || !f.event.Internal) {
			n++
		}
	}
	switch n {
	case 0:
		return never
	case len(list):
		return surely
	}
	return perhaps
}

// seesAs reports whether the client may hear a fact in a view.
func (c *client) seesAs(f *fact, internal bool) bool {
	return slices.ContainsFunc(c.whoAt(f.event.Position.Offset), func(who *parley.Principal) bool {
		sees, allowed := c.accessOf(who, f)
		return allowed && sees == internal
	})
}

// accessOf says whether a principal may hear the fact, and what is internal.
func (c *client) accessOf(who *parley.Principal, f *fact) (internal, allowed bool) {
	e := f.event
	all := who.Can(parley.ScopeConversationsReadAll)
	switch {
	case !e.Conversation.IsZero() && !who.Can(parley.ScopeConversationsRead):
		return false, false
	case !e.Conversation.IsZero():
		internal, in := f.hearers[who.ID]
		if !in {
			reads := c.kind == kindTopics && who.Can(parley.ScopeOrgRead)
			ofTwo := f.kind == parley.KindDirect || f.kind == parley.KindAgentDirect
			return all, reads && (!ofTwo || all)
		}
		return internal || all, true
	case len(e.Targets) > 0 && !slices.Contains(e.Targets, who.ID):
		return false, false
	case e.Channel == parley.ChannelMemory:
		return false, who.Can(parley.ScopeMemoryRead)
	case e.Channel == parley.ChannelConversation:
		return false, who.Can(parley.ScopeConversationsRead)
	}
	return false, who.Can(parley.ScopeEventsSubscribe)
}

// asked says whether an interest named the event when it happened.
func (c *client) asked(e *parley.Event, offset uint64) owed {
	if c.kind == kindBot && e.Type == parley.ConversationCreated {
		return surely
	}
	answer := never
	for _, s := range c.spans {
		if offset <= s.from || !names(&s.sub.Interest, e) {
			continue
		}
		if offset <= s.to {
			return surely
		}
		if offset <= s.maybe {
			answer = perhaps
		}
	}
	return answer
}

func names(i *parley.Interest, e *parley.Event) bool {
	if slices.Contains(i.Channels, e.Channel) || !e.Conversation.IsZero() && slices.Contains(i.Conversations, e.Conversation) {
		return true
	}
	if run, ok := runOf(e); ok && slices.Contains(i.Runs, run) {
		return true
	}
	topic := parley.TopicOf(e)
	return slices.ContainsFunc(i.Patterns, func(p parley.Pattern) bool { return p.Matches(&topic, e) })
}

// hear holds a frame against the model.
func (c *client) hear(l line) {
	s := c.sim
	if l.offset > 0 {
		c.hearDurable(l)
	}
	switch l.kind {
	case "Reload":
		if !c.mayReload {
			s.fatalf("%s is told to reload (%s): nothing was lost", c.name, l.text)
		}
		c.reloads++
		c.forgetRuns()
		c.perhapsTo = max(c.perhapsTo, c.applied())
		c.checked = c.perhapsTo
	case "History":
		if c.history == nil {
			c.history = map[[2]uint64]bool{}
		}
		c.history[[2]uint64{l.conversation, l.n}] = true
	case string(parley.StreamStarted), string(parley.StreamDelta), string(parley.TypingStarted), string(parley.ToolCalled):
		c.hearLive(l)
	case "thing.changed", "thing.moved", "bare", string(parley.MemoryCreated):
		if l.offset == 0 {
			c.hearBlip(l)
		}
	}
	if l.cursor != "" {
		c.hearCursor(l)
	}
}

func (c *client) hearDurable(l line) {
	s := c.sim
	if l.offset <= c.last {
		s.fatalf("%s hears offset %d after %d", c.name, l.offset, c.last)
	}
	if c.inHistory {
		s.fatalf("%s hears offset %d before the history that it asked for", c.name, l.offset)
	}
	c.last = l.offset
	if l.offset > uint64(len(s.facts)) {
		s.fatalf("%s hears offset %d of %d", c.name, l.offset, len(s.facts))
	}
	f := s.facts[l.offset-1]
	if string(f.event.Type) != l.kind {
		s.fatalf("%s hears offset %d as %s, it is %s", c.name, l.offset, l.kind, f.event.Type)
	}
	if c.expects(f) == never {
		s.fatalf("%s (%s) must not hear offset %d, %s in %d; base %d, spans %+v", c.name, c.who.ID, l.offset, l.kind, l.conversation, c.base, c.spans)
	}
	if text, ok := textOf(f.event); ok && text != l.text {
		s.fatalf("%s hears offset %d as %q, it says %q", c.name, l.offset, l.text, text)
	}
	if !c.seesAs(f, l.view == "internal") && !f.event.Conversation.IsZero() {
		s.fatalf("%s hears offset %d in view %s", c.name, l.offset, l.view)
	}
	if l.kind == string(parley.MessageCreated) && c.history[[2]uint64{l.conversation, l.n}] {
		s.fatalf("%s is told message %d of %d again after its history", c.name, l.n, l.conversation)
	}
	cut := c.isCut(f, l)
	if !cut {
		c.checkBlocked(parley.SpeakerOf(f.event), l.offset, l.kind)
	}
	c.got[l.offset] = true
	c.hearOutcome(l, cut)
}

// isCut reports whether a line is the end of a run that says nothing: it is told
// to who may block its agent and may have heard it begin, and to nobody else.
func (c *client) isCut(f *fact, l line) bool {
	end, ok := f.event.Body.(*parley.RunBody)
	if !ok {
		return false
	}
	may := (c.began(end) || c.returned && end.After <= c.base) && !c.surelyHears(end.Agent, l.offset)
	if l.text != end.Text && (l.text != "" || !may) {
		c.sim.fatalf("%s hears run %d end as %q, it says %q (begun: %t)", c.name, l.run, l.text, end.Text, c.began(end))
	}
	return may && l.text == ""
}

// hearOutcome checks the text of a run against what was assembled from deltas; cut is
// as of isCut.
func (c *client) hearOutcome(l line, cut bool) {
	s := c.sim
	message, end := l.kind == string(parley.MessageCreated) && l.run != 0, l.kind == string(parley.RunEnded)
	if !message && !end {
		return
	}
	text, begun := c.texts[l.run]
	if c.kind == kindBot {
		if c.answered[l.run] {
			s.fatalf("%s is told the outcome of run %d twice", c.name, l.run)
		}
		c.answered[l.run] = true
		if message && begun {
			s.fatalf("%s heard run %d begin and is told its message", c.name, l.run)
		}
	}
	if begun && !cut && text != l.text {
		s.fatalf("%s assembled %q of run %d, which became %q", c.name, text, l.run, l.text)
	}
	if end || c.kind == kindBot {
		delete(c.texts, l.run)
		c.over[l.run] = true
	}
}

// hearLive checks what is not stored.
func (c *client) hearLive(l line) {
	s := c.sim
	// Nothing may be heard before what its author knew.
	for o := uint64(len(s.facts)); o > c.checked; o-- {
		f := s.facts[o-1]
		if num(f.event.Conversation) == l.conversation && f.event.ChangeSeq <= l.changeSeq && c.expects(f) == surely && !c.satisfied(f) {
			s.fatalf("%s hears %s of change_seq %d before offset %d, change_seq %d", c.name, l.kind, l.changeSeq, o, f.event.ChangeSeq)
		}
	}
	text, begun := c.texts[l.run]
	switch l.kind {
	case string(parley.StreamStarted):
		if begun || c.over[l.run] {
			s.fatalf("%s hears run %d begin again (over: %t)", c.name, l.run, c.over[l.run])
		}
		c.texts[l.run] = ""
	case string(parley.StreamDelta):
		if !begun || l.n != uint64(len(text)) {
			s.fatalf("%s hears bytes %d of run %d, it has %d (begun: %t)", c.name, l.n, l.run, len(text), begun)
		}
		c.texts[l.run] = text + l.text
		for _, r := range s.runs {
			if num(r.row.ID) == l.run && !strings.HasPrefix(r.text, c.texts[l.run]) {
				s.fatalf("%s hears %q of run %d, which says %q", c.name, c.texts[l.run], l.run, r.text)
			}
		}
	}
	c.checkPresent(l)
	if l.kind == string(parley.TypingStarted) {
		c.checkBlocked(parley.PrincipalID(l.text), 0, l.kind)
	} else {
		c.checkBlocked(simAgent, 0, l.kind)
	}
	if e := liveEvent(l); l.kind != string(parley.StreamDelta) && !slices.ContainsFunc(c.spans, func(s span) bool { return names(&s.sub.Interest, e) }) {
		s.fatalf("%s hears %s of %d, which it never asked for", c.name, l.kind, l.conversation)
	}
}

// liveEvent is as much of the event that a line tells as interests look at.
func liveEvent(l line) *parley.Event {
	e := &parley.Event{
		Org: testOrg, Type: parley.EventType(l.kind), Channel: parley.ChannelConversation,
		Conversation: id2conv(l.conversation), Body: &parley.TypingBody{},
	}
	if l.run != 0 {
		e.Body = &parley.RunBody{Run: id2run(l.run)}
	}
	return e
}

// textOf is what a fact says, where all of its frames say it.
func textOf(e *parley.Event) (string, bool) {
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		return b.Content, true
	case *parley.PublishedBody:
		return string(b.Data), true
	}
	return "", false
}

// checkPresent holds what is not stored, of a conversation, against who is there.
func (c *client) checkPresent(l line) {
	can := func(s parley.Scope) bool {
		return c.who.Can(s) || slices.ContainsFunc(c.eras, func(e era) bool { return e.who.Can(s) })
	}
	if !can(parley.ScopeConversationsRead) {
		c.sim.fatalf("%s hears %s of %d, and may not read", c.name, l.kind, l.conversation)
	}
	for _, m := range c.sim.store.stays[id2conv(l.conversation)] {
		if m.Principal == c.who.ID && (m.Open() || m.To > l.changeSeq) {
			return
		}
	}
	if c.kind != kindTopics || !can(parley.ScopeOrgRead) {
		c.sim.fatalf("%s hears %s of %d, where it is not", c.name, l.kind, l.conversation)
	}
}

// satisfied reports whether the client has what a fact tells.
func (c *client) satisfied(f *fact) bool {
	if c.got[f.event.Position.Offset] {
		return true
	}
	// Either the message of a run or its end is told on a surface that ends streams;
	// checkOutcome sees to that.
	if f.event.Type == parley.RunEnded {
		return c.kind == kindBot
	}
	m, ok := f.event.Body.(*parley.MessageBody)
	if !ok {
		return false
	}
	if c.history[[2]uint64{num(f.event.Conversation), m.Seq}] {
		return true
	}
	return c.kind == kindBot && m.Run != nil
}

// hearCursor holds a cursor to its promise: all that was owed up to it was told.
func (c *client) hearCursor(l line) {
	s := c.sim
	at, err := parley.ParseCursor(l.cursor)
	if err != nil || at.Offset > uint64(len(s.facts)) {
		s.fatalf("%s hears the cursor %q of %d events: %v", c.name, l.cursor, len(s.facts), err)
	}
	c.cursor, c.at = l.cursor, at.Offset
	c.checkUpTo(at.Offset, "told its cursor")
}

func (c *client) checkUpTo(offset uint64, when string) {
	s := c.sim
	for ; c.checked < offset; c.checked++ {
		f := s.facts[c.checked]
		if end, ok := f.event.Body.(*parley.RunBody); ok && c.kind == kindBot {
			c.checkOutcome(f, end, when)
			continue
		}
		if c.expects(f) == surely && !c.satisfied(f) {
			s.fatalf("%s (%s, kind %d) has lost offset %d, %s in %d, when %s at %d; base %d, spans %+v",
				c.name, c.who.ID, c.kind, f.event.Position.Offset, f.event.Type, num(f.event.Conversation), when, offset, c.base, c.spans)
		}
	}
}

// checkOutcome: a run that became a message is told once, as one or the other.
func (c *client) checkOutcome(f *fact, end *parley.RunBody, when string) {
	if c.expects(f) != surely || c.answered[num(end.Run)] {
		return
	}
	message := c.sim.facts[max(f.event.Position.Offset, 2)-2]
	m, ok := message.event.Body.(*parley.MessageBody)
	if !ok || m.Run == nil || m.Run.ID != end.Run || c.expects(message) != surely && !c.began(end) {
		if !c.began(end) {
			return
		}
	}
	if ok && c.history[[2]uint64{num(f.event.Conversation), m.Seq}] && !c.began(end) {
		return
	}
	c.sim.fatalf("%s is told neither message nor end of run %d when %s; base %d", c.name, num(end.Run), when, c.base)
}

func (c *client) began(end *parley.RunBody) bool {
	_, begun := c.texts[num(end.Run)]
	return begun
}
