package conn

import (
	"context"
	"math"
	"testing"

	"github.com/parley-chat/parley"
)

// leaving is a store in which bob is removed, and something said, right after his
// stays were read. What is said first is for staff only where internal is set.
type leaving struct {
	parley.Reader
	left     bool
	internal bool
}

func (s *leaving) Conversation(context.Context, parley.OrgID, parley.ConversationID) (*parley.Conversation, error) {
	c := &parley.Conversation{Kind: parley.KindGroup, Seq: 1, ChangeSeq: 2}
	if s.left {
		c.Seq, c.ChangeSeq = 2, 4
	}
	return c, nil
}

func (s *leaving) Stays(context.Context, parley.OrgID, parley.ConversationID) ([]parley.Membership, error) {
	defer func() { s.left = true }()
	m := parley.Membership{Principal: "bob", From: 1, FromSeq: 1}
	if s.left {
		m.To, m.ToSeq = 3, 1
	}
	return []parley.Membership{m}, nil
}

func (s *leaving) Messages(_ context.Context, _ parley.OrgID, _ parley.ConversationID, from, to uint64, _ int, _ bool) (list []parley.Message, _ error) {
	last := uint64(1)
	if s.left {
		last = 2
	}
	if to != 0 {
		last = min(last, to)
	}
	for seq := from; seq <= last; seq++ {
		list = append(list, parley.Message{Seq: seq, Content: "x", Internal: s.internal})
	}
	return list, nil
}

// reads is how many messages bob is told after a number.
func (s *leaving) reads(t *testing.T, after uint64, scopes ...parley.Scope) int {
	t.Helper()
	c := &Conn{srv: &Server{cfg: Config{Store: s}}}
	c.principal.Store(&parley.Principal{ID: "bob", Scopes: parley.NewScopes(scopes...)})
	sub := &parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{{1}}}, AfterSeq: after}
	got, err := c.history(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	return len(got)
}

func TestHistoryEndsWithTheStay(t *testing.T) {
	if n := new(leaving).reads(t, 0); n != 1 {
		t.Errorf("bob reads %d messages; the second was said after he had left", n)
	}
}

func TestHistoryAfterTheLastIsEmpty(t *testing.T) {
	for _, after := range []uint64{1, 2, math.MaxUint64} {
		if n := new(leaving).reads(t, after); n != 0 {
			t.Errorf("bob reads %d messages after number %d", n, after)
		}
	}
}

// Internal messages are told to who hears them live.
func TestInternalHistory(t *testing.T) {
	for _, test := range []struct {
		scope parley.Scope
		want  int
	}{{parley.ScopeConversationsRead, 0}, {parley.ScopeConversationsReadAll, 1}, {parley.ScopeAdmin, 1}} {
		if n := (&leaving{internal: true}).reads(t, 0, test.scope); n != test.want {
			t.Errorf("with %s bob reads %d internal messages, want %d", test.scope, n, test.want)
		}
	}
}
