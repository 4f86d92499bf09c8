package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func TestAForwardTellsWhereItWasFirstSaid(t *testing.T) {
	w := newWorld(t)
	from, a, b := w.group("ben"), w.group("ben"), w.group("ben")
	first := w.must(ann, parley.PostMessage{Conversation: from, Content: "x", ContentType: "image", ContentMeta: `{"url":1}`}).Message
	r := w.must(ben, parley.ForwardMessage{Message: first.ID, Conversations: []parley.ConversationID{b, a, b}})
	if len(r.Forwarded) != 2 || r.Forwarded[0].Conversation != b || r.Forwarded[1].Conversation != a {
		t.Fatalf("forwarded %+v", r.Forwarded)
	}
	want := parley.Source{Conversation: from, Message: first.ID, Sender: "ann", SenderName: "ANN"}
	for _, m := range r.Forwarded {
		if !m.Forwarded || m.Sender != "ben" || m.Seq != 1 || m.Content != "x" || m.ContentType != "image" || m.ContentMeta != `{"url":1}` || *m.Source != want {
			t.Errorf("forwarded as %+v from %+v", m, m.Source)
		}
		stored, err := w.store.Message(t.Context(), org, m.ID)
		if err != nil || stored.Source == nil || *stored.Source != want {
			t.Errorf("stored as %+v, %v", stored, err)
		}
	}
	if r.Event.Conversation != b || r.Event.Body.(*parley.MessageBody).Source == nil {
		t.Errorf("told as %+v", r.Event)
	}
	// The same conversation is as good as another, and a forward of a forward keeps
	// the origin.
	onward := w.must(ann, parley.ForwardMessage{Message: r.Forwarded[0].ID, Conversations: []parley.ConversationID{b}})
	if m := onward.Forwarded[0]; *m.Source != want || m.Seq != 2 {
		t.Errorf("forwarded again: %+v", m)
	}
}

func TestAForwardIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	from, open, closed := w.group("ben"), w.group("ben"), w.group("ben")
	m := w.said(ann, from, "x")
	secret := w.must(ann, parley.PostMessage{Conversation: from, Content: "x", Internal: true}).Message.ID
	gone := w.said(ann, from, "y")
	w.must(ann, parley.DeleteMessage{Message: gone, ForEveryone: true})
	w.must(ann, parley.CloseConversation{Conversation: closed})
	foreign := w.must(cleo, parley.CreateConversation{}).Conversation.ID
	before := w.log()
	to := func(ids ...parley.ConversationID) []parley.ConversationID { return ids }
	for _, c := range []struct {
		message parley.MessageID
		to      []parley.ConversationID
		code    parley.Code
	}{
		{m, to(open, closed), parley.CodeClosed},
		{m, to(open, foreign), parley.CodeNotFound},
		{m, nil, parley.CodeInvalidArgument},
		{m, make([]parley.ConversationID, 1), parley.CodeNotFound},
		{secret, to(open), parley.CodeForbidden},
		{gone, to(open), parley.CodeConflict},
		{ids{}.NewID(), to(open), parley.CodeNotFound},
	} {
		w.refused(ann, parley.ForwardMessage{Message: c.message, Conversations: c.to}, c.code)
	}
	var many []parley.ConversationID
	for range maxForwards + 1 {
		many = append(many, ids{}.NewID())
	}
	w.refused(ann, parley.ForwardMessage{Message: m, Conversations: many}, parley.CodeInvalidArgument)
	w.refused(cleo, parley.ForwardMessage{Message: m, Conversations: to(foreign)}, parley.CodeNotFound)
	if after := w.log(); len(after) != len(before) {
		t.Errorf("a refusal was told: %v", types(after[len(before):]))
	}
}

// Whoever got no answer forwards again under the same id, and hears the same,
// whatever became of the message and of the place it was said in.
func TestAForwardIsRepeatedByItsClientMsgID(t *testing.T) {
	w := newWorld(t)
	from, a, b, c := w.group("ben"), w.group("ben"), w.group("ben"), w.group("ben")
	m, other := w.said(ann, from, "x"), w.said(ann, from, "y")
	cmd := parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{b, a}, ClientMsgID: "k"}
	first := w.must(ben, cmd)
	if first.Repeated || first.Forwarded[0].ClientMsgID != "k" {
		t.Fatalf("forwarded %+v", first)
	}
	before := w.log()
	same := func(when string) {
		t.Helper()
		again := w.must(ben, cmd)
		if !again.Repeated || again.Event != nil || len(again.Forwarded) != 2 ||
			again.Forwarded[0].ID != first.Forwarded[0].ID || again.Forwarded[1].ID != first.Forwarded[1].ID {
			t.Errorf("%s: forwarded %+v", when, again)
		}
	}
	same("at once")
	for what, wrong := range map[string]parley.Command{
		"another message":   parley.ForwardMessage{Message: other, Conversations: cmd.Conversations, ClientMsgID: "k"},
		"one place more":    parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{a, b, c}, ClientMsgID: "k"},
		"a message of text": parley.PostMessage{Conversation: a, Content: "x", ClientMsgID: "k"},
	} {
		if e := w.refused(ben, wrong, parley.CodeConflict); e == nil {
			t.Errorf("%s under the same id was taken", what)
		}
	}
	w.refused(ben, parley.ForwardMessage{Message: m, Conversations: cmd.Conversations, ClientMsgID: strings.Repeat("k", maxID+1)}, parley.CodeTooLarge)
	if after := w.log(); len(after) != len(before) {
		t.Errorf("told %v", types(after[len(before):]))
	}
	// A forward of the copy comes from the same place, and is the caller's own.
	w.must(ann, parley.ForwardMessage{Message: first.Forwarded[0].ID, Conversations: cmd.Conversations, ClientMsgID: "k"})
	w.must(ann, parley.CloseConversation{Conversation: b})
	same("into a conversation that was closed")
	w.must(ann, parley.DeleteMessage{Message: m, ForEveryone: true})
	same("of a message that was deleted")
	w.must(ben, parley.RemoveMember{Conversation: from, Member: "ben"})
	same("from where the caller has left")
	w.must(ben, parley.DeleteMessage{Message: first.Forwarded[1].ID, ForEveryone: true})
	same("of a copy that was deleted")
}

// What the caller cannot see looks like what is not there, wherever it is to go.
func TestAForwardDoesNotTellWhatExists(t *testing.T) {
	w := newWorld(t)
	theirs := w.must(cleo, parley.CreateConversation{}).Conversation.ID
	unseen := w.said(cleo, theirs, "x")
	mine := w.group("ben")
	for _, to := range []parley.ConversationID{mine, theirs, ids{}.NewID()} {
		for _, m := range []parley.MessageID{unseen, ids{}.NewID()} {
			e := w.refused(ann, parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{to}, ClientMsgID: "k"}, parley.CodeNotFound)
			if e.Message != "there is no such message" {
				t.Errorf("refused with %q", e.Message)
			}
		}
	}
}

func TestEachForwardCountsAsAMessage(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on, func(c *Config) { c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1, 3 })
	from, a, b := w.group(), w.group(), w.group()
	m := w.said(ann, from, "x")
	w.must(ann, parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{a, b}})
	w.refused(ann, parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{a, b}}, parley.CodeRateLimited)
	clock.tick()
	w.must(ann, parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{a}})
	// What would never be taken is not waited for.
	if e := w.refused(ben, parley.ForwardMessage{Message: m, Conversations: []parley.ConversationID{a, b, from, ids{}.NewID()}}, parley.CodeRateLimited); e.RetryAfter != 0 {
		t.Errorf("retry after %v", e.RetryAfter)
	}
}

// holds is a store that notes which conversations a transaction holds.
type holds struct {
	parley.Store
	order []parley.ConversationID
}

type holdsTx struct {
	parley.Tx
	store *holds
}

func (s *holds) Update(ctx context.Context, fn func(parley.Tx) error) error {
	return s.Store.Update(ctx, func(tx parley.Tx) error { return fn(holdsTx{tx, s}) })
}

func (t holdsTx) Conversation(org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	t.store.order = append(t.store.order, id)
	return t.Tx.Conversation(org, id)
}

// Of two who forward into the same conversations one waits for the other, whichever
// way round they name them.
func TestAForwardHoldsInOneOrder(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.group(), w.group(), w.group()
	store := &holds{Store: w.store}
	w.Engine = w.node("node-2", func(c *Config) { c.Store = store })
	for _, from := range []parley.ConversationID{a, b, c} {
		m := w.said(ann, from, "x")
		for _, to := range [][]parley.ConversationID{{a, c}, {c, a}, {b}, {c, b, a}} {
			store.order = nil
			w.must(ann, parley.ForwardMessage{Message: m, Conversations: to})
			if !slices.IsSortedFunc(store.order, func(a, b parley.ConversationID) int { return bytes.Compare(a[:], b[:]) }) {
				t.Errorf("from %s to %s: held %s", from, to, store.order)
			}
		}
	}
}
