package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// own checks that an event is told to one principal alone.
func own(t *testing.T, ev *parley.Event, want parley.EventType, who parley.PrincipalID) *parley.MemberStateBody {
	t.Helper()
	if ev == nil {
		t.Fatalf("nothing was told, want %s", want)
	}
	if ev.Type != want || !ev.Conversation.IsZero() || ev.Class != parley.Durable || !slices.Equal(ev.Targets, []parley.PrincipalID{who}) {
		t.Errorf("told %+v, want %s to %s", ev, want, who)
	}
	b, _ := ev.Body.(*parley.MemberStateBody)
	return b
}

func TestAMuteEnds(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben")
	mute := func(until time.Time) parley.Result {
		t.Helper()
		return w.must(ben, parley.MuteConversation{Conversation: id, Until: until})
	}
	hour := clock.now.Add(time.Hour)
	if b := own(t, mute(hour).Event, parley.MemberMuted, "ben"); b.Conversation != id || !b.MutedUntil.Equal(hour) {
		t.Errorf("told %+v", b)
	}
	if r := mute(hour); r.Event != nil || !r.State.MutedUntil.Equal(hour) {
		t.Errorf("muted twice: %+v", r)
	}
	if r := mute(parley.MutedForever.AddDate(5, 0, 0)); !r.State.MutedUntil.Equal(parley.MutedForever) {
		t.Errorf("muted until %v", r.State.MutedUntil)
	}
	w.refused(ben, parley.MuteConversation{Conversation: id, Until: clock.now}, parley.CodeInvalidArgument)
	w.refused(cleo, parley.MuteConversation{Conversation: id, Until: hour}, parley.CodeNotFound)
	own(t, mute(time.Time{}).Event, parley.MemberUnmuted, "ben")
	if r := mute(time.Time{}); r.Event != nil {
		t.Errorf("unmuted twice: %+v", r.Event)
	}
}

func TestAConversationIsArchived(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben")
	archive := func(on bool) parley.Result {
		t.Helper()
		return w.must(ben, parley.ArchiveConversation{Conversation: id, On: on})
	}
	if r := archive(false); r.Event != nil {
		t.Errorf("taken out of the archive without being there: %+v", r.Event)
	}
	at := clock.tick()
	if b := own(t, archive(true).Event, parley.MemberArchived, "ben"); !b.ArchivedAt.Equal(at) {
		t.Errorf("told %+v", b)
	}
	clock.tick()
	if r := archive(true); r.Event != nil || !r.State.ArchivedAt.Equal(at) {
		t.Errorf("archived twice: %+v", r)
	}
	own(t, archive(false).Event, parley.MemberUnarchived, "ben")
	states, err := w.store.MemberStates(t.Context(), org, "ann", []parley.ConversationID{id})
	if err != nil || !states[0].ArchivedAt.IsZero() {
		t.Errorf("it is archived for ann: %+v, %v", states, err)
	}
}

// listed tells whether a conversation is on a principal's list.
func (w *world) listed(who parley.PrincipalID, id parley.ConversationID) bool {
	w.t.Helper()
	list, _, err := w.store.ConversationsOf(w.t.Context(), org, who, parley.Page{})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.ContainsFunc(list, func(c parley.Conversation) bool { return c.ID == id })
}

func TestAConversationIsDeletedForOneself(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	w.said(ann, id, "x")
	hide := parley.DeleteConversation{Conversation: id}
	if b := own(t, w.must(ben, hide).Event, parley.MemberHidden, "ben"); b.Conversation != id || b.Seq != 1 || !b.Message.IsZero() {
		t.Errorf("told %+v", b)
	}
	if r := w.must(ben, hide); r.Event != nil {
		t.Errorf("deleted twice: %+v", r.Event)
	}
	if w.listed("ben", id) || !w.listed("ann", id) {
		t.Error("it is still on the list, or gone from ann's")
	}
	w.said(ann, id, "y") // brings it back
	if !w.listed("ben", id) {
		t.Error("it does not come back")
	}
	if r := w.must(ben, hide); r.State.HiddenSeq != 2 {
		t.Errorf("deleted once more: %+v", r.State)
	}
	w.must(ben, parley.RemoveMember{Conversation: id, Member: "ben"})
	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"ben"}})
	if !w.listed("ben", id) {
		t.Error("who is added again does not find it")
	}
}

func TestAPairsConversationComesBackToTheList(t *testing.T) {
	w := newWorld(t)
	create := parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}
	id := w.must(ann, create).Conversation.ID
	w.said(ben, id, "x")
	w.must(ann, parley.DeleteConversation{Conversation: id})
	if again := w.must(ann, create); again.Conversation.ID != id || again.Event != nil {
		t.Errorf("found %+v", again)
	}
	states, err := w.store.MemberStates(t.Context(), org, "ann", []parley.ConversationID{id})
	if err != nil || !states[0].HiddenAt.IsZero() || states[0].HiddenSeq != 1 {
		t.Errorf("what was deleted is back: %+v, %v", states, err)
	}
	if !w.listed("ann", id) {
		t.Error("it is not on the list")
	}
}
