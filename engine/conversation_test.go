package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/parley-chat/parley"
)

func TestTheKindFollowsFromTheMembers(t *testing.T) {
	w := newWorld(t)
	other := &parley.Principal{Org: org, ID: "bot", Kind: parley.KindAgent, Scopes: parley.UserScopes}
	for _, c := range []struct {
		caller  *parley.Principal
		members []parley.PrincipalID
		want    parley.ConversationKind
	}{
		{ann, []parley.PrincipalID{"ben"}, parley.KindDirect},
		{ann, []parley.PrincipalID{"ann", "ben", "ben"}, parley.KindDirect},
		{ann, []parley.PrincipalID{"demo"}, parley.KindAgentDirect},
		{other, []parley.PrincipalID{"ann"}, parley.KindAgentDirect},
		{other, []parley.PrincipalID{"demo"}, parley.KindAgentGroup},
		{ann, []parley.PrincipalID{"ben", "cleo"}, parley.KindGroup},
		{ann, []parley.PrincipalID{"ben", "demo"}, parley.KindAgentGroup},
		{ann, []parley.PrincipalID{"ben", "bot"}, parley.KindAgentGroup}, // seen before as an agent
		{ann, nil, parley.KindGroup},
	} {
		if got := w.must(c.caller, parley.CreateConversation{Members: c.members}).Conversation.Kind; got != c.want {
			t.Errorf("%s with %v: %s, want %s", c.caller.ID, c.members, got, c.want)
		}
	}
	for _, cmd := range []parley.CreateConversation{
		{Kind: parley.KindDirect, Members: []parley.PrincipalID{"demo"}},
		{Kind: parley.KindDirect, Members: []parley.PrincipalID{"ben", "cleo"}},
		{Kind: parley.KindAgentDirect, Members: []parley.PrincipalID{"ben"}},
		{Kind: "party"},
		{Members: []parley.PrincipalID{""}},
		{Members: []parley.PrincipalID{"\xff"}},
		{Title: "nul \x00"},
	} {
		w.refused(ann, cmd, parley.CodeInvalidArgument)
	}
}

func TestACreatedConversationTellsItsMembers(t *testing.T) {
	w := newWorld(t)
	r := w.must(ann, parley.CreateConversation{Title: "Plans", Members: []parley.PrincipalID{"ben", "demo"}})
	events := w.log()
	if len(events) != 1 || events[0].ID != r.Event.ID {
		t.Fatalf("log holds %v", types(events))
	}
	body := events[0].Body.(*parley.ConversationBody)
	want := []parley.MemberBody{
		{Principal: "ann", Kind: parley.KindUser, Name: "ANN", Role: parley.RoleOwner, FromSeq: 1},
		{Principal: "ben", Kind: parley.KindUser, Role: parley.RoleMember, FromSeq: 1},
		{Principal: "demo", Kind: parley.KindAgent, Name: "Demo", Role: parley.RoleAgent, AutoRespond: true, FromSeq: 1},
	}
	if body.Title != "Plans" || body.CreatedBy != "ann" || !slices.Equal(body.Members, want) {
		t.Errorf("body is %+v", body)
	}
	stays, err := w.store.Stays(t.Context(), org, r.Conversation.ID)
	if err != nil || len(stays) != 3 {
		t.Fatal(stays, err)
	}
	for _, m := range stays {
		if m.From != 1 || m.FromSeq != 1 || !m.Open() {
			t.Errorf("stay is %+v", m)
		}
	}
	if c, err := w.store.Conversation(t.Context(), org, r.Conversation.ID); err != nil || c.ChangeSeq != 1 || c.Seq != 0 {
		t.Errorf("stored as %+v, %v", c, err)
	}
}

func TestADirectConversationIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	first := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}})
	again := w.must(ben, parley.CreateConversation{Kind: parley.KindDirect, Members: []parley.PrincipalID{"ann"}})
	if !again.Repeated || again.Conversation.ID != first.Conversation.ID || again.Event != nil || len(again.Members) != 2 {
		t.Errorf("got %+v", again)
	}
	w.must(ben, parley.CloseConversation{Conversation: first.Conversation.ID})
	next := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}})
	if next.Repeated || next.Conversation.ID == first.Conversation.ID {
		t.Errorf("a closed conversation was found: %+v", next)
	}
	if found := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}); found.Conversation.ID != next.Conversation.ID {
		t.Errorf("found %v, want %v", found.Conversation.ID, next.Conversation.ID)
	}
	// Sessions with an agent are as many as one likes.
	a := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}})
	b := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}})
	if a.Conversation.ID == b.Conversation.ID {
		t.Error("a second session is the first")
	}
}

// lookups is a store that counts how often a pair is looked for.
type lookups struct {
	parley.Store
	pairs int
}

type lookupsTx struct {
	parley.Tx
	store *lookups
}

func (s *lookups) Update(ctx context.Context, fn func(parley.Tx) error) error {
	return s.Store.Update(ctx, func(tx parley.Tx) error { return fn(lookupsTx{tx, s}) })
}

func (t lookupsTx) ConversationByPair(org parley.OrgID, key string) (*parley.Conversation, error) {
	t.store.pairs++
	return t.Tx.ConversationByPair(org, key)
}

func TestAPairMayHaveClosedManyConversations(t *testing.T) {
	w := newWorld(t)
	store := &lookups{Store: w.store}
	w.Engine = w.node("node-2", func(c *Config) { c.Store = store })
	direct := parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}
	seen := map[parley.ConversationID]bool{}
	for n := range 40 {
		store.pairs = 0
		r := w.must(ann, direct)
		if seen[r.Conversation.ID] || r.Repeated {
			t.Fatalf("the %dth is not new", n)
		}
		seen[r.Conversation.ID] = true
		if again := w.must(ann, direct); again.Conversation.ID != r.Conversation.ID {
			t.Fatalf("the %dth is not found again", n)
		}
		if store.pairs > 30 { // for both
			t.Fatalf("it takes %d lookups to begin the %dth", store.pairs, n)
		}
		w.must(ann, parley.CloseConversation{Conversation: r.Conversation.ID})
	}
}

func TestPairsDoNotRunIntoEachOther(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range [][2]parley.PrincipalID{{"a", "b:c"}, {"a:b", "c"}, {"1/1:a", "b"}, {"a", "b"}} {
		for n := range 2 {
			key := pairKey(p[0], p[1], n)
			if seen[key] || key != pairKey(p[1], p[0], n) {
				t.Errorf("key %q of %v", key, p)
			}
			seen[key] = true
		}
	}
}

func TestAClosedConversationTakesNoMore(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	w.must(ben, parley.PostMessage{Conversation: id, Content: "before", ClientMsgID: "1"})
	w.refused(ben, parley.CloseConversation{Conversation: id}, parley.CodeForbidden)
	w.refused(ann, parley.CloseConversation{Conversation: id, Reason: "boredom"}, parley.CodeInvalidArgument)
	r := w.must(ann, parley.CloseConversation{Conversation: id})
	if body := r.Event.Body.(*parley.ConversationBody); body.Status != parley.StatusClosed || body.Reason != "ended" {
		t.Errorf("body is %+v", body)
	}
	if again := w.must(ann, parley.CloseConversation{Conversation: id}); again.Event != nil || !again.Repeated {
		t.Errorf("closed twice: %+v", again)
	}
	w.refused(ben, parley.PostMessage{Conversation: id, Content: "after"}, parley.CodeClosed)
	w.refused(ben, parley.SetTyping{Conversation: id, On: true}, parley.CodeClosed)
	w.refused(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"cleo"}}, parley.CodeClosed)
	if r := w.must(ben, parley.PostMessage{Conversation: id, Content: "before", ClientMsgID: "1"}); !r.Repeated {
		t.Error("what was acknowledged is not any more")
	}
	w.must(ben, parley.RemoveMember{Conversation: id, Member: "ben"})
}
