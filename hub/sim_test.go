package hub

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	parley "github.com/parley-chat/parley"
)

var (
	simSeed  = flag.Uint64("hub.seed", 0, "run the hand-over simulator with this seed only")
	simSeeds = flag.Int("hub.seeds", 50, "how many seeds the hand-over simulator runs")
	simSteps = flag.Int("hub.steps", 2000, "how many steps it takes with each")
	simTrace = flag.Bool("hub.trace", false, "print what the simulator does")
)

// TestHandOver drives two hubs over one store with random operations and holds
// every frame that a client receives against a naive model of what it is owed
// (model_test.go). A failure names its seed; -hub.seed runs it again.
func TestHandOver(t *testing.T) {
	seeds, steps := *simSeeds, *simSteps
	if testing.Short() {
		seeds, steps = min(seeds, 20), min(steps, 1000)
	}
	if *simSeed != 0 {
		synctest.Test(t, func(t *testing.T) { newSim(t, *simSeed).run(steps) })
		return
	}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) { newSim(t, seed+1).run(steps) })
	}
}

// sim is the world: two nodes, people, an agent, clients that come and go.
type sim struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	store *memStore
	nodes []*simNode

	conversations []*simConversation
	runs          []*simRun
	facts         []*fact // by offset-1
	unplaced      []*fact // committed, without a Position
	clients       []*client
	blockings     []*fact // the changes of blocks, as they were committed

	chaos   int  // one message in so many is mistreated; 0 for none
	hostile bool // the log may be restored, trimmed and erased
	nested  bool
	telling bool // a history is being read
	step    int
	tick    int // counts what is delivered of blips and what interests end
	blips   []*blip
	kept    kept
	mu      sync.Mutex  // guards run texts, which answers to requests read
	slow    atomic.Bool // what feeds read of the store takes its time
}

type simNode struct {
	name string
	hub  *Hub
	bus  *simBus
	// passed are the blips that were delivered here: when for the first time, and how
	// often.
	passed map[int]*passage
}

type simConversation struct {
	id      parley.ConversationID
	kind    parley.ConversationKind
	members map[parley.PrincipalID]parley.Role
}

type simRun struct {
	row  *parley.Run
	text string
	rseq uint64
	over bool
	on   *simConversation
}

var simPeople = []parley.PrincipalID{"ada", "bob", "cy", "dee", "eve"}

// simCrowd are people without a connection: they make conversations large.
var simCrowd = func() (all []parley.PrincipalID) {
	for n := range 24 {
		all = append(all, parley.PrincipalID(fmt.Sprint("crowd", n)))
	}
	return all
}()

const simAgent = parley.PrincipalID("agent")

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), store: newMemStore(), hostile: seed%4 == 0}
	s.store.onRead = s.interfere
	limits := parley.DefaultLimits()
	limits.QueueFrames = 1 + s.rng.IntN(12)
	limits.QueueBytes = pick(s.rng, []int{1, 200, 1500, 64 << 10})
	limits.RingEvents = 1 + s.rng.IntN(40)
	limits.RingBytes = pick(s.rng, []int{1, 5 << 10, 30 << 10, 64 << 20})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d, step %d: QueueFrames %d, QueueBytes %d, RingEvents %d, RingBytes %d",
				seed, s.step, limits.QueueFrames, limits.QueueBytes, limits.RingEvents, limits.RingBytes)
		}
	})
	for _, name := range []string{"n1", "n2"} {
		n := &simNode{name: name, bus: newSimBus(), passed: map[int]*passage{}}
		n.bus.answer = s.snapshot
		n.bus.passing = func(data []byte, times int) { s.passing(n, data, times) }
		n.hub = New(Config{
			Store: s.store, Bus: n.bus, Limits: limits, Frame: frameLine,
			Dialects: []parley.Dialect{lineDialect{name: "events", plain: true}, lineDialect{name: "bot", ends: true}, lineDialect{name: "topics"}},
		})
		soft := 200 + s.rng.IntN(2000)
		n.hub.sizes = sizes{soft: soft, owed: 4 * soft, page: 2 + s.rng.IntN(8), fill: 2 + s.rng.IntN(8)}
		rng := rand.New(rand.NewPCG(seed, 2))
		n.hub.jitter = func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
		t.Cleanup(n.hub.Close)
		s.nodes = append(s.nodes, n)
	}
	for range 6 + s.rng.IntN(8) {
		s.clients = append(s.clients, s.newClient())
	}
	return s
}

func (s *sim) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("-hub.seed=%d, step %d: %s", s.seed, s.step, fmt.Sprintf(format, args...))
}

func (s *sim) trace(format string, args ...any) {
	if *simTrace {
		s.t.Logf("%d: %s", s.step, fmt.Sprintf(format, args...))
	}
}

// duringNext marks the reads that a client's Next makes: others go on meanwhile.
type duringNext struct{}

// interfere lets the world go on while a client's writer reads the store, or a
// feed reads a conversation.
func (s *sim) interfere(ctx context.Context) {
	if _, bounded := ctx.Deadline(); bounded && s.slow.Load() {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	if ctx.Value(duringNext{}) == nil || s.nested || s.rng.IntN(3) > 0 {
		return
	}
	s.nested = true
	for range s.rng.IntN(6) {
		s.one()
	}
	s.nested = false
}

func (s *sim) run(steps int) {
	for range 3 {
		s.createConversation()
	}
	for s.step = 1; s.step <= steps; s.step++ {
		s.one()
		if s.rng.IntN(300) == 0 {
			s.settle()
		}
	}
	s.settle()
	for _, c := range s.clients {
		c.detach()
	}
	s.checkFeeds(true)
	s.kept.check(s)
	time.Sleep(linger + time.Second)
	for _, n := range s.nodes {
		n.hub.mu.Lock()
		kept := len(n.hub.feeds) + n.hub.lingering
		n.hub.mu.Unlock()
		if kept > 0 {
			s.fatalf("%s keeps a feed that nobody uses", n.name)
		}
		n.hub.Close()
	}
}

// one does one thing.
func (s *sim) one() {
	type op struct {
		weight int
		do     func()
	}
	ops := [...]op{
		{20, s.post}, {3, s.createConversation}, {10, s.changeMembers}, {3, s.block}, {4, s.react}, {12, s.publish}, {8, s.publishBlip},
		{4, s.startRun}, {20, s.delta}, {2, s.tool}, {3, s.endRun}, {4, s.typing},
		{25, s.relay}, {60, s.deliver}, {100, s.clientReads}, {50, s.clientActs},
		{4, s.advance}, {3, s.trouble},
	}
	if !s.nested && s.rng.IntN(4000) == 0 {
		s.absence()
	}
	total := 0
	for _, o := range ops {
		total += o.weight
	}
	n := s.rng.IntN(total)
	for _, o := range ops {
		if n -= o.weight; n < 0 {
			o.do()
			break
		}
	}
	synctest.Wait()
	for _, c := range s.clients {
		c.absorb()
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

func (s *sim) createConversation() {
	if len(s.conversations) >= 12 {
		return
	}
	c := &simConversation{
		id:      id2conv(s.store.newID()),
		kind:    pick(s.rng, []parley.ConversationKind{parley.KindDirect, parley.KindGroup, parley.KindAgentDirect, parley.KindAgentGroup}),
		members: map[parley.PrincipalID]parley.Role{simAgent: parley.RoleAgent},
	}
	body := &parley.ConversationBody{ID: c.id, Kind: c.kind, Members: []parley.MemberBody{{Principal: simAgent, Kind: parley.KindAgent, Role: parley.RoleAgent}}}
	for _, p := range simPeople {
		if s.rng.IntN(2) == 0 {
			c.members[p] = pick(s.rng, []parley.Role{parley.RoleOwner, parley.RoleMember})
			body.Members = append(body.Members, parley.MemberBody{Principal: p, Kind: parley.KindUser, Role: c.members[p]})
		}
	}
	if s.rng.IntN(3) == 0 {
		for _, p := range simCrowd[:s.rng.IntN(len(simCrowd)+1)] {
			c.members[p] = parley.RoleMember
			body.Members = append(body.Members, parley.MemberBody{Principal: p, Kind: parley.KindUser, Role: parley.RoleMember})
		}
	}
	s.conversations = append(s.conversations, c)
	s.commit(c, &parley.Event{Type: parley.ConversationCreated, Body: body})
}

// commit stores events and notes who may hear them.
func (s *sim) commit(c *simConversation, events ...*parley.Event) {
	for _, e := range events {
		f := &fact{event: e, hearers: map[parley.PrincipalID]bool{}}
		if c != nil {
			e.Conversation, f.kind = c.id, c.kind
			for p, role := range c.members {
				m := parley.Membership{Role: role}
				f.hearers[p] = m.HearsInternal(c.kind)
			}
		}
		s.unplaced = append(s.unplaced, f)
	}
	s.store.commit(events...)
}

func (s *sim) post() {
	c := pick(s.rng, s.conversations)
	m := parley.Message{Sender: pick(s.rng, simPeople), Content: fmt.Sprintf("m%d", s.step)}
	if s.rng.IntN(6) == 0 {
		m.Internal = true
	}
	if s.rng.IntN(4) == 0 {
		m.Origin = pick(s.rng, s.clients).origin
	}
	s.commit(c, &parley.Event{Type: parley.MessageCreated, Internal: m.Internal, Body: &parley.MessageBody{Message: m}})
}

func (s *sim) changeMembers() {
	c := pick(s.rng, s.conversations)
	p := pick(s.rng, simPeople)
	if s.rng.IntN(8) == 0 {
		p = pick(s.rng, simCrowd)
	}
	role, in := c.members[p]
	if in && s.rng.IntN(3) == 0 {
		c.members[p] = pick(s.rng, []parley.Role{parley.RoleOwner, parley.RoleMember})
		s.commit(c, &parley.Event{Type: parley.MemberUpdated, Body: &parley.MemberBody{Principal: p, Role: c.members[p]}})
		return
	}
	if in {
		// The one who leaves hears it: it is among the hearers still.
		s.commit(c, &parley.Event{Type: parley.MemberLeft, Body: &parley.MemberBody{Principal: p, Role: role}})
		delete(c.members, p)
		return
	}
	c.members[p] = pick(s.rng, []parley.Role{parley.RoleOwner, parley.RoleMember})
	s.commit(c, &parley.Event{Type: parley.MemberJoined, Body: &parley.MemberBody{Principal: p, Role: c.members[p]}})
}

// block begins or ends a block, which is the owner's own affair.
func (s *sim) block() {
	owner, other := pick(s.rng, simPeople[:3]), pick(s.rng, append(simPeople[:3:3], simAgent))
	if owner == other {
		return
	}
	e := &parley.Event{
		Type: pick(s.rng, []parley.EventType{parley.PrincipalBlocked, parley.PrincipalUnblocked, parley.PrincipalUnblocked}), Actor: owner,
		Channel: parley.ChannelConversation, Targets: []parley.PrincipalID{owner}, Body: &parley.BlockBody{Blocked: other},
	}
	s.commit(nil, e)
	s.blockings = append(s.blockings, s.unplaced[len(s.unplaced)-1])
}

// react puts an emoji under some message.
func (s *sim) react() {
	c := pick(s.rng, s.conversations)
	s.commit(c, &parley.Event{Type: parley.ReactionChanged, Body: &parley.ReactionBody{Principal: pick(s.rng, simPeople), Emoji: "!"}})
}

// publish tells a memory or custom event: to all, to some, or in a conversation.
func (s *sim) publish() {
	c, e := s.published(fmt.Sprintf(`{"step":%d}`, s.step))
	s.commit(c, e)
}

// published makes up an event of the customer's own, and the conversation that it
// is in, nil for none.
func (s *sim) published(data string) (*simConversation, *parley.Event) {
	if s.rng.IntN(40) == 0 { // more than a part of an arena's chunk
		data = data[:len(data)-1] + `,"pad":"` + strings.Repeat("x", 7000+s.rng.IntN(5000)) + `"}`
	}
	e := &parley.Event{
		Type:    pick(s.rng, []parley.EventType{"thing.changed", "thing.moved", "bare"}),
		Channel: pick(s.rng, []string{"app", "app", "lab"}), Body: &parley.PublishedBody{Data: parley.RawJSON(data)},
	}
	switch s.rng.IntN(6) {
	case 0:
		return pick(s.rng, s.conversations), e
	case 1:
		e.Type, e.Channel = parley.MemoryCreated, parley.ChannelMemory
	}
	if s.rng.IntN(3) == 0 {
		for range 1 + s.rng.IntN(3) {
			e.Targets = append(e.Targets, pick(s.rng, append(simPeople, simCrowd[0])))
		}
	}
	return nil, e
}

func (s *sim) startRun() {
	if len(s.runs) > 6 {
		s.runs = s.runs[len(s.runs)-6:]
	}
	c := pick(s.rng, s.conversations)
	s.mu.Lock()
	r := &simRun{row: s.store.startRun(c.id, simAgent), on: c}
	s.runs = append(s.runs, r)
	s.mu.Unlock()
	body := &parley.RunBody{Run: r.row.ID, Message: r.row.Message, Agent: simAgent, Status: parley.RunRunning, Epoch: 1, After: r.row.After}
	s.live(r, parley.RunStarted, body)
	s.live(r, parley.StreamStarted, body)
	s.trace("run %d starts in %d after %d (change_seq %d)", num(r.row.ID), num(c.id), r.row.After, r.row.ChangeSeq)
}

// live publishes an event of a run that is not stored.
func (s *sim) live(r *simRun, t parley.EventType, body parley.Body) {
	s.publishLive(&parley.Event{
		Type: t, Class: parley.RunLogged, Conversation: r.on.id, ChangeSeq: r.row.ChangeSeq, Actor: simAgent,
		Channel: parley.ChannelConversation, Body: body,
	})
}

func (s *sim) publishLive(e *parley.Event) {
	e.ID, e.Org = parley.EventID(id2conv(s.store.newID())), testOrg
	data, err := parley.MarshalEvent(e)
	if err != nil {
		s.fatalf("marshal: %v", err)
	}
	for _, n := range s.nodes {
		n.bus.put(&n.bus.live, data)
	}
}

func (s *sim) openRun() *simRun {
	if len(s.runs) == 0 {
		return nil
	}
	r := pick(s.rng, s.runs)
	if r.over {
		return nil
	}
	return r
}

func (s *sim) delta() {
	r := s.openRun()
	if r == nil {
		return
	}
	text := pick(s.rng, []string{"word ", "größer ", "日本語", "🙂", strings.Repeat("long ", 30)})
	s.mu.Lock()
	offset := len(r.text)
	r.text += text
	r.rseq++
	s.mu.Unlock()
	s.live(r, parley.StreamDelta, &parley.DeltaBody{
		Run: r.row.ID, Message: r.row.Message, Agent: simAgent, Epoch: 1, RSeq: r.rseq, Offset: offset, Text: text,
	})
}

func (s *sim) tool() {
	if r := s.openRun(); r != nil {
		r.rseq++
		s.live(r, parley.ToolCalled, &parley.ToolBody{Run: r.row.ID, Message: r.row.Message, Agent: simAgent, Epoch: 1, RSeq: r.rseq, Call: "c", Tool: "t"})
	}
}

// endRun stores the message that the run became, where it has text, and its end.
func (s *sim) endRun() {
	r := s.openRun()
	if r == nil {
		return
	}
	s.mu.Lock()
	r.over = true
	s.mu.Unlock()
	status := pick(s.rng, []parley.RunStatus{parley.RunCompleted, parley.RunInterrupted})
	end := &parley.Event{Type: parley.RunEnded, Body: &parley.RunBody{
		Run: r.row.ID, Message: r.row.Message, Agent: simAgent, Status: status, Epoch: 1, After: r.row.After, Text: r.text,
	}}
	if r.text == "" {
		s.commit(r.on, end)
		return
	}
	m := parley.Message{ID: r.row.Message, Sender: simAgent, Content: r.text, Run: &parley.RunRef{ID: r.row.ID, Status: status, After: r.row.After}}
	s.commit(r.on, &parley.Event{Type: parley.MessageCreated, Body: &parley.MessageBody{Message: m}}, end)
}

// snapshot answers as the run's owner does.
func (s *sim) snapshot(uuid string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.row.ID.UUID() == uuid && !r.over {
			data, err := parley.MarshalEvent(&parley.Event{
				ID: parley.EventID(r.row.ID), Org: testOrg, Type: parley.StreamDelta, Class: parley.RunLogged, Conversation: r.on.id, ChangeSeq: r.row.ChangeSeq,
				Body: &parley.DeltaBody{Run: r.row.ID, Message: r.row.Message, Agent: simAgent, Epoch: 1, RSeq: r.rseq, Text: r.text},
			})
			return data, err == nil
		}
	}
	return nil, false
}

func (s *sim) typing() {
	c := pick(s.rng, s.conversations)
	s.publishLive(&parley.Event{
		Type: parley.TypingStarted, Class: parley.Ephemeral, Conversation: c.id, Channel: parley.ChannelConversation,
		ChangeSeq: s.store.conversations[c.id].ChangeSeq, Body: &parley.TypingBody{Principal: pick(s.rng, simPeople)},
	})
}

// relay gives Positions and puts what has one on the bus.
func (s *sim) relay() {
	for _, e := range s.store.sequence(1 + s.rng.IntN(6)) {
		f := s.unplaced[0]
		s.unplaced = s.unplaced[1:]
		f.event = e
		s.facts = append(s.facts, f)
		s.trace("offset %d: %s in %d, change_seq %d", e.Position.Offset, e.Type, num(e.Conversation), e.ChangeSeq)
		data := logMessage(e, s.rng.IntN(40) == 0)
		for _, n := range s.nodes {
			n.bus.put(&n.bus.log, data)
		}
	}
}

func (s *sim) deliver() {
	n := pick(s.rng, s.nodes)
	for range 1 + s.rng.IntN(8) {
		if s.rng.IntN(2) == 0 {
			n.bus.take("log", &n.bus.log, s.rng, s.chaos)
		} else {
			n.bus.take("live", &n.bus.live, s.rng, s.chaos)
		}
	}
}

// absence has everybody leave for a while, while the log goes on: within the time
// that feeds linger, or beyond it.
func (s *sim) absence() {
	for _, c := range s.clients {
		if !c.reading {
			c.detach()
		}
	}
	nested := s.nested
	s.nested = true
	for range s.rng.IntN(40) {
		pick(s.rng, []func(){s.post, s.publish, s.changeMembers, s.relay, s.deliver})()
		synctest.Wait()
	}
	s.nested = nested
	time.Sleep(pick(s.rng, []time.Duration{time.Second, time.Minute, linger - time.Millisecond, linger, linger + time.Minute}))
}

func (s *sim) advance() {
	time.Sleep(time.Duration(s.rng.IntN(1500)) * time.Millisecond)
}

// trouble begins or ends one of the things that go wrong.
func (s *sim) trouble() {
	switch n := s.rng.IntN(20); {
	case n < 5:
		s.chaos = pick(s.rng, []int{0, 0, 3, 20})
	case n < 8:
		s.fail(!s.store.failing)
	case n < 10: // a node hears nothing of what is on its way
		node := pick(s.rng, s.nodes)
		node.bus.log = nil
	case n < 11:
		s.slow.Store(!s.slow.Load())
	case n < 12: // another relay, or another opening of the store
		s.store.mu.Lock()
		s.store.epoch++
		s.store.mu.Unlock()
	case n < 16:
		bus := pick(s.rng, s.nodes).bus
		bus.mu.Lock()
		bus.delay = pick(s.rng, []time.Duration{0, 0, time.Millisecond, 10 * time.Second})
		bus.mu.Unlock()
	case !s.hostile || s.nested || len(s.facts) == 0:
	case n < 18:
		s.erase(1 + s.rng.IntN(len(s.facts)))
	case n < 19:
		s.trim()
	default:
		s.restore()
	}
}

func (s *sim) fail(failing bool) {
	s.store.mu.Lock()
	s.store.failing = failing
	s.store.mu.Unlock()
}

// erase makes the store forget one event.
func (s *sim) erase(offset int) {
	s.trace("offset %d is erased", offset)
	s.store.mu.Lock()
	s.store.log[offset-1] = nil
	s.store.mu.Unlock()
	s.facts[offset-1].erased = true
}

// trim lets go of the older half of the log.
func (s *sim) trim() {
	upTo := len(s.facts) / 2
	s.trace("trimmed up to offset %d", upTo)
	s.store.trim(uint64(upTo))
	for _, f := range s.facts[:upTo] {
		f.erased = true
	}
	for _, c := range s.clients {
		c.mayReload = true
	}
}

// settle lets everything arrive and holds every client to what it is owed.
func (s *sim) settle() {
	s.trace("settle")
	s.fail(false)
	s.slow.Store(false)
	chaos := s.chaos
	s.chaos = 0
	for _, n := range s.nodes {
		n.bus.mu.Lock()
		n.bus.delay = 0
		n.bus.mu.Unlock()
	}
	for len(s.unplaced) > 0 {
		s.relay()
	}
	for range 3 {
		for _, n := range s.nodes {
			for len(n.bus.log)+len(n.bus.live) > 0 {
				n.bus.take("log", &n.bus.log, s.rng, 0)
				n.bus.take("live", &n.bus.live, s.rng, 0)
				synctest.Wait()
			}
		}
		time.Sleep(5 * time.Second)
	}
	for _, c := range s.clients {
		c.settle()
	}
	s.settleBlips()
	s.checkFeeds(false)
	s.kept.check(s)
	for _, n := range s.nodes {
		if err := n.hub.Ready(); err != nil {
			s.fatalf("%s: %v", n.name, err)
		}
	}
	s.chaos = chaos
}

// restore takes the store back to an earlier offset: every client that is here is
// told to reload.
func (s *sim) restore() {
	s.settle()
	offset := s.rng.IntN(len(s.facts))
	s.trace("restored to offset %d", offset)
	s.store.restore(uint64(offset))
	s.facts, s.unplaced = s.facts[:offset], nil
	s.blockings = slices.DeleteFunc(s.blockings, func(f *fact) bool {
		at := f.event.Position.Offset
		return at == 0 || at > uint64(offset)
	})
	s.mu.Lock()
	s.runs = nil
	s.mu.Unlock()
	known := s.conversations[:0]
	for _, c := range s.conversations {
		if s.store.conversations[c.id] == nil {
			continue
		}
		clear(c.members)
		for _, m := range s.store.stays[c.id] {
			if m.Open() {
				c.members[m.Principal] = m.Role
			}
		}
		known = append(known, c)
	}
	s.conversations = known
	for len(s.conversations) < 2 {
		s.createConversation()
	}
	if s.rng.IntN(2) == 0 { // the log grows past the lost offsets before anyone looks
		for range 40 {
			s.post()
		}
		for len(s.unplaced) > 0 {
			s.relay()
		}
		if s.rng.IntN(2) == 0 {
			s.nodes[0].bus.log, s.nodes[1].bus.log = nil, nil
		}
	}
	for _, c := range s.clients {
		c.restored(uint64(offset))
	}
	time.Sleep(3 * time.Second)
	for _, c := range s.clients {
		c.reloaded()
	}
}
