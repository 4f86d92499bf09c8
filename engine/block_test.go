package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func TestABlockIsOnesOwn(t *testing.T) {
	w := newWorld(t)
	block := func(who parley.PrincipalID, on bool) parley.Result {
		t.Helper()
		return w.must(ann, parley.BlockPrincipal{Principal: who, On: on})
	}
	for i, c := range []struct {
		who  parley.PrincipalID
		on   bool
		want parley.EventType
	}{
		{"ben", true, parley.PrincipalBlocked},
		{"ben", true, ""},
		{"never seen", true, parley.PrincipalBlocked},
		{"cleo", false, ""},
		{"ben", false, parley.PrincipalUnblocked},
		{"ben", false, ""},
	} {
		ev := block(c.who, c.on).Event
		if c.want == "" {
			if ev != nil {
				t.Errorf("step %d: told %+v", i, ev)
			}
			continue
		}
		own(t, ev, c.want, "ann")
		if b := ev.Body.(*parley.BlockBody); b.Blocked != c.who {
			t.Errorf("step %d: told %+v", i, b)
		}
	}
	blocks, err := w.store.Blocks(t.Context(), org, "ann")
	if err != nil || len(blocks) != 1 || blocks[0].Blocked != "never seen" {
		t.Errorf("stored %+v, %v", blocks, err)
	}
	for _, who := range []parley.PrincipalID{"ann", "", "\xff"} {
		w.refused(ann, parley.BlockPrincipal{Principal: who, On: true}, parley.CodeInvalidArgument)
	}
	w.refused(ann, parley.BlockPrincipal{Principal: parley.PrincipalID(strings.Repeat("x", 257)), On: true}, parley.CodeTooLarge)
}

// Whoever is blocked goes on as if it were not.
func TestABlockedSenderIsNotTold(t *testing.T) {
	w := newWorld(t)
	pair := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}).Conversation.ID
	w.must(ann, parley.BlockPrincipal{Principal: "ben", On: true})
	r := w.must(ben, parley.PostMessage{Conversation: pair, Content: "hello?"})
	w.must(ben, parley.React{Message: r.Message.ID, Emoji: "👍"})
	if again := w.must(ben, parley.CreateConversation{Members: []parley.PrincipalID{"ann"}}); again.Conversation.ID != pair {
		t.Error("the pair has another conversation")
	}
	for _, ev := range w.log() {
		if slices.Contains(ev.Targets, "ben") {
			t.Errorf("ben is told %s", ev.Type)
		}
	}
}
