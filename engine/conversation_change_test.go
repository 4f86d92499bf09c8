package engine

import (
	"slices"
	"testing"

	"github.com/parley-chat/parley"
)

func TestAConversationIsRenamed(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	id := w.group("ben")
	title, description, none, bad := "Plans", "for the summer", "", "\xff"
	now := clock.tick()
	r := w.must(ann, parley.UpdateConversation{Conversation: id, Title: &title})
	if b := r.Event.Body.(*parley.ConversationBody); r.Event.Type != parley.ConversationUpdated || b.Title != title || b.Description != "" {
		t.Errorf("told %+v", b)
	}
	w.must(ann, parley.UpdateConversation{Conversation: id, Description: &description})
	if r := w.must(ann, parley.UpdateConversation{Conversation: id, Title: &title, Description: &description}); r.Event != nil {
		t.Errorf("nothing changed, and it is told: %+v", r.Event)
	}
	c, err := w.store.Conversation(t.Context(), org, id)
	if err != nil || c.Title != title || c.Description != description || !c.LastActivity.Equal(now) || c.ChangeSeq != 3 {
		t.Errorf("stored as %+v, %v", c, err)
	}
	w.refused(ann, parley.UpdateConversation{Conversation: id, Title: &bad}, parley.CodeInvalidArgument)
	w.must(ann, parley.CloseConversation{Conversation: id})
	w.must(ann, parley.UpdateConversation{Conversation: id, Title: &none})
}

func TestADeletedConversationIsGone(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	m := w.said(ann, id, "x")
	remove := parley.DeleteConversation{Conversation: id, ForEveryone: true}
	w.refused(cleo, remove, parley.CodeNotFound)
	r := w.must(ann, remove)
	if b := r.Event.Body.(*parley.ConversationBody); r.Event.Type != parley.ConversationDeleted || b.Status != parley.StatusDeleted || b.Reason != "deleted" {
		t.Errorf("told %+v, %+v", r.Event, b)
	}
	if again := w.must(ann, remove); again.Event != nil || !again.Repeated {
		t.Errorf("deleted twice: %+v", again)
	}
	w.refused(ben, remove, parley.CodeNotFound)
	for _, cmd := range []parley.Command{
		parley.PostMessage{Conversation: id, Content: "x"},
		parley.EditMessage{Message: m, Content: "y"},
		parley.DeleteMessage{Message: m},
		parley.React{Message: m, Emoji: "👍"},
		parley.MoveReceipts{Conversation: id, Read: 1},
		parley.DeleteConversation{Conversation: id},
		parley.SetTyping{Conversation: id, On: true},
	} {
		w.refused(ann, cmd, parley.CodeNotFound)
	}
	if w.listed("ann", id) {
		t.Error("it is on the list")
	}
}

// What an agent is saying ends with its conversation, on whatever node it is said.
func TestRunsEndWithTheirConversation(t *testing.T) {
	for name, elsewhere := range map[string]bool{"here": false, "on another node": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			at := w.Engine
			if elsewhere {
				at = w.node("node-2")
				if err := at.renewLease(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			id, trigger := w.question()
			ear := w.listen()
			run := w.start(at, id, trigger)
			say(t, run, "it is bec")
			for range 3 { // started twice, and the text
				<-ear.events
			}
			w.refused(&demo, parley.DeleteConversation{Conversation: id, ForEveryone: true}, parley.CodeForbidden)
			if row, err := w.store.Run(t.Context(), org, run.ID()); err != nil || row.Status != parley.RunRunning {
				t.Fatalf("a refusal ended the run: %+v, %v", row, err)
			}
			w.must(ann, parley.DeleteConversation{Conversation: id, ForEveryone: true})
			row, err := w.store.Run(t.Context(), org, run.ID())
			if err != nil || row.Status != parley.RunCancelled {
				t.Errorf("the run is %+v, %v", row, err)
			}
			log := w.log()
			if got, want := types(log[len(log)-3:]), []parley.EventType{parley.MessageCreated, parley.RunEnded, parley.ConversationDeleted}; !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
			if b := log[len(log)-2].Body.(*parley.RunBody); b.Text != "it is bec" || b.Status != parley.RunCancelled {
				t.Errorf("the run ended as %+v", b)
			}
		})
	}
}

// A run that began while its conversation was deleted ends without a word.
func TestARunInADeletedConversationEnds(t *testing.T) {
	w := newWorld(t)
	id, trigger := w.question()
	run := w.start(w.Engine, id, trigger)
	say(t, run, "x")
	err := w.store.Update(t.Context(), func(tx parley.Tx) error {
		c, err := tx.Conversation(org, id)
		if err != nil {
			return err
		}
		c.Status = parley.StatusDeleted
		return tx.UpdateConversation(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	before := w.log()
	end(t, run, parley.RunCompleted)
	if row, err := w.store.Run(t.Context(), org, run.ID()); err != nil || row.Status != parley.RunCancelled {
		t.Errorf("the run is %+v, %v", row, err)
	}
	if after := w.log(); len(after) != len(before) {
		t.Errorf("told %v", types(after[len(before):]))
	}
}
