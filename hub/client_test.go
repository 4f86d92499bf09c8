package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing/synctest"

	parley "github.com/parley-chat/parley"
)

// The kinds of client.
const (
	kindEvents = iota // channels, all known at once
	kindNamed         // conversations by name
	kindBot           // the same, on a surface that ends streams
	kindTopics        // patterns
	kindMixed         // all of these, much of it, without streams
	kinds
)

// client is someone who connects again and again, with the last cursor it got.
type client struct {
	sim    *sim
	name   string
	kind   int
	who    parley.Principal
	wishes []parley.Subscribe // what it subscribes to on this connection or the next

	cursor    string
	at        uint64 // the cursor's offset
	origins   map[string]bool
	answered  map[uint64]bool // bot: runs whose outcome it was told, ever
	mayReload bool
	reloads   int

	// Of this connection.
	l         *Listener
	node      *simNode
	origin    string
	w         *simWriter
	lazy      int    // it reads once in so many times
	reading   bool   // Next is at work
	heldBack  bool   // resume is to come
	inHistory bool   // a history is being read
	base      uint64 // nothing at or below it is owed
	nodeAt    uint64 // where its node was when it attached
	returned  bool   // it came back to where it was, by its cursor
	perhapsTo uint64 // nor surely at or below this
	checked   uint64 // all that is owed up to here was told
	last      uint64
	spans     []span
	eras      []era // who it was before its principal was refreshed
	since     int   // tick
	blipsOwed []owedBlip
	blipsGot  map[int]int
	lastBlip  int // tick of the last that was in no conversation
	got       map[uint64]bool
	history   map[[2]uint64]bool
	texts     map[uint64]string // of the runs it heard begin
	over      map[uint64]bool
}

func (s *sim) newClient() *client {
	n := len(s.clients)
	c := &client{sim: s, name: fmt.Sprintf("client %d", n), kind: n % kinds, origins: map[string]bool{}, answered: map[uint64]bool{}}
	if n >= kinds {
		c.kind = s.rng.IntN(kinds)
	}
	c.who = parley.Principal{Org: testOrg, ID: pick(s.rng, simPeople), Kind: parley.KindUser, Scopes: c.scopes()}
	if c.kind == kindBot && s.rng.IntN(4) == 0 {
		c.who.ID = simAgent
	}
	return c
}

// scopes makes up what a client may.
func (c *client) scopes() parley.Scopes {
	list := pick(c.sim.rng, [][]parley.Scope{
		{parley.ScopeConversationsRead, parley.ScopeEventsSubscribe},
		{parley.ScopeConversationsRead, parley.ScopeEventsSubscribe, parley.ScopeMemoryRead},
		{parley.ScopeConversationsRead, parley.ScopeEventsSubscribe, parley.ScopeOrgRead},
		{parley.ScopeConversationsRead, parley.ScopeEventsSubscribe, parley.ScopeOrgRead, parley.ScopeConversationsReadAll},
		{parley.ScopeConversationsRead, parley.ScopeConversationsReadAll},
		{parley.ScopeEventsSubscribe, parley.ScopeMemoryRead, parley.ScopeOrgRead},
	})
	if c.kind == kindMixed { // org:read reaches by patterns what may be asked for by name then
		list = slices.DeleteFunc(slices.Clone(list), func(s parley.Scope) bool { return s == parley.ScopeOrgRead })
	}
	return parley.NewScopes(list...)
}

// era is who a client was, as to what was told up to an offset, and perhaps up to
// another.
type era struct {
	who       parley.Principal
	to, maybe uint64
}

// refresh gives the client another token.
func (c *client) refresh() {
	who := c.who
	if c.kind != kindBot { // which outcomes it is told then the model cannot say
		who.Scopes = c.scopes()
	}
	place, now := c.place()
	c.eras = append(c.eras, era{c.who, place, now})
	c.who = who
	c.l.Refresh(&who)
	c.blipsOwed = nil
	c.sim.trace("%s is refreshed: %v", c.name, who.Scopes.List())
}

// clientReads lets one client's writer run once.
func (s *sim) clientReads() {
	if c := pick(s.rng, s.clients); c.l != nil && c.due() && !c.reading && s.rng.IntN(c.lazy) == 0 {
		c.read(false)
	}
}

// due reports whether the writer has been told that there is something.
func (c *client) due() bool { return c.w.due() }

// read takes what Next gives, or Ready where that is enough; with cut, the
// connection breaks somewhere in it.
func (c *client) read(cut bool) {
	c.absorb()
	l, w := c.l, c.w
	c.reading = true
	dst := w.begin()
	var data []byte
	var more, wait bool
	var err error
	if c.sim.rng.IntN(3) == 0 {
		data, more, wait = l.Ready(dst)
	}
	if len(data) <= len(dst) {
		data, more, err = l.Next(context.WithValue(context.Background(), duringNext{}, true), dst)
	}
	w.finish(more || wait || err != nil)
	c.reading = false
	if c.l != l {
		return // it went away meanwhile; nothing was written
	}
	data = c.sim.kept.keep(data[len(dst):])
	if err != nil && !errors.Is(err, parley.ErrUnavailable) {
		c.sim.fatalf("%s: next: %v", c.name, err)
	}
	if cut {
		data = data[:c.sim.rng.IntN(len(data)+1)]
	} else {
		c.whole(data)
	}
	c.hearAll(data)
}

// absorb hears what the hub had written.
func (c *client) absorb() {
	if c.l == nil {
		return
	}
	data := c.w.heard()
	c.whole(data)
	c.hearAll(data)
}

func (c *client) whole(data []byte) {
	if n := len(data); n > 0 && data[n-1] != '\n' {
		c.sim.fatalf("%s is handed a part of a frame: %q", c.name, data)
	}
}

func (c *client) hearAll(data []byte) {
	for _, l := range readLines(c.sim.t, data) {
		c.sim.trace("%s: %+v", c.name, l)
		c.hear(l)
	}
}

// clientActs lets one client do something else.
func (s *sim) clientActs() {
	c := pick(s.rng, s.clients)
	if c.l == nil {
		c.attach()
		return
	}
	switch n := s.rng.IntN(20); {
	case c.heldBack:
		c.resume(n)
	case n < 3 && !c.reading:
		c.read(true)
		c.detach()
	case n < 4:
		c.detach()
	case n < 9:
		c.subscribe()
	case n < 11:
		c.unsubscribe()
	case n < 13:
		c.subscribeWithHistory()
	case n < 15:
		c.l.TellCursor()
	case n < 17:
		c.l.Say(parley.Pong{})
	case n < 18:
		c.refresh()
	}
}

func (c *client) applied() (offset uint64) {
	c.l.feed.do(func() { offset = c.l.feed.applied.Offset })
	return offset
}

// attach connects, with the last cursor where there is one.
func (c *client) attach() {
	s := c.sim
	c.node = pick(s.rng, s.nodes)
	c.origin = ""
	if c.kind == kindBot {
		c.origin = fmt.Sprintf("conn%d", s.store.newID())
		c.origins[c.origin] = true
	}
	w := &simWriter{kept: &s.kept, rng: rand.New(rand.NewPCG(s.seed, 100+s.store.newID())), temper: pick(s.rng, tempers)}
	who := c.who
	cfg := ListenerConfig{
		Principal: &who, Dialect: [...]string{"events", "topics", "bot", "topics", "events"}[c.kind], Origin: c.origin,
		Writer:     w,
		AckCursors: c.kind == kindTopics,
	}
	resume := c.cursor != "" && s.rng.IntN(5) > 0
	if resume {
		cfg.Resume, cfg.Cursor, cfg.TellCursors = true, c.cursor, true
	}
	if c.kind == kindEvents {
		if len(c.wishes) == 0 {
			c.wishes = []parley.Subscribe{c.wish()}
		}
		cfg.Interest, cfg.Complete = c.wishes[0].Interest, true
	} else if !resume || s.rng.IntN(4) == 0 {
		c.wishes = nil
	}
	l, err := c.node.hub.Attach(cfg)
	if err != nil {
		if !s.store.failing {
			s.fatalf("%s: attach: %v", c.name, err)
		}
		return
	}
	c.l, c.w, c.lazy = l, w, pick(s.rng, []int{1, 1, 2, 10})
	c.spans, c.eras, c.got, c.history = nil, nil, map[uint64]bool{}, nil
	c.since, c.blipsOwed, c.blipsGot, c.lastBlip = s.tick, nil, map[int]int{}, 0
	w.mu.Lock()
	w.listener, w.woken = l, true
	w.mu.Unlock()
	c.forgetRuns()
	c.over = map[uint64]bool{}
	c.base, c.perhapsTo, c.last = c.applied(), 0, 0
	c.nodeAt = c.base
	if c.returned = resume && !c.lostCursor(); c.returned {
		c.base = c.at
	} else {
		clear(c.answered)
	}
	c.checked = c.base
	c.heldBack = l.Held()
	if c.kind == kindEvents {
		c.spans = []span{{sub: c.wishes[0], from: c.base, to: forEver}}
	}
	s.trace("%s (%s) attaches to %s at %d, resume %t, held %t", c.name, c.who.ID, c.node.name, c.base, resume, c.heldBack)
}

// lostCursor reports whether the cursor's place is no longer in the log.
func (c *client) lostCursor() bool {
	at, _ := parley.ParseCursor(c.cursor)
	store := c.sim.store
	return at.Offset > uint64(len(store.at)) || at.Offset > 0 && store.at[at.Offset-1] != at
}

func (c *client) forgetRuns() { c.texts = map[uint64]string{} }

func (c *client) detach() {
	if c.l == nil {
		return
	}
	c.sim.trace("%s leaves at %d", c.name, c.at)
	c.absorb()
	c.l.Detach()
	c.l = nil
}

// resume ends the wait that a named cursor began.
func (c *client) resume(n int) {
	if n == 0 {
		synctest.Wait()
		c.l.GiveUp()
		c.heldBack = false
		c.wishes = nil
		c.perhapsTo = c.applied()
		c.checked = c.perhapsTo
		return
	}
	if n > 10 {
		return
	}
	if len(c.wishes) == 0 {
		c.wishes = []parley.Subscribe{c.wish()}
	}
	var acks []parley.Reply
	for _, w := range c.wishes {
		acks = append(acks, parley.Subscribed{Request: w})
		c.note(w, c.base)
	}
	c.l.Resume(c.wishes, acks)
	c.heldBack = false
	c.sim.trace("%s resumes with %d interests", c.name, len(c.wishes))
}

// wish makes up something to ask for.
func (c *client) wish() parley.Subscribe {
	s := c.sim
	conversation := pick(s.rng, s.conversations).id
	switch c.kind {
	case kindEvents:
		return parley.Subscribe{Interest: parley.Interest{Channels: pick(s.rng, [][]string{
			{parley.ChannelConversation}, {parley.ChannelConversation, "app"}, {parley.ChannelMemory, "app"},
		})}}
	case kindTopics:
		var patterns []parley.Pattern
		for range 1 + s.rng.IntN(2) {
			p, err := parley.ParsePattern(pick(s.rng, []string{
				"events.org_test.*.*.*.*",
				"events.org_test.conversations.conversation.message_posted.*",
				"events.org_test.conversations.conversation.message_stream.*",
				"events.org_test.conversations.*.*." + conversation.String(),
				"events.org_test.app.*.*.*",
				"events.*.memory.*.created.*",
			}))
			if err != nil {
				s.fatalf("%v", err)
			}
			patterns = append(patterns, p)
		}
		return parley.Subscribe{Ref: fmt.Sprintf("r%d", s.rng.IntN(3)), Interest: parley.Interest{Patterns: patterns}}
	case kindMixed:
		return c.anything()
	}
	if c.kind == kindNamed && len(s.runs) > 0 && s.rng.IntN(6) == 0 {
		return parley.Subscribe{Interest: parley.Interest{Runs: []parley.RunID{pick(s.rng, s.runs).row.ID}}}
	}
	return parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{conversation}}}
}

// anything makes up one or more things of one sort.
func (c *client) anything() parley.Subscribe {
	s := c.sim
	var i parley.Interest
	switch s.rng.IntN(4) {
	case 0:
		for range 1 + s.rng.IntN(3) {
			i.Channels = append(i.Channels, pick(s.rng, []string{"app", "lab", "void", parley.ChannelMemory, parley.ChannelConversation}))
		}
	case 1, 2:
		for range 1 + s.rng.IntN(12) {
			id := pick(s.rng, s.conversations).id
			if s.rng.IntN(3) == 0 {
				id = id2conv(1_000_000 + s.rng.Uint64N(30)) // there is none
			}
			i.Conversations = append(i.Conversations, id)
		}
	default:
		for range 1 + s.rng.IntN(3) {
			p, err := parley.ParsePattern(pick(s.rng, []string{
				"events.org_test.*.*.*.*", "events.org_test.app.*.*.*", "events.org_test.lab.*.changed.*", "events.org_test.*.thing.*.*",
				"events.org_test.app.custom.bare.*", "events.org_test.*.*.*." + pick(s.rng, s.conversations).id.String(),
				"events.org_test.*.*.*.*.channel.app", "events.org_test.app.*.*.*.conversation.*", "events.*.app.*.*.*.channel.*",
			}))
			if err != nil {
				s.fatalf("%v", err)
			}
			i.Patterns = append(i.Patterns, p)
		}
		return parley.Subscribe{Ref: fmt.Sprintf("r%d", s.rng.IntN(5)), Interest: i}
	}
	return parley.Subscribe{Interest: i}
}

// note notes an interest from an offset on: each name for itself, because it may
// be taken back alone.
func (c *client) note(w parley.Subscribe, from uint64) {
	add := func(ref string, i parley.Interest) {
		c.spans = append(c.spans, span{sub: parley.Subscribe{Ref: ref, Interest: i}, from: from, to: forEver})
	}
	for _, name := range w.Interest.Channels {
		add("", parley.Interest{Channels: []string{name}})
	}
	for _, id := range w.Interest.Conversations {
		add("", parley.Interest{Conversations: []parley.ConversationID{id}})
	}
	for _, id := range w.Interest.Runs {
		add("", parley.Interest{Runs: []parley.RunID{id}})
	}
	if len(w.Interest.Patterns) > 0 {
		add(w.Ref, parley.Interest{Patterns: w.Interest.Patterns})
	}
}

// subscribe asks for one thing more, or again.
func (c *client) subscribe() {
	if c.kind == kindEvents || c.heldBack {
		return
	}
	w := c.wish()
	if len(c.wishes) > 0 && c.sim.rng.IntN(4) == 0 {
		w = pick(c.sim.rng, c.wishes)
	}
	from := c.applied()
	c.noteSubscribed(w, from)
	c.l.Subscribe(&w, parley.Subscribed{Request: w})
	c.sim.trace("%s subscribes to %+v after %d", c.name, w.Interest, from)
}

func (c *client) noteSubscribed(w parley.Subscribe, from uint64) {
	if w.Ref != "" {
		c.noteReplaced(w)
	}
	c.note(w, from)
	c.wishes = append(c.wishes, w)
}

// noteReplaced ends the subscription that had the same ref: what it still named
// and the new one does not may be told or not.
func (c *client) noteReplaced(w parley.Subscribe) {
	place, now := c.place()
	var kept []parley.Subscribe
	for _, old := range c.wishes {
		if old.Ref != w.Ref {
			kept = append(kept, old)
		}
	}
	c.wishes = kept
	c.sim.tick++
	for i := range c.spans {
		s := &c.spans[i]
		if s.sub.Ref != w.Ref || s.to != forEver {
			continue
		}
		s.to, s.maybe, s.ended = place, now, c.sim.tick
		// A pattern that is named again goes on without a gap.
		again := s.sub
		again.Interest.Patterns = nil
		for _, p := range s.sub.Interest.Patterns {
			for _, q := range w.Interest.Patterns {
				if p.Text == q.Text {
					again.Interest.Patterns = append(again.Interest.Patterns, p)
				}
			}
		}
		if len(again.Interest.Patterns) > 0 {
			c.spans = append(c.spans, span{sub: again, from: s.from, to: forEver})
		}
	}
}

// place returns how far the listener was told, and how far its feed is.
func (c *client) place() (told, applied uint64) {
	c.l.feed.do(func() {
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		told, applied = c.l.at.Offset, c.l.feed.applied.Offset
	})
	return min(told, applied), max(told, applied)
}

func (c *client) unsubscribe() {
	if c.kind == kindEvents || len(c.wishes) == 0 || c.heldBack || c.reading && c.kind != kindMixed {
		return
	}
	w := pick(c.sim.rng, c.wishes)
	place, now := c.place()
	un := parley.Unsubscribe{Ref: w.Ref, Interest: w.Interest}
	var kept []parley.Subscribe
	for _, o := range c.wishes {
		if o = without(o, &un); !o.Interest.Empty() {
			kept = append(kept, o)
		}
	}
	c.wishes = kept
	c.sim.tick++
	for i := range c.spans {
		if s := &c.spans[i]; s.to == forEver {
			if left := without(s.sub, &un); left.Interest.Empty() {
				s.to, s.maybe, s.ended = place, now, c.sim.tick
			}
		}
	}
	c.sim.trace("%s unsubscribes from %+v at %d..%d", c.name, un, place, now)
	c.l.Unsubscribe(&un, parley.Unsubscribed{Request: un})
	if c.kind == kindMixed {
		return
	}
	// Which streams end for it here the model cannot say.
	c.read(false)
	c.detach()
}

// subscribeWithHistory asks for a conversation with its earlier messages, while
// others go on posting.
func (c *client) subscribeWithHistory() {
	s := c.sim
	if c.kind != kindBot && c.kind != kindNamed || c.heldBack || s.telling {
		return
	}
	conversation := pick(s.rng, s.conversations).id
	w := parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{conversation}}}
	w.HasAfterSeq, w.AfterSeq = true, uint64(s.rng.IntN(5))
	c.noteSubscribed(w, c.applied())
	err := c.l.SubscribeWithHistory(&w, parley.Subscribed{Request: w}, func() ([]parley.Message, error) {
		c.absorb()
		nested := s.nested
		s.nested, s.telling, c.inHistory = true, true, true
		defer func() { s.nested, s.telling, c.inHistory = nested, false, false }()
		for range s.rng.IntN(6) {
			s.one()
		}
		if s.rng.IntN(8) == 0 {
			return nil, parley.ErrUnavailable
		}
		var out []parley.Message
		for _, list := range [][]*fact{s.facts, s.unplaced} {
			for _, f := range list {
				m, ok := f.event.Body.(*parley.MessageBody)
				internal, in := f.hearers[c.who.ID]
				internal = internal || c.who.Can(parley.ScopeConversationsReadAll)
				if ok && in && c.who.Can(parley.ScopeConversationsRead) && f.event.Conversation == conversation && m.Seq > w.AfterSeq && (internal || !m.Internal) {
					out = append(out, m.Message)
				}
			}
		}
		return out, nil
	})
	if err != nil && !errors.Is(err, parley.ErrUnavailable) {
		s.fatalf("%s: history: %v", c.name, err)
	}
	s.trace("%s subscribed with history of %d", c.name, num(conversation))
}

// settle reads all that is owed and checks that nothing is missing.
func (c *client) settle() {
	s := c.sim
	if c.l == nil || c.reading {
		return
	}
	if c.heldBack {
		c.resume(1)
	}
	c.readAll()
	c.checkBlips()
	c.checkUpTo(uint64(len(s.facts)), "all is quiet")
	for _, f := range s.facts {
		if end, ok := f.event.Body.(*parley.RunBody); ok && c.expects(f) == surely {
			if _, open := c.texts[num(end.Run)]; open {
				s.fatalf("%s was never told the end of run %d, offset %d", c.name, num(end.Run), f.event.Position.Offset)
			}
		}
	}
}

// readAll reads while there is something.
func (c *client) readAll() {
	if c.l == nil || c.reading {
		return
	}
	s := c.sim
	nested := s.nested
	s.nested = true
	c.absorb()
	for n := 0; c.due(); n++ {
		if n > 10_000 {
			s.fatalf("%s is never done", c.name)
		}
		c.read(false)
		synctest.Wait()
		c.absorb()
	}
	s.nested = nested
}

// without is an interest without what is taken back.
func without(w parley.Subscribe, un *parley.Unsubscribe) parley.Subscribe {
	if un.Ref != "" && w.Ref == un.Ref {
		w.Interest.Patterns = nil
	}
	w.Interest.Channels = lacking(w.Interest.Channels, un.Interest.Channels)
	w.Interest.Conversations = lacking(w.Interest.Conversations, un.Interest.Conversations)
	w.Interest.Runs = lacking(w.Interest.Runs, un.Interest.Runs)
	return w
}

func lacking[E comparable](list, gone []E) []E {
	return slices.DeleteFunc(slices.Clone(list), func(e E) bool { return slices.Contains(gone, e) })
}

// restored notes that the log was taken back.
func (c *client) restored(offset uint64) {
	c.mayReload = true
	c.reloads = 0
	clear(c.answered)
	c.base, c.last = min(c.base, offset), min(c.last, offset)
	c.got = map[uint64]bool{}
	c.perhapsTo = forEver
	c.checked = forEver
}

// reloaded checks that the client was told that the log was taken back.
func (c *client) reloaded() {
	if c.l == nil {
		return
	}
	c.readAll()
	if c.reloads == 0 {
		c.sim.fatalf("%s is not told to reload", c.name)
	}
	c.perhapsTo = c.applied()
	c.checked = c.perhapsTo
	c.detach() // the model begins anew
	c.cursor = pick(c.sim.rng, []string{c.cursor, ""})
}
