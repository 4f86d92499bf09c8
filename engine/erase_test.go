package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// erased carries out the erasures that are under way, and returns the last one's job.
func (w *world) erased(id parley.ErasureID) *parley.Erasure {
	w.t.Helper()
	if err := w.eraseAll(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	job, err := w.store.Erasure(context.Background(), org, id)
	if err != nil || job.Phase != parley.EraseDone || job.EndedAt.IsZero() {
		w.t.Fatalf("the job is %+v, %v", job, err)
	}
	return job
}

// mustNotSay reads all that is kept of the org, and finds a word in none of it.
func (w *world) mustNotSay(word string, ids ...parley.ConversationID) {
	w.t.Helper()
	log, err := w.store.ReadLog(context.Background(), org, 0, 1<<30, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range log {
		data, err := parley.MarshalEvent(e)
		if err != nil || bytes.Contains(data, []byte(word)) {
			w.t.Errorf("the log has %s, %v", data, err)
		}
	}
	for _, id := range ids {
		for _, m := range w.messagesOf(id) {
			if strings.Contains(m.Content+m.ContentMeta+m.SenderName+m.ClientMsgID, word) {
				w.t.Errorf("%s has %+v", id, m)
			}
		}
	}
}

func (w *world) messagesOf(id parley.ConversationID) []parley.Message {
	w.t.Helper()
	list, err := w.store.Messages(context.Background(), org, id, 1, 0, 1<<20, false)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range list {
		if list[i].Seq != uint64(i+1) {
			w.t.Fatalf("message %d has seq %d", i+1, list[i].Seq)
		}
	}
	return list
}

// answer has the demo agent answer a message.
func (w *world) answer(id parley.ConversationID, trigger parley.MessageID, text string) {
	w.t.Helper()
	run, err := w.StartRun(w.t.Context(), &demo, id, trigger)
	if err == nil {
		err = run.Delta(w.t.Context(), text)
	}
	if err == nil {
		err = run.End(w.t.Context(), parley.RunCompleted, "")
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAnErasedUserLeavesPlacesBehind(t *testing.T) {
	w := newWorld(t)
	ben := person("ben")
	ben.Name = "secret ben"
	id := w.group("ben", "cleo", "demo")
	elsewhere := w.group("cleo")
	first := w.must(ben, parley.PostMessage{Conversation: id, Content: "secret one", ClientMsgID: "secret"}).Message
	w.answer(id, first.ID, "you said: secret one")
	kept := w.said(cleo, id, "cleo's own")
	w.must(ben, parley.React{Message: kept, Emoji: "secret"})
	second := w.said(ben, id, "secret two")
	w.must(ben, parley.EditMessage{Message: second, Content: "secret three"})
	w.must(cleo, parley.React{Message: second, Emoji: "👍"})
	forwarded := w.must(ann, parley.ForwardMessage{Message: second, Conversations: []parley.ConversationID{elsewhere}}).Forwarded[0].ID
	w.must(ben, parley.PublishEvent{Channel: "app", Type: "note.made", Data: parley.RawJSON(`{"id":"1","note":"secret"}`)})
	w.must(ben, parley.MoveReceipts{Conversation: id, Read: 2})

	job := w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure
	done := w.erased(job.ID)
	if done.Messages != 4 || done.Reactions != 1 || done.Conversations != 1 {
		t.Errorf("the job counts %+v", done)
	}
	w.mustNotSay("secret", id, elsewhere)
	for i, m := range w.messagesOf(id) {
		if m.Deleted != (m.ID != kept) {
			t.Errorf("message %d: %+v", i+1, m)
		}
	}
	if m, err := w.store.Message(t.Context(), org, forwarded); err != nil || !m.Deleted || m.Source != nil || m.Sender != "ann" {
		t.Errorf("what ann forwarded is %+v, %v", m, err)
	}
	changes, err := w.store.Changes(t.Context(), org, id, 0, 99, 99)
	if err != nil {
		t.Fatal(err)
	}
	left := slices.IndexFunc(changes, func(e *parley.Event) bool { return e.Type == parley.MemberLeft })
	for i, e := range changes {
		if e.ChangeSeq != uint64(i+1) {
			t.Errorf("change %d is %d", i+1, e.ChangeSeq)
		}
	}
	if left < 0 {
		t.Error("nobody was told that ben left")
	}
	if r, err := w.store.Reactions(t.Context(), org, id, 1, 99, 0); err != nil || len(r) != 0 {
		t.Errorf("reactions are left: %v, %v", r, err)
	}
	if r, err := w.store.Receipts(t.Context(), org, id); err != nil || slices.ContainsFunc(r, func(s parley.MemberState) bool { return s.Principal == "ben" }) {
		t.Errorf("receipts are left: %v, %v", r, err)
	}
	if p, err := w.store.Principal(t.Context(), org, "ben"); err != nil || p.Name != "" || p.Email != "" {
		t.Errorf("ben is %+v, %v", p, err)
	}
	w.refused(ben, parley.PostMessage{Conversation: id, Content: "x"}, parley.CodeNotFound)
	for _, who := range []*parley.Principal{ann, cleo} {
		hits, _, err := w.store.Search(t.Context(), parley.SearchQuery{Org: org, Principal: who.ID, Text: "secret"})
		if err != nil || len(hits) != 0 {
			t.Errorf("%s finds %v, %v", who.ID, hits, err)
		}
	}
}

// What somebody said to agents alone is erased with all that they answered.
func TestAConversationWithAgentsAloneIsErasedWhole(t *testing.T) {
	w := newWorld(t)
	id := w.must(ben, parley.CreateConversation{Kind: parley.KindAgentDirect, Title: "secret title", Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	w.said(ben, id, "secret one")
	w.answer(id, parley.MessageID{}, "a secret answer")
	w.must(&demo, parley.CreateTask{Conversation: id, Title: "secret task", Narrative: "secret"})
	w.erased(w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure.ID)
	w.mustNotSay("secret", id)
	c, err := w.store.Conversation(t.Context(), org, id)
	if err != nil || c.Title != "" || c.Status != parley.StatusDeleted {
		t.Errorf("the conversation is %+v, %v", c, err)
	}
	tasks, _, err := w.store.Tasks(t.Context(), org, id, parley.Page{})
	if err != nil || len(tasks) != 1 || tasks[0].Title+tasks[0].Narrative != "" {
		t.Errorf("the task is %+v, %v", tasks, err)
	}
}

// An answer that is under way when everything around it is erased ends with it.
func TestAnAnswerInAConversationErasedWholeEnds(t *testing.T) {
	w := newWorld(t)
	id := w.must(ben, parley.CreateConversation{Kind: parley.KindAgentDirect, Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	run, err := w.StartRun(t.Context(), &demo, id, w.said(ben, id, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Delta(t.Context(), "you said: secret"); err != nil {
		t.Fatal(err)
	}
	w.erased(w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure.ID)
	w.mustNotSay("secret", id)
	open, err := w.store.OpenRuns(t.Context(), org)
	if err != nil || len(open) > 0 {
		t.Errorf("still running: %+v, %v", open, err)
	}
	if run.Delta(t.Context(), " and more") == nil {
		t.Error("it goes on")
	}
}

// Who is left of two keeps what it said itself, and begins anew with whoever comes
// under the id.
func TestAPairIsPartedByAnErasure(t *testing.T) {
	w := newWorld(t)
	pair := parley.CreateConversation{Kind: parley.KindDirect, Members: []parley.PrincipalID{"ben"}}
	id := w.must(ann, pair).Conversation.ID
	w.said(ann, id, "kept")
	w.said(ben, id, "secret")
	w.erased(w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure.ID)
	if list := w.messagesOf(id); list[0].Content != "kept" || !list[1].Deleted {
		t.Errorf("it has %+v", list)
	}
	w.refused(ann, parley.PostMessage{Conversation: id, Content: "x"}, parley.CodeClosed)
	again := w.must(ann, pair)
	if again.Repeated || again.Conversation.ID == id {
		t.Errorf("found again: %+v", again.Conversation)
	}
}

// A job goes on from its row, wherever it was stopped: every step is one transaction.
func TestAnErasureGoesOnAfterAnyStep(t *testing.T) {
	w := newWorld(t)
	var ids []parley.ConversationID
	for range 3 {
		id := w.group("ben")
		ids = append(ids, id)
		for range eraseUnits + 10 {
			m := w.said(ben, id, "secret")
			w.must(ben, parley.React{Message: m, Emoji: "x"})
		}
	}
	job := w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure
	steps := 0
	for done := false; !done; steps++ {
		var err error
		if done, err = w.node("node-"+string(rune('a'+steps%20))).eraseStep(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	if done := w.erased(job.ID); done.Messages != 3*(eraseUnits+10) || done.Reactions != 3*(eraseUnits+10) {
		t.Errorf("after %d steps the job counts %+v", steps, done)
	}
	w.mustNotSay("secret", ids...)
	if done, err := w.eraseStep(t.Context(), job); !done || err != nil {
		t.Errorf("a step after the end: %v, %v", done, err)
	}
}

// Until all nodes know that its logins ended, a user may go on saying things: an erasure
// looks for what it said after that.
func TestAnErasureWaitsForTheEndOfLogins(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *Config) {
		c.Now, c.EraseDelay = func() time.Time { return now }, 5*time.Second
	})
	w.must(ben, parley.CreateConversation{Kind: parley.KindGroup, Title: "secret"})
	job := w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure
	pass := func() *parley.Erasure {
		t.Helper()
		if err := w.eraseAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := w.store.Erasure(t.Context(), org, job.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := pass(); got.Phase != parley.EraseConversations {
		t.Fatalf("after the first pass: %+v", got)
	}
	late := w.must(ben, parley.CreateConversation{Kind: parley.KindGroup, Title: "secret"}).Conversation.ID
	w.must(ben, parley.PostMessage{Conversation: late, Content: "secret"})
	now = now.Add(4 * time.Second)
	if got := pass(); got.Phase != parley.EraseConversations {
		t.Fatalf("it goes on while a login may be good: %+v", got)
	}
	now = now.Add(time.Second)
	if got := pass(); got.Phase != parley.EraseDone {
		t.Fatalf("it goes not on: %+v", got)
	}
	w.mustNotSay("secret", late)
}

// An answer that is being written to what is erased ends first.
func TestAnAnswerUnderWayIsErased(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "demo")
	m := w.said(ben, id, "secret")
	run, err := w.StartRun(t.Context(), &demo, id, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Delta(t.Context(), "secret, you say"); err != nil {
		t.Fatal(err)
	}
	w.erased(w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure.ID)
	w.mustNotSay("secret", id)
	if list := w.messagesOf(id); len(list) != 2 || !list[1].Deleted {
		t.Errorf("the conversation has %+v", list)
	}
	if _, err := w.StartRun(t.Context(), &demo, id, m); err == nil {
		t.Error("what was erased is answered")
	}
}

func TestWhoMayErase(t *testing.T) {
	w := newWorld(t)
	w.must(ben, parley.CreateConversation{Kind: parley.KindGroup})
	admin := backend("ops")
	admin.Scopes = parley.NewScopes(parley.ScopeAdmin)
	w.refused(ann, parley.EraseUser{Principal: "ben"}, parley.CodeForbidden)
	w.refused(admin, parley.EraseUser{Principal: "demo"}, parley.CodeInvalidArgument)
	w.refused(admin, parley.EraseUser{}, parley.CodeInvalidArgument)
	job := w.must(admin, parley.EraseUser{Principal: "ben"}).Erasure
	if again := w.must(ben, parley.EraseUser{Principal: "ben"}); !again.Repeated || again.Erasure.ID != job.ID {
		t.Errorf("asked twice: %+v", again.Erasure)
	}
	w.erased(job.ID)
	if next := w.must(admin, parley.EraseUser{Principal: "ben"}); next.Repeated || next.Erasure.ID == job.ID {
		t.Errorf("asked again: %+v", next.Erasure)
	}
}
