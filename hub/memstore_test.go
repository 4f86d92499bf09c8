package hub

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	parley "github.com/parley-chat/parley"
)

const testOrg = parley.OrgID("org_test")

// id makes an id of any kind out of a number.
func id[K parley.IDKind](n uint64) (out parley.ID[K]) {
	out[0] = 1
	binary.BigEndian.PutUint64(out[8:], n)
	return out
}

// memStore is the part of a Store that a hub reads, in memory, for one org. As
// on PostgreSQL a commit and the giving of Positions are two steps.
type memStore struct {
	parley.Reader // what the hub does not call panics
	parley.Log

	mu            sync.Mutex
	epoch         parley.Epoch
	log           []*parley.Event // by offset-1; nil where erased or trimmed
	ever          []*parley.Event // the same, never nil
	at            []parley.Position
	pending       []*parley.Event // committed, without a Position
	keys          [][]string      // of each offset, kept when the event is not
	trimmed       uint64
	conversations map[parley.ConversationID]*parley.Conversation
	stays         map[parley.ConversationID][]parley.Membership
	messages      map[parley.ConversationID][]parley.Message
	blocks        map[parley.PrincipalID]map[parley.PrincipalID]bool // by owner
	runs          map[parley.RunID]*parley.Run
	lastID        uint64

	failing bool
	reads   int
	// onRead, where not nil, is called before each read, without the lock.
	onRead func(ctx context.Context)
}

func newMemStore() *memStore {
	s := &memStore{epoch: 1, runs: map[parley.RunID]*parley.Run{}}
	s.clear()
	return s
}

func (s *memStore) clear() {
	s.conversations = map[parley.ConversationID]*parley.Conversation{}
	s.stays = map[parley.ConversationID][]parley.Membership{}
	s.messages = map[parley.ConversationID][]parley.Message{}
	s.blocks = map[parley.PrincipalID]map[parley.PrincipalID]bool{}
}

// with changes the store under its lock.
func (s *memStore) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *memStore) newID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	return s.lastID
}

// commit stores events of one conversation, or of none, in one transaction. It
// gives them ids and change_seqs, and messages their seqs.
func (s *memStore) commit(events ...*parley.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.lastID++
		e.ID, e.Org, e.Class = parley.EventID(id[numbered](s.lastID)), testOrg, parley.Durable
		if !e.Conversation.IsZero() {
			if e.Channel == "" {
				e.Channel = parley.ChannelConversation
			}
			c := s.conversations[e.Conversation]
			e.ChangeSeq = 1
			if c != nil {
				e.ChangeSeq = c.ChangeSeq + 1
			}
			if b, ok := e.Body.(*parley.MessageBody); ok && e.Type == parley.MessageCreated {
				b.Conversation, b.Seq = e.Conversation, c.Seq+1
			}
		}
		s.learn(e)
		s.pending = append(s.pending, e)
	}
}

type numbered struct{}

func (numbered) Prefix() string { return "n" }

// learn makes the rows say what the event says.
func (s *memStore) learn(e *parley.Event) {
	if b, ok := e.Body.(*parley.BlockBody); ok {
		if s.blocks[e.Targets[0]] == nil {
			s.blocks[e.Targets[0]] = map[parley.PrincipalID]bool{}
		}
		s.blocks[e.Targets[0]][b.Blocked] = e.Type == parley.PrincipalBlocked
	}
	if e.Conversation.IsZero() {
		return
	}
	join := func(b *parley.MemberBody) {
		s.stays[e.Conversation] = append(s.stays[e.Conversation], parley.Membership{
			Org: testOrg, Conversation: e.Conversation, Principal: b.Principal, Kind: b.Kind, Role: b.Role, From: e.ChangeSeq, FromSeq: b.FromSeq,
		})
	}
	switch b := e.Body.(type) {
	case *parley.ConversationBody:
		if e.Type == parley.ConversationCreated {
			s.conversations[e.Conversation] = &parley.Conversation{Org: testOrg, ID: e.Conversation, Kind: b.Kind}
			for i := range b.Members {
				join(&b.Members[i])
			}
		}
	case *parley.MemberBody:
		if e.Type == parley.MemberJoined {
			join(b)
			break
		}
		for i := range s.stays[e.Conversation] {
			if m := &s.stays[e.Conversation][i]; m.Principal == b.Principal && m.Open() {
				m.To, m.ToSeq = e.ChangeSeq, b.ToSeq
			}
		}
		if e.Type == parley.MemberUpdated {
			join(b)
		}
	case *parley.MessageBody:
		if e.Type == parley.MessageCreated {
			s.conversations[e.Conversation].Seq = b.Seq
			s.messages[e.Conversation] = append(s.messages[e.Conversation], b.Message)
		}
	case *parley.RunBody:
		if run := s.runs[b.Run]; run != nil {
			run.Status = b.Status
		}
	}
	s.conversations[e.Conversation].ChangeSeq = e.ChangeSeq
}

// sequence gives Positions to at most n pending events and returns them.
func (s *memStore) sequence(n int) []*parley.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.pending))
	out := make([]*parley.Event, n)
	for i, e := range s.pending[:n] {
		placed := *e
		placed.Position = parley.Position{Epoch: s.epoch, Offset: uint64(len(s.log) + 1)}
		out[i] = &placed
		s.log, s.ever = append(s.log, &placed), append(s.ever, &placed)
		s.at = append(s.at, placed.Position)
		s.keys = append(s.keys, e.Keys(nil))
	}
	s.pending = s.pending[n:]
	return out
}

// restore takes the store back to an offset, as yesterday's backup does.
func (s *memStore) restore(offset uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch += 1000
	s.log, s.ever, s.at, s.keys, s.pending = s.log[:offset], s.ever[:offset], s.at[:offset], s.keys[:offset], nil
	s.trimmed = min(s.trimmed, offset)
	s.clear()
	clear(s.runs)
	for _, e := range s.ever {
		s.learn(e)
	}
}

// trim lets go of the events up to an offset.
func (s *memStore) trim(upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trimmed = max(s.trimmed, upTo)
	clear(s.log[:upTo])
}

func (s *memStore) read(ctx context.Context) error {
	s.mu.Lock()
	before := s.onRead
	s.mu.Unlock()
	if before != nil {
		before(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.failing || ctx.Err() != nil {
		return parley.ErrUnavailable
	}
	return nil
}

func (s *memStore) Conversation(ctx context.Context, _ parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversations[id]
	if c == nil {
		return nil, parley.ErrNotFound
	}
	out := *c
	return &out, nil
}

func (s *memStore) Stays(ctx context.Context, _ parley.OrgID, id parley.ConversationID) ([]parley.Membership, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stays[id]), nil
}

func (s *memStore) Blocks(ctx context.Context, _ parley.OrgID, owner parley.PrincipalID) ([]parley.Block, error) {
	s.mu.Lock()
	var out []parley.Block
	for id, on := range s.blocks[owner] {
		if on {
			out = append(out, parley.Block{Org: testOrg, Owner: owner, Blocked: id})
		}
	}
	s.mu.Unlock()
	return out, s.read(ctx) // what is read may be old by the time it is there
}

func (s *memStore) OrgBlocks(ctx context.Context, _ parley.OrgID, limit int) ([]parley.Block, error) {
	s.mu.Lock()
	var out []parley.Block
	for owner, list := range s.blocks {
		for id, on := range list {
			if on && len(out) < limit {
				out = append(out, parley.Block{Org: testOrg, Owner: owner, Blocked: id})
			}
		}
	}
	s.mu.Unlock()
	return out, s.read(ctx)
}

func (s *memStore) Run(ctx context.Context, _ parley.OrgID, id parley.RunID) (*parley.Run, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[id]
	if r == nil {
		return nil, parley.ErrNotFound
	}
	out := *r
	return &out, nil
}

func (s *memStore) OpenRuns(ctx context.Context, _ parley.OrgID) ([]parley.Run, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []parley.Run
	for _, r := range s.runs {
		if r.Status == parley.RunRunning {
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b parley.Run) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}

func (s *memStore) head() parley.Position {
	if len(s.at) == 0 {
		return parley.Position{}
	}
	return s.at[len(s.at)-1]
}

func (s *memStore) Head(ctx context.Context, _ parley.OrgID) (parley.Position, error) {
	if err := s.read(ctx); err != nil {
		return parley.Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head(), nil
}

func (s *memStore) ReadLog(ctx context.Context, _ parley.OrgID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*parley.Event
	for o := after; o < min(upTo, uint64(len(s.log))) && len(out) < limit; o++ {
		if e := s.log[o]; e != nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// wants reports whether a query names the event at an index of the log.
func (s *memStore) wants(q *parley.ReplayQuery, i int) bool {
	for _, key := range s.keys[i] {
		if q.All || slices.Contains(q.Keys, key) {
			return true
		}
		for c, stays := range s.stays {
			if key == parley.ConversationKey(c) && q.Member != "" &&
				slices.ContainsFunc(stays, func(m parley.Membership) bool { return m.Principal == q.Member }) {
				return true
			}
		}
	}
	return false
}

func (s *memStore) Replay(ctx context.Context, q parley.ReplayQuery) ([]*parley.Event, uint64, error) {
	if err := s.read(ctx); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*parley.Event
	for o := q.After; o < min(q.UpTo, uint64(len(s.log))); o++ {
		if e := s.log[o]; e != nil && s.wants(&q, int(o)) {
			if len(out) == q.Limit {
				return out, out[len(out)-1].Position.Offset, nil
			}
			out = append(out, e)
		}
	}
	return out, q.UpTo, nil
}

func (s *memStore) CheckCursor(ctx context.Context, q parley.ReplayQuery, at parley.Position) error {
	if err := s.read(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at != (parley.Position{}) {
		if at.Offset == 0 || at.Offset > uint64(len(s.at)) || s.at[at.Offset-1] != at {
			return parley.ErrCursor
		}
	}
	for o := at.Offset; o < s.trimmed; o++ {
		if s.wants(&q, int(o)) {
			return parley.ErrGone
		}
	}
	return nil
}

func (s *memStore) Locate(ctx context.Context, _ parley.OrgID, offset uint64) (parley.Position, error) {
	if err := s.read(ctx); err != nil {
		return parley.Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case offset == 0:
		return parley.Position{}, nil
	case offset > uint64(len(s.at)):
		return parley.Position{}, parley.ErrNotFound
	}
	return s.at[offset-1], nil
}

func (s *memStore) LastOffset(ctx context.Context, _ parley.OrgID, key string) (uint64, error) {
	if err := s.read(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := len(s.keys); o > 0; o-- {
		if slices.Contains(s.keys[o-1], key) {
			return uint64(o), nil
		}
	}
	return 0, nil
}

// startRun stores a run; ChangeSeq and After are what has a Position.
func (s *memStore) startRun(conversation parley.ConversationID, agent parley.PrincipalID) *parley.Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID += 2
	r := &parley.Run{
		Org: testOrg, ID: id2run(s.lastID), Message: parley.MessageID(id[numbered](s.lastID - 1)),
		Conversation: conversation, Agent: agent, Status: parley.RunRunning, Epoch: 1, StartedAt: time.Unix(0, 0),
	}
	for o := len(s.log); o > 0 && r.After == 0; o-- {
		if e := s.log[o-1]; e != nil && e.Conversation == conversation {
			r.After, r.ChangeSeq = uint64(o), e.ChangeSeq
		}
	}
	s.runs[r.ID] = r
	out := *r
	return &out
}

func id2run(n uint64) parley.RunID           { return parley.RunID(id[numbered](n)) }
func id2conv(n uint64) parley.ConversationID { return parley.ConversationID(id[numbered](n)) }
