package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// said posts a message and returns its id.
func (w *world) said(p *parley.Principal, id parley.ConversationID, content string) parley.MessageID {
	w.t.Helper()
	return w.must(p, parley.PostMessage{Conversation: id, Content: content}).Message.ID
}

// clock is a time that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)} }

func (c *clock) on(config *Config) { config.Now = func() time.Time { return c.now } }

func (c *clock) tick() time.Time {
	c.now = c.now.Add(time.Second)
	return c.now
}

func TestAnEditKeepsWhatWasSaid(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben")
	first := w.must(ann, parley.PostMessage{Conversation: id, Content: "won", ContentMeta: `{"a":1}`})
	atFirst := clock.now
	firstEdit := clock.tick()
	edited := w.must(ann, parley.EditMessage{Message: first.Message.ID, Content: "one"})

	m := edited.Message
	if m.Content != "one" || m.ContentMeta != `{"a":1}` || m.EditCount != 1 || !m.EditedAt.Equal(firstEdit) || m.Seq != 1 {
		t.Errorf("message is %+v", m)
	}
	ev := edited.Event
	if body := ev.Body.(*parley.MessageBody); ev.Type != parley.MessageUpdated || ev.ChangeSeq != 3 ||
		body.Content != "one" || body.EditCount != 1 || !body.EditedAt.Equal(firstEdit) {
		t.Errorf("event is %+v, %+v", ev, ev.Body)
	}
	if again := w.must(ann, parley.EditMessage{Message: m.ID, Content: "one"}); again.Event != nil || again.Message.EditCount != 1 {
		t.Errorf("the same again: %+v", again)
	}
	clock.tick()
	meta := ""
	w.must(ann, parley.EditMessage{Message: m.ID, Content: "one", ContentMeta: &meta})

	stored, err := w.store.Message(t.Context(), org, m.ID)
	if err != nil || stored.ContentMeta != "" || stored.EditCount != 2 || stored.ChangeSeq != 4 {
		t.Errorf("stored as %+v, %v", stored, err)
	}
	edits, err := w.store.Edits(t.Context(), org, id, m.ID, 0, 0)
	if err != nil || len(edits) != 2 {
		t.Fatal(edits, err)
	}
	for i, want := range []parley.Edit{
		{Conversation: id, Message: m.ID, Number: 0, Content: "won", ContentMeta: `{"a":1}`, At: atFirst, ChangeSeq: 2},
		{Conversation: id, Message: m.ID, Number: 1, Content: "one", ContentMeta: `{"a":1}`, At: firstEdit, ChangeSeq: 3},
	} {
		if !edits[i].At.Equal(want.At) {
			t.Errorf("edit %d is of %v", i, edits[i].At)
		}
		if edits[i].At = want.At; edits[i] != want {
			t.Errorf("edit %d is %+v", i, edits[i])
		}
	}
	c, err := w.store.Conversation(t.Context(), org, id)
	if err != nil || !c.LastActivity.Equal(atFirst) {
		t.Errorf("edits count as activity: %v, %v", c.LastActivity, err)
	}
}

func TestWhoMayEdit(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "demo")
	m := w.said(ben, id, "x")
	edit := parley.EditMessage{Message: m, Content: "y"}
	w.refused(ann, edit, parley.CodeForbidden) // its owner too
	w.refused(cleo, edit, parley.CodeNotFound)
	w.refused(ann, parley.EditMessage{Message: ids{}.NewID(), Content: "y"}, parley.CodeNotFound)
	w.refused(ben, parley.EditMessage{Message: m}, parley.CodeInvalidArgument)
	w.refused(ben, parley.EditMessage{Message: m, Content: strings.Repeat("x", 64<<10+1)}, parley.CodeTooLarge)

	run := w.start(w.Engine, id, m)
	say(t, run, "an answer")
	end(t, run, parley.RunCompleted)
	w.refused(ann, parley.EditMessage{Message: run.Message(), Content: "y"}, parley.CodeForbidden)
	if r := w.must(&demo, parley.EditMessage{Message: run.Message(), Content: "a better one"}); r.Message.Run == nil {
		t.Errorf("an edit took the run away: %+v", r.Message)
	}

	secret := w.must(ann, parley.PostMessage{Conversation: id, Content: "x", Internal: true}).Message.ID
	if r := w.must(ann, parley.EditMessage{Message: secret, Content: "y"}); !r.Event.Internal {
		t.Error("the edit of an internal message is told to all")
	}

	w.must(ann, parley.CloseConversation{Conversation: id})
	w.refused(ben, edit, parley.CodeClosed)
	w.must(ben, parley.DeleteMessage{Message: m, ForEveryone: true})
	w.refused(ben, edit, parley.CodeConflict)
}

func TestWhatWasSaidInAnEarlierStayMayBeEdited(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	mine := w.said(ben, id, "x")
	w.must(ben, parley.RemoveMember{Conversation: id, Member: "ben"})
	between := w.said(ann, id, "without ben")
	w.refused(ben, parley.EditMessage{Message: mine, Content: "y"}, parley.CodeNotFound)
	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"ben"}})
	w.must(ben, parley.EditMessage{Message: mine, Content: "y"})
	w.refused(ben, parley.React{Message: between, Emoji: "👍"}, parley.CodeNotFound)
}
