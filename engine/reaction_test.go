package engine

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func TestAReactionIsToggled(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	m := w.said(ann, id, "x")
	yes, no := true, false
	changeSeq := uint64(2)
	for i, c := range []struct {
		who     *parley.Principal
		emoji   string
		on      *bool
		reacted bool
		told    bool
	}{
		{ben, "👍", nil, true, true},
		{ann, "👍", nil, true, true}, // everybody for itself
		{ben, "👍", nil, false, true},
		{ben, "👍", &no, false, false}, // is so already
		{ben, "👍", &yes, true, true},
		{ben, "👍", &yes, true, false},
		{ben, "👩‍👩‍👧‍👦", nil, true, true},
	} {
		r := w.must(c.who, parley.React{Conversation: id, Message: m, Emoji: c.emoji, On: c.on})
		if r.Reacted != c.reacted || (r.Event != nil) != c.told {
			t.Fatalf("step %d: reacted %v, event %v", i, r.Reacted, r.Event)
		}
		if !c.told {
			continue
		}
		changeSeq++
		want := parley.ReactionBody{Message: m, Seq: 1, Principal: c.who.ID, Emoji: c.emoji, Added: c.reacted}
		if b := r.Event.Body.(*parley.ReactionBody); !reflect.DeepEqual(*b, want) || r.Event.ChangeSeq != changeSeq || r.Event.Type != parley.ReactionChanged {
			t.Errorf("step %d: told %+v, %+v", i, r.Event, b)
		}
	}
	all, err := w.store.Reactions(t.Context(), org, id, 1, 1, 0)
	if err != nil || len(all) != 3 {
		t.Errorf("stored %v, %v", all, err)
	}
}

func TestWhatMayBeReactedTo(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	m := w.said(ann, id, "x")
	for _, emoji := range []string{"", "\xff", "a\nb", "\x00", "\u0085", strings.Repeat("x", 65)} {
		w.refused(ben, parley.React{Message: m, Emoji: emoji}, parley.CodeInvalidArgument)
	}
	w.must(ben, parley.React{Message: m, Emoji: ":+1:"})
	w.refused(ben, parley.React{Message: m, Conversation: w.group("ben"), Emoji: "👍"}, parley.CodeNotFound)
	w.refused(cleo, parley.React{Message: m, Emoji: "👍"}, parley.CodeNotFound)
	gone := w.said(ann, id, "y")
	w.must(ann, parley.DeleteMessage{Message: gone, ForEveryone: true})
	w.refused(ben, parley.React{Message: gone, Emoji: "👍"}, parley.CodeConflict)
	w.must(ann, parley.CloseConversation{Conversation: id})
	w.refused(ben, parley.React{Message: m, Emoji: "👍"}, parley.CodeClosed)
}

func TestAMessageHasABoundedNumberOfEmoji(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	m := w.said(ann, id, "x")
	react := func(i int) parley.React { return parley.React{Message: m, Emoji: fmt.Sprint(i)} }
	for i := range maxEmojis {
		w.must(ann, react(i))
	}
	before := w.log()
	w.refused(ben, react(maxEmojis), parley.CodeConflict)
	if after := w.log(); len(after) != len(before) {
		t.Errorf("a refusal was told: %v", types(after[len(before):]))
	}
	w.must(ben, react(0)) // one that is there
	w.must(ann, react(1))
	w.must(ben, react(maxEmojis))
}
