package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
	"github.com/parley-chat/parley/store/sqlite"
)

// calendar is a clock that a test turns.
type calendar struct{ now atomic.Int64 }

func (c *calendar) at(day int) { c.now.Store(int64(day)) }

// option has a world live by the calendar, without limits on how much is said.
func (c *calendar) option(cfg *Config) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return first.Add(time.Duration(c.now.Load()) * parley.RetentionDay) }
	cfg.Limits.MessagesPerSecond, cfg.Limits.MessagesBurst = 1e6, 1e6
}

func (w *world) expired() {
	w.t.Helper()
	if err := w.retain(context.Background(), &traces{}); err != nil {
		w.t.Fatal(err)
	}
	for n := 1; n > 0; {
		told, err := w.store.Sequence(context.Background(), 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		n = len(told)
	}
}

func kept7() *int { n := 7; return &n }

// onBothStores runs a test in a world on each store.
func onBothStores(t *testing.T, option func(*Config), fn func(*testing.T, *world)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, newWorld(t, option)) })
	t.Run("postgres", func(t *testing.T) {
		store, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.Start(t)})
		if err != nil {
			t.Fatal(err)
		}
		fn(t, newWorldOn(t, store, option))
	})
}

// Of a message whose time is over its place is left; nothing else is touched.
func TestMessagesExpire(t *testing.T) {
	days := new(calendar)
	blobs, filed := filing(t)
	option := func(c *Config) { days.option(c); filed(c) }
	onBothStores(t, option, func(t *testing.T, w *world) {
		days.at(0)
		id, forever := w.group("ben"), w.group("ben")
		w.must(ann, parley.SetRetention{Conversation: id, Days: kept7()})
		first := w.said(ann, id, "secret first")
		w.must(ann, parley.EditMessage{Message: first, Content: "secret second"})
		w.must(ben, parley.React{Message: first, Emoji: "👍"})
		file := w.upload(ann, id, "secret.png", "picture")
		w.must(ann, parley.PostMessage{Conversation: id, Attachments: []parley.AttachmentID{file}})
		gone := w.said(ann, id, "secret and deleted")
		w.must(ann, parley.DeleteMessage{Message: gone, ForEveryone: true})
		const more = retainUnits + 5
		for i := range more {
			w.said(ann, id, fmt.Sprint("secret ", i))
		}
		w.said(ann, forever, "kept")
		days.at(5)
		young := w.said(ann, id, "young")

		days.at(6)
		w.expired()
		if m, err := w.store.Message(t.Context(), org, first); err != nil || m.Deleted {
			t.Fatalf("expired too early: %+v, %v", m, err)
		}
		days.at(8)
		w.expired()
		w.expired() // finds nothing more
		w.sweep()
		w.mustNotSay("secret", id, forever)
		list := w.messagesOf(id)
		for i, m := range list {
			if m.Deleted != (m.ID != young) {
				t.Errorf("message %d is %+v", i+1, m)
			}
		}
		if got := w.messagesOf(forever); got[0].Content != "kept" {
			t.Errorf("the other conversation has %+v", got)
		}
		if kept(t, blobs, file) {
			t.Error("the file is kept")
		}
		w.checkExpired(id, first, len(list))

		days.at(13)
		next := w.said(ann, id, "next")
		w.expired()
		if list := w.messagesOf(id); !list[len(list)-2].Deleted || list[len(list)-1].ID != next || list[len(list)-1].Deleted {
			t.Errorf("after the next round: %+v", list[len(list)-2:])
		}
	})
}

// checkExpired looks at all by which the words of a conversation might be found, and
// at its numbers.
func (w *world) checkExpired(id parley.ConversationID, first parley.MessageID, seqs int) {
	t, ctx := w.t, context.Background()
	t.Helper()
	if edits, err := w.store.Edits(ctx, org, id, first, 0, 0); err != nil || len(edits) != 0 {
		t.Errorf("edits: %v, %v", edits, err)
	}
	if r, err := w.store.Reactions(ctx, org, id, 1, 99, 0); err != nil || len(r) != 0 {
		t.Errorf("reactions: %v, %v", r, err)
	}
	for word, want := range map[string]int{"secret": 0, "young": 1, "kept": 1} {
		hits, _, err := w.store.Search(ctx, parley.SearchQuery{Org: org, Principal: "ben", Text: word})
		if err != nil || len(hits) != want {
			t.Errorf("a search for %s finds %v, %v", word, hits, err)
		}
	}
	exported, err := w.store.MessagesBy(ctx, org, id, "ann", 0, 1<<20)
	if err != nil || slices.ContainsFunc(exported, func(m parley.Message) bool { return strings.Contains(m.Content, "secret") }) {
		t.Errorf("the export has %v, %v", exported, err)
	}
	counts, _, err := w.store.Unread(ctx, parley.UnreadQuery{Org: org, Principal: "ben", Conversations: []parley.ConversationID{id}})
	if err != nil || len(counts) != 1 || counts[0].Count != 1 {
		t.Errorf("unread: %+v, %v", counts, err)
	}
	changes, err := w.store.Changes(ctx, org, id, 0, 1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var told []parley.ExpiredBody
	for i, e := range changes {
		if e.ChangeSeq != uint64(i+1) {
			t.Errorf("change %d is %d", i+1, e.ChangeSeq)
		}
		if b, ok := e.Body.(*parley.ExpiredBody); ok {
			told = append(told, *b)
		}
	}
	want := []parley.ExpiredBody{{Conversation: id, From: 1, To: retainUnits}, {Conversation: id, From: retainUnits + 1, To: uint64(seqs - 1)}}
	if !slices.Equal(told, want) {
		t.Errorf("told: %+v, want %+v", told, want)
	}
}

// What expired is in no file of the store either.
func TestExpiredMessagesAreInNoFile(t *testing.T) {
	dir, days := t.TempDir(), new(calendar)
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(dir, "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOn(t, store, days.option)
	id := w.group("ben")
	for i := range 300 {
		m := w.said(ann, id, fmt.Sprintf("zqsecret%d %s", i, strings.Repeat("zqsecret ", i%50)))
		if i%7 == 0 {
			w.must(ann, parley.EditMessage{Message: m, Content: "zqsecret again"})
		}
	}
	days.at(5)
	w.said(ann, id, "something young")
	w.must(ann, parley.SetRetention{Conversation: id, Days: kept7()})
	if n := occurrences(t, dir, "zqsecret"); n == 0 {
		t.Fatal("the word is not found where it must be")
	}
	days.at(8)
	w.expired()
	if n := occurrences(t, dir, "zqsecret"); n != 0 {
		t.Errorf("the word is in the files %d times", n)
	}
	if n := occurrences(t, dir, "something young"); n == 0 {
		t.Error("what is young is gone")
	}
}

// A conversation's own say wins over its org's, which holds for all others.
func TestARetentionOfAnOrg(t *testing.T) {
	days := new(calendar)
	w := newWorld(t, days.option)
	own, others := w.group("ben"), w.group("ben")
	admin := backend("ops")
	admin.Scopes = parley.NewScopes(parley.ScopeAdmin)
	w.must(admin, parley.SetRetention{Days: kept7()})
	w.must(ann, parley.SetRetention{Conversation: own, Days: new(int)})
	for _, id := range []parley.ConversationID{own, others} {
		w.said(ann, id, "said")
	}
	days.at(400)
	w.expired()
	if w.messagesOf(own)[0].Deleted || !w.messagesOf(others)[0].Deleted {
		t.Errorf("kept: %+v, %+v", w.messagesOf(own), w.messagesOf(others))
	}
	w.must(ann, parley.SetRetention{Conversation: own})
	w.expired()
	if !w.messagesOf(own)[0].Deleted {
		t.Error("it is kept though its org decides again")
	}
}

// A node that runs hears that a retention was set.
func TestWhatIsSetIsDoneAtOnce(t *testing.T) {
	days := new(calendar)
	committed := make(chan struct{}, 100)
	w := newWorld(t, days.option, func(c *Config) { c.Committed = func() { committed <- struct{}{} } })
	id := w.group("ben")
	m := w.said(ann, id, "said")
	days.at(8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.keepRetaining(ctx)
	}()
	w.must(ann, parley.SetRetention{Conversation: id, Days: kept7()})
	for gone := false; !gone; {
		select {
		case <-committed:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing expires")
		}
		got, err := w.store.Message(t.Context(), org, m)
		if err != nil {
			t.Fatal(err)
		}
		gone = got.Deleted
	}
	cancel()
	<-done
}

func TestWhoMaySetARetention(t *testing.T) {
	w := newWorld(t)
	admin := backend("ops")
	admin.Scopes = parley.NewScopes(parley.ScopeAdmin)
	id := w.group("ben")
	pair := w.must(ann, parley.CreateConversation{Kind: parley.KindDirect, Members: []parley.PrincipalID{"ben"}}).Conversation.ID
	set := func(id parley.ConversationID, days int) parley.SetRetention {
		return parley.SetRetention{Conversation: id, Days: &days}
	}
	w.refused(ben, set(id, 7), parley.CodeForbidden)
	w.refused(cleo, set(id, 7), parley.CodeNotFound)
	w.refused(ann, set(pair, 7), parley.CodeForbidden)
	w.refused(ann, set(parley.ConversationID{}, 7), parley.CodeForbidden)
	w.refused(admin, set(parley.ConversationID(ids{}.NewID()), 7), parley.CodeNotFound)
	for _, days := range []int{-1, parley.MaxRetentionDays + 1} {
		w.refused(ann, set(id, days), parley.CodeInvalidArgument)
		w.refused(admin, set(parley.ConversationID{}, days), parley.CodeInvalidArgument)
	}
	w.refused(admin, set(parley.ConversationID{}, 0), parley.CodeInvalidArgument)

	r := w.must(ann, set(id, parley.MaxRetentionDays))
	if b := r.Event.Body.(*parley.ConversationBody); r.Event.Type != parley.ConversationUpdated || *b.RetentionDays != parley.MaxRetentionDays {
		t.Errorf("told %+v of %+v", r.Event, b)
	}
	if again := w.must(ann, set(id, parley.MaxRetentionDays)); again.Event != nil {
		t.Errorf("the same again is told: %+v", again.Event)
	}
	w.must(admin, set(pair, 1))
	if r := w.must(admin, parley.SetRetention{Conversation: pair}); r.Retention.Days != nil || r.Event == nil {
		t.Errorf("taken back: %+v", r)
	}
	w.must(admin, set(parley.ConversationID{}, 1))
	w.must(admin, parley.SetRetention{})
}
