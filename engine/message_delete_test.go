package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func TestADeletedMessageKeepsItsPlace(t *testing.T) {
	w := newWorld(t)
	id, other := w.group("ben"), w.group("ben")
	origin := w.said(ben, other, "first said here")
	m := w.must(ben, parley.ForwardMessage{Message: origin, Conversations: []parley.ConversationID{id}}).Forwarded[0]
	w.must(ben, parley.EditMessage{Message: m.ID, Content: "x"})
	w.must(ann, parley.React{Message: m.ID, Emoji: "👍"})

	r := w.must(ann, parley.DeleteMessage{Message: m.ID, ForEveryone: true})
	body := r.Event.Body.(*parley.MessageBody)
	if r.Event.Type != parley.MessageDeleted || !body.Deleted || body.Seq != 1 || body.Sender != "ben" || body.Content != "" || body.Source != nil {
		t.Errorf("told as %s, %+v", r.Event.Type, body)
	}
	stored, err := w.store.Message(t.Context(), org, m.ID)
	if err != nil || !stored.Deleted || stored.Content != "" || stored.ContentMeta != "" || stored.Source != nil || stored.Seq != 1 {
		t.Errorf("stored as %+v, %v", stored, err)
	}
	if edits, err := w.store.Edits(t.Context(), org, id, m.ID, 0, 0); err != nil || len(edits) != 0 {
		t.Errorf("edits are left: %v, %v", edits, err)
	}
	if reactions, err := w.store.Reactions(t.Context(), org, id, 0, 9, 0); err != nil || len(reactions) != 0 {
		t.Errorf("reactions are left: %v, %v", reactions, err)
	}
	if again := w.must(ann, parley.DeleteMessage{Message: m.ID, ForEveryone: true}); again.Event != nil || !again.Message.Deleted {
		t.Errorf("deleted twice: %+v", again)
	}
	if next := w.must(ann, parley.PostMessage{Conversation: id, Content: "next"}); next.Message.Seq != 2 {
		t.Errorf("the next one has seq %d", next.Message.Seq)
	}
}

// The log keeps the events of a deleted message, with their numbers, and none of its
// words.
func TestADeletedMessageIsForgottenInTheLog(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	kept := w.said(ben, id, "kept")
	m := w.must(ben, parley.PostMessage{Conversation: id, Content: "secret one", ContentMeta: "secret meta"}).Message
	w.must(ben, parley.EditMessage{Message: m.ID, Content: "secret two"})
	w.must(ann, parley.React{Message: m.ID, Emoji: "👍"})
	w.must(ben, parley.EditMessage{Message: m.ID, Content: "secret three"})
	w.must(ann, parley.DeleteMessage{Message: m.ID, ForEveryone: true})

	changes, err := w.store.Changes(t.Context(), org, id, 0, 99, 99)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range changes {
		data, err := parley.MarshalEvent(e)
		if err != nil || e.ChangeSeq != uint64(i+1) || strings.Contains(string(data), "secret") {
			t.Errorf("change %d: %s, %v", i+1, data, err)
		}
		if b, ok := e.Body.(*parley.MessageBody); ok && b.Deleted != (b.ID != kept) {
			t.Errorf("change %d: %+v", i+1, b)
		}
	}
	if len(changes) != 7 {
		t.Errorf("%d changes are kept", len(changes))
	}
}

func TestAnAnswerThatIsDeletedIsForgottenInTheLog(t *testing.T) {
	w := newWorld(t)
	id := w.group("demo")
	run, err := w.StartRun(t.Context(), &demo, id, parley.MessageID{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(run.Delta(t.Context(), "secret"), run.End(t.Context(), parley.RunCompleted, "")); err != nil {
		t.Fatal(err)
	}
	list, err := w.store.Messages(t.Context(), org, id, 1, 1, 1, false)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	w.must(ann, parley.DeleteMessage{Message: list[0].ID, ForEveryone: true})
	changes, err := w.store.Changes(t.Context(), org, id, 0, 99, 99)
	if err != nil || len(changes) != 4 {
		t.Fatal(changes, err)
	}
	if b := changes[2].Body.(*parley.RunBody); changes[2].Type != parley.RunEnded || b.Text != "" || b.Status != parley.RunCompleted {
		t.Errorf("the end is %+v", b)
	}
}

func TestASendIsKnownAfterItWasDeleted(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	post := parley.PostMessage{Conversation: id, Content: "x", ClientMsgID: "1"}
	first := w.must(ann, post)
	w.must(ann, parley.DeleteMessage{Message: first.Message.ID, ForEveryone: true})
	if r := w.must(ann, post); !r.Repeated || r.Message.ID != first.Message.ID || !r.Message.Deleted {
		t.Errorf("sent again: %+v", r.Message)
	}
}

func TestAMessageIsDeletedForOneself(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "cleo")
	m := w.said(ann, id, "x")
	r := w.must(ben, parley.DeleteMessage{Message: m})
	ev := r.Event
	if b := ev.Body.(*parley.MemberStateBody); ev.Type != parley.MemberHidden || !ev.Conversation.IsZero() || ev.ChangeSeq != 0 ||
		len(ev.Targets) != 1 || ev.Targets[0] != "ben" || b.Conversation != id || b.Message != m || b.Seq != 1 {
		t.Errorf("told as %+v, %+v", ev, b)
	}
	if again := w.must(ben, parley.DeleteMessage{Message: m}); again.Event != nil {
		t.Errorf("hidden twice: %+v", again.Event)
	}
	for who, want := range map[parley.PrincipalID]int{"ben": 1, "ann": 0} {
		if hidden, err := w.store.Hidden(t.Context(), org, id, who, 1, 9); err != nil || len(hidden) != want {
			t.Errorf("hidden from %s: %v, %v", who, hidden, err)
		}
	}
	w.refused(person("eve"), parley.DeleteMessage{Message: m}, parley.CodeNotFound)
	if c, err := w.store.Conversation(t.Context(), org, id); err != nil || c.ChangeSeq != 2 {
		t.Errorf("what is one's own took a number: %d, %v", c.ChangeSeq, err)
	}
}

func TestAnInternalMessageIsNotThereForTheOthers(t *testing.T) {
	w := newWorld(t)
	id, elsewhere := w.group("ben"), w.group("ben")
	secret := w.must(ann, parley.PostMessage{Conversation: id, Content: "x", Internal: true}).Message.ID
	for _, cmd := range []parley.Command{
		parley.EditMessage{Message: secret, Content: "y"},
		parley.DeleteMessage{Message: secret},
		parley.DeleteMessage{Message: secret, ForEveryone: true},
		parley.React{Message: secret, Emoji: "👍"},
		parley.ForwardMessage{Message: secret, Conversations: []parley.ConversationID{elsewhere}},
	} {
		w.refused(ben, cmd, parley.CodeNotFound)
	}
	w.refused(ben, parley.PostMessage{Conversation: id, Content: "what?", ReplyTo: secret}, parley.CodeInvalidArgument)
	// A role holds from when it is given on.
	w.must(ann, parley.SetRole{Conversation: id, Member: "ben", Role: parley.RoleAdmin})
	w.refused(ben, parley.React{Message: secret, Emoji: "👍"}, parley.CodeNotFound)
	next := w.must(ann, parley.PostMessage{Conversation: id, Content: "x", Internal: true}).Message.ID
	if r := w.must(ben, parley.React{Message: next, Emoji: "👍"}); !r.Event.Internal {
		t.Error("a reaction under an internal message is told to all")
	}
	w.must(ann, parley.SetRole{Conversation: id, Member: "ben", Role: parley.RoleMember})
	if r := w.must(ben, parley.React{Message: next, Emoji: "👍"}); r.Reacted { // what it heard it still knows
		t.Errorf("%+v", r)
	}
}

// What changes a message names those who deleted it for themselves, alone or with the
// conversation, so that they are not told; its deletion for everyone is told to all.
func TestWhatChangesAMessageNamesWhoHidIt(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "cat")
	m := w.said(ben, id, "one")
	edit := func(text string) []parley.PrincipalID {
		t.Helper()
		return parley.HiddenFrom(w.must(ben, parley.EditMessage{Message: m, Content: text}).Event)
	}
	if got := edit("two"); got != nil {
		t.Errorf("hidden from %v, want nobody", got)
	}
	w.must(ann, parley.DeleteMessage{Message: m})
	w.must(ben, parley.DeleteConversation{Conversation: id})
	want := []parley.PrincipalID{ann.ID, ben.ID}
	if got := edit("three"); !slices.Equal(got, want) {
		t.Errorf("the edit is hidden from %v, want %v", got, want)
	}
	if got := parley.HiddenFrom(w.must(ben, parley.React{Message: m, Emoji: "x"}).Event); !slices.Equal(got, want) {
		t.Errorf("the reaction is hidden from %v, want %v", got, want)
	}
	if got := parley.HiddenFrom(w.must(ben, parley.DeleteMessage{Message: m, ForEveryone: true}).Event); got != nil {
		t.Errorf("the deletion is hidden from %v, want nobody", got)
	}
}
