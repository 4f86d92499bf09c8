package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	parley "github.com/parley-chat/parley"
)

// members is what a feed knows of one conversation: who may hear what of it.
// Owned by the feed's loop.
type members struct {
	kind parley.ConversationKind
	// stays in the order they began; those of one person do not overlap, but for the
	// moment at which a role changes: it is in both, and the later one says.
	stays []stay
	last  lasts // the last stay of each; empty while there are few
	// through is the change_seq up to which stays are known to be complete.
	through uint64
	// applied is the change_seq that the feed has applied; zero where it has applied
	// none since it looked and cannot say.
	applied uint64
	// held are events that wait for the feed to apply what their author knew.
	held   []*parley.Event
	recent recent
	used   time.Time
}

// stay is a parley.Membership as a feed needs it: one person's time in a
// conversation, by its change_seq.
type stay struct {
	who      *person
	from, to uint64 // to is 0 while it lasts
	before   int32  // the person's stay before this one; none is -1
	internal bool   // hears what is internal
	// The messages that it lets see: from fromSeq, and where it has ended to toSeq. No
	// conversation has so many that they do not fit.
	fromSeq, toSeq uint32
}

// reaches is parley.Membership.Reaches.
func (s *stay) reaches(seq uint32) bool {
	return s.fromSeq <= seq && (s.to == 0 || seq <= s.toSeq)
}

// about is the seq of the message that an event changes; zero for any other event.
// Who may not see the message is not told what becomes of it.
func about(e *parley.Event) uint32 {
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		if e.Type != parley.MessageCreated {
			return place(b.Seq)
		}
	case *parley.ReactionBody:
		return place(b.Seq)
	}
	return 0
}

// place is a seq as stays have it.
func place(seq uint64) uint32 { return uint32(min(seq, math.MaxUint32)) }

// manyStays is where looking through all of them is no longer cheap.
const manyStays = 16

func (s *stay) covers(changeSeq uint64) bool {
	return changeSeq >= s.from && (s.to == 0 || changeSeq <= s.to)
}

// standing is how a principal stands to the conversation of an event at that
// moment.
type standing struct {
	kind     parley.ConversationKind // empty where there is no such conversation
	in       bool                    // a stay covers the moment
	internal bool                    // and hears what is internal
}

// ofTwo reports whether the conversation is one of two, a session with an agent
// too: org:read alone does not reach it (design.md section 10).
func (s *standing) ofTwo() bool {
	return s.kind == parley.KindDirect || s.kind == parley.KindAgentDirect
}

// moment is the change_seq at which an event is heard: of one that is not stored,
// what the feed has applied by now.
func (m *members) moment(e *parley.Event) uint64 {
	if e.Class == parley.Durable {
		return e.ChangeSeq
	}
	return max(e.ChangeSeq, m.applied)
}

// hears reports whether a stay hears what happens at a moment: one's leave is the
// last that one hears, and what is not stored comes after it.
func (s *stay) hears(e *parley.Event, moment uint64) bool {
	return s.covers(moment) && (e.Class == parley.Durable || s.to != moment)
}

// standingOf looks up how a person stands to an event of the conversation.
func (m *members) standingOf(p *person, e *parley.Event) standing {
	return m.standingFrom(m.lastOf(p), e)
}

// standingFrom is standingOf for a person whose last stay is known, as of lastOf.
func (m *members) standingFrom(last int32, e *parley.Event) standing {
	return standingIn(m.kind, m.stays, last, e, m.moment(e))
}

// standingIn looks up how a person stands to an event at a moment, of whose stays the
// last is the one at an index.
func standingIn(kind parley.ConversationKind, stays []stay, last int32, e *parley.Event, moment uint64) standing {
	st := standing{kind: kind}
	for i := last; i >= 0; i = stays[i].before {
		if s := &stays[i]; s.hears(e, moment) {
			st.in, st.internal = true, s.internal
			break
		}
	}
	if seq := about(e); seq > 0 && st.in {
		st.narrow(stays, last, seq, e.Internal)
	}
	return st
}

// narrow takes away from a standing what the person may not see of the message with a
// seq: all of it where no stay reaches it, and what is internal where none that
// reaches it hears that.
func (st *standing) narrow(stays []stay, last int32, seq uint32, internal bool) {
	st.in = false
	heard := false
	for i := last; i >= 0; i = stays[i].before {
		if s := &stays[i]; s.reaches(seq) {
			st.in, heard = true, heard || s.internal
		}
	}
	st.internal = st.internal && (heard || !internal)
}

// lastOf returns the index of a person's last stay; -1 for none.
func (m *members) lastOf(p *person) int32 {
	switch {
	case p == nil:
		return -1
	case m.last != nil:
		return *m.last.slot(m.stays, p) - 1
	}
	for i := len(m.stays) - 1; i >= 0; i-- {
		if m.stays[i].who == p {
			return int32(i)
		}
	}
	return -1
}

// roll is what the store says of a conversation's members.
type roll struct {
	kind    parley.ConversationKind
	stays   []parley.Membership
	through uint64
}

// readRoll reads a conversation's stays. A conversation that does not exist has
// none: nobody hears it.
func readRoll(ctx context.Context, store Store, org parley.OrgID, id parley.ConversationID) (roll, error) {
	// The conversation first: stays read after it are complete up to its change_seq.
	c, err := store.Conversation(ctx, org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return roll{}, nil
	}
	if err != nil {
		return roll{}, fmt.Errorf("load members of %s: %w", id, err)
	}
	stays, err := store.Stays(ctx, org, id)
	if err != nil {
		return roll{}, fmt.Errorf("load members of %s: %w", id, err)
	}
	return roll{c.Kind, stays, c.ChangeSeq}, nil
}

// ownStays is what a listener knows of a conversation whose events it reads from the
// store: its principal's own stays, complete up to a change_seq.
type ownStays struct {
	kind    parley.ConversationKind
	stays   []stay
	through uint64
}

// of is the part of the roll that is a principal's own.
func (r *roll) of(who parley.PrincipalID) *ownStays {
	p := &ownStays{kind: r.kind, through: r.through}
	for i := range r.stays {
		if s := &r.stays[i]; s.Principal == who {
			own := stayOf(s, r.kind)
			own.before = int32(len(p.stays)) - 1
			p.stays = append(p.stays, own)
		}
	}
	return p
}

// standing looks up how the principal stands to a durable event.
func (p *ownStays) standing(e *parley.Event) standing {
	return standingIn(p.kind, p.stays, int32(len(p.stays))-1, e, e.ChangeSeq)
}

// stayOf is a membership as a feed needs it, but for whose it is.
func stayOf(m *parley.Membership, kind parley.ConversationKind) stay {
	return stay{from: m.From, to: m.To, internal: m.HearsInternal(kind), fromSeq: place(m.FromSeq), toSeq: place(m.ToSeq)}
}

// take replaces what is known of the members by what was read.
func (m *members) take(f *feed, r *roll) {
	m.drop(f)
	m.kind, m.through = r.kind, r.through
	m.stays = make([]stay, 0, len(r.stays))
	for i := range r.stays {
		s := &r.stays[i]
		m.add(f, s.Principal, stayOf(s, r.kind))
	}
}

// drop lets go of all members.
func (m *members) drop(f *feed) {
	for i := range m.stays {
		if m.stays[i].before < 0 {
			m.stays[i].who.leaves(f, m)
		}
	}
	m.stays, m.last = nil, nil
}

func (m *members) add(f *feed, id parley.PrincipalID, s stay) {
	s.who = f.person(id)
	s.before = m.lastOf(s.who)
	if s.before < 0 {
		s.who.in = append(s.who.in, m)
	}
	m.stays = append(m.stays, s)
	switch {
	case len(m.stays) <= manyStays:
	case 4*len(m.stays) > 3*len(m.last):
		m.last = newLasts(m.stays)
	default:
		*m.last.slot(m.stays, s.who) = int32(len(m.stays))
	}
}

// lasts finds the last stay of a person: a table of places in the stays, counted
// from 1, zero where it is free. It is at most three quarters full. A large
// conversation is the sum of such entries, and a map from persons would need four
// to eight times as much for each.
type lasts []int32

func newLasts(stays []stay) lasts {
	t := make(lasts, 1<<bits.Len(uint(cap(stays)*4/3)))
	for i := range stays {
		*t.slot(stays, stays[i].who) = int32(i + 1)
	}
	return t
}

// slot is where a person's last stay is, or would be.
func (t lasts) slot(stays []stay, p *person) *int32 {
	const golden = 0x9e3779b1 // spreads numbers that follow one another
	mask := uint32(len(t) - 1)
	for i := p.number * golden >> 7 & mask; ; i = (i + 1) & mask {
		if at := t[i]; at == 0 || stays[at-1].who == p {
			return &t[i]
		}
	}
}

// learn applies a durable event of the conversation to what is known. Applying
// one twice, or one that the loaded state held already, changes nothing.
func (m *members) learn(f *feed, e *parley.Event) {
	if e.ChangeSeq > m.through {
		switch b := e.Body.(type) {
		case *parley.ConversationBody:
			if e.Type == parley.ConversationCreated {
				m.kind = b.Kind
				m.stays = slices.Grow(m.stays, len(b.Members))
				for i := range b.Members {
					m.begin(f, e, &b.Members[i])
				}
			}
		case *parley.MemberBody:
			// Another role ends a stay and begins the next.
			if e.Type != parley.MemberJoined {
				m.finish(f, e, b)
			}
			if e.Type != parley.MemberLeft {
				m.begin(f, e, b)
			}
		}
		m.through = e.ChangeSeq
	}
	m.applied = max(m.applied, e.ChangeSeq)
}

// finish ends the stay that lasts, where that is not known already.
func (m *members) finish(f *feed, e *parley.Event, b *parley.MemberBody) {
	if i := m.lastOf(f.persons[b.Principal]); i >= 0 && m.stays[i].to == 0 && m.stays[i].from < e.ChangeSeq {
		m.stays[i].to, m.stays[i].toSeq = e.ChangeSeq, place(b.ToSeq)
	}
}

// begin begins a stay, where it is not known already: stays are read after the
// change_seq up to which they are complete, and may say more.
func (m *members) begin(f *feed, e *parley.Event, b *parley.MemberBody) {
	for i := m.lastOf(f.persons[b.Principal]); i >= 0; i = m.stays[i].before {
		if m.stays[i].from == e.ChangeSeq {
			return
		}
	}
	role := parley.Membership{Role: b.Role}
	m.add(f, b.Principal, stay{from: e.ChangeSeq, internal: role.HearsInternal(m.kind), fromSeq: place(b.FromSeq)})
}
