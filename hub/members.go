package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	parley "github.com/parley-chat/parley"
)

// members is what a feed or a catching-up listener knows of one conversation:
// who may hear what of it.
type members struct {
	kind  parley.ConversationKind
	stays map[parley.PrincipalID][]parley.Membership
	// through is the change_seq up to which stays are known to be complete.
	through uint64
	// applied is the change_seq that the feed has applied; zero where it has applied
	// none since it looked and cannot say. Unused by listeners.
	applied uint64
	// held are events that wait for the feed to apply what their author knew.
	held []*parley.Event
	used time.Time
}

// ofTwo reports whether the conversation is one of two, a session with an agent
// too: org:read alone does not reach it (design.md section 10).
func (m *members) ofTwo() bool {
	return m.kind == parley.KindDirect || m.kind == parley.KindAgentDirect
}

// stay returns the principal's stay that covers the change_seq.
func (m *members) stay(p parley.PrincipalID, changeSeq uint64) *parley.Membership {
	stays := m.stays[p]
	for i := len(stays) - 1; i >= 0; i-- {
		if stays[i].Covers(changeSeq) {
			return &stays[i]
		}
	}
	return nil
}

// loadMembers reads a conversation's stays. A conversation that does not exist
// has none: nobody hears it.
func loadMembers(ctx context.Context, store Store, org parley.OrgID, id parley.ConversationID) (*members, error) {
	// The conversation first: stays read after it are complete up to its change_seq.
	c, err := store.Conversation(ctx, org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return &members{stays: map[parley.PrincipalID][]parley.Membership{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load members of %s: %w", id, err)
	}
	stays, err := store.Stays(ctx, org, id)
	if err != nil {
		return nil, fmt.Errorf("load members of %s: %w", id, err)
	}
	m := &members{kind: c.Kind, stays: make(map[parley.PrincipalID][]parley.Membership, len(stays)), through: c.ChangeSeq}
	for _, s := range stays {
		m.stays[s.Principal] = append(m.stays[s.Principal], s)
	}
	return m, nil
}

// learn applies a durable event of the conversation to what is known. Applying
// one twice, or one that the loaded state held already, changes nothing.
func (m *members) learn(e *parley.Event) {
	if e.ChangeSeq > m.through {
		switch b := e.Body.(type) {
		case *parley.ConversationBody:
			if e.Type == parley.ConversationCreated {
				m.kind = b.Kind
				for i := range b.Members {
					m.begin(e, &b.Members[i])
				}
			}
		case *parley.MemberBody:
			if e.Type == parley.MemberJoined {
				m.begin(e, b)
			} else if s := m.stay(b.Principal, e.ChangeSeq); s != nil && s.Open() {
				s.To = e.ChangeSeq
			}
		}
		m.through = e.ChangeSeq
	}
	m.applied = max(m.applied, e.ChangeSeq)
}

// begin begins a stay, where it is not known already: stays are read after the
// change_seq up to which they are complete, and may say more.
func (m *members) begin(e *parley.Event, b *parley.MemberBody) {
	for _, s := range m.stays[b.Principal] {
		if s.From == e.ChangeSeq {
			return
		}
	}
	m.stays[b.Principal] = append(m.stays[b.Principal], parley.Membership{
		Org: e.Org, Conversation: e.Conversation, Principal: b.Principal, Kind: b.Kind, Role: b.Role, From: e.ChangeSeq,
	})
}
