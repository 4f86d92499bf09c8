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
	left      bool
	internal  bool
	blocked   bool   // bob blocks who said it
	hidden    bool   // he hid it from himself
	hiddenSeq uint64 // and all up to this
	edited    uint64 // the change_seq at which it was edited; 0 where it was not
}

func (s *leaving) Conversation(context.Context, parley.OrgID, parley.ConversationID) (*parley.Conversation, error) {
	c := &parley.Conversation{Kind: parley.KindGroup, Seq: 1, ChangeSeq: 2}
	if s.left {
		c.Seq, c.ChangeSeq = 2, 4
	}
	return c, nil
}

func (s *leaving) StaysOf(context.Context, parley.OrgID, parley.ConversationID, parley.PrincipalID) ([]parley.Membership, error) {
	defer func() { s.left = true }()
	m := parley.Membership{Principal: "bob", From: 1, FromSeq: 1}
	if s.left {
		m.To, m.ToSeq = 3, 1
	}
	return []parley.Membership{m}, nil
}

func (s *leaving) MemberStates(context.Context, parley.OrgID, parley.PrincipalID, []parley.ConversationID) ([]parley.MemberState, error) {
	return []parley.MemberState{{HiddenSeq: s.hiddenSeq}}, nil
}

func (s *leaving) OrgBlocks(ctx context.Context, org parley.OrgID, _ int) ([]parley.Block, error) {
	return s.Blocks(ctx, org, "bob")
}

func (s *leaving) Blocks(context.Context, parley.OrgID, parley.PrincipalID) ([]parley.Block, error) {
	if s.blocked {
		return []parley.Block{{Owner: "bob", Blocked: "ada"}}, nil
	}
	return nil, nil
}

func (s *leaving) Hidden(_ context.Context, _ parley.OrgID, _ parley.ConversationID, _ parley.PrincipalID, from, to uint64) ([]uint64, error) {
	if s.hidden && from <= 1 && 1 <= to {
		return []uint64{1}, nil
	}
	return nil, nil
}

func (s *leaving) Edits(context.Context, parley.OrgID, parley.ConversationID, parley.MessageID, int, int) ([]parley.Edit, error) {
	return []parley.Edit{{Content: "before", ChangeSeq: 2}}, nil
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
		list = append(list, parley.Message{Seq: seq, Sender: "ada", Content: "x", Internal: s.internal, ChangeSeq: max(s.edited, seq), EditCount: 1})
	}
	return list, nil
}

// reads is how many messages bob is told after a number.
func (s *leaving) reads(t *testing.T, after uint64, scopes ...parley.Scope) int {
	t.Helper()
	return len(s.history(t, after, scopes...))
}

// history is what bob is told after a number.
func (s *leaving) history(t *testing.T, after uint64, scopes ...parley.Scope) []parley.Message {
	t.Helper()
	c := &Conn{srv: &Server{cfg: Config{Store: s}}}
	c.principal.Store(&parley.Principal{ID: "bob", Scopes: parley.NewScopes(scopes...)})
	sub := &parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{{1}}}, AfterSeq: after}
	got, err := c.history(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	return got
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

// What bob does not see over HTTP he is not told here: whom he blocks, what he hid from
// himself, and what he deleted for himself with the whole conversation.
func TestHistoryIsWithoutWhatOneDoesNotWantToSee(t *testing.T) {
	for name, store := range map[string]*leaving{
		"of who is blocked": {blocked: true}, "one that he hid": {hidden: true}, "up to what he hid": {hiddenSeq: 1},
	} {
		if n := store.reads(t, 0); n != 0 {
			t.Errorf("%s: bob reads %d messages", name, n)
		}
	}
}

// Who has left when the history is read is told what the message said then.
func TestHistoryOfWhoLeftIsOfThatTime(t *testing.T) {
	for edited, want := range map[uint64]string{3: "x", 4: "before"} {
		got := (&leaving{left: true, edited: edited}).history(t, 0)
		if len(got) != 1 || got[0].Content != want {
			t.Errorf("edited at %d: bob is told %+v, want %q", edited, got, want)
		}
	}
}
