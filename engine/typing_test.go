package engine

import (
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func TestTypingEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.group("ben")
		ear := w.listen()
		on := parley.SetTyping{Conversation: id, On: true, Origin: "conn-1"}

		w.must(ben, on)
		ev := ear.next(parley.TypingStarted)
		body := ev.Body.(*parley.TypingBody)
		if ev.Conversation != id || ev.ChangeSeq != 1 || ev.Class != parley.Ephemeral || body.Principal != "ben" || body.Origin != "conn-1" {
			t.Errorf("heard %+v, %+v", ev, body)
		}
		for range 9 { // within a second nothing new is told, but the typing lives on
			time.Sleep(100 * time.Millisecond)
			w.must(ben, on)
		}
		w.silent(ear)
		time.Sleep(200 * time.Millisecond)
		w.must(ben, on)
		ear.next(parley.TypingStarted)

		time.Sleep(w.cfg.Limits.TypingTTL - time.Millisecond)
		w.silent(ear)
		time.Sleep(2 * time.Millisecond)
		ear.next(parley.TypingStopped)
		time.Sleep(time.Minute)
		w.silent(ear)
	})
}

func TestAMessageEndsItsAuthorsTyping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.group("ben")
		ear := w.listen()
		w.must(ben, parley.SetTyping{Conversation: id, On: true})
		ear.next(parley.TypingStarted)
		w.must(ann, parley.PostMessage{Conversation: id, Content: "not ben"})
		w.silent(ear)
		r := w.must(ben, parley.PostMessage{Conversation: id, Content: "done"})
		if ev := ear.next(parley.TypingStopped); ev.ChangeSeq != r.Event.ChangeSeq {
			t.Errorf("stopped at change_seq %d, the message has %d", ev.ChangeSeq, r.Event.ChangeSeq)
		}
		time.Sleep(time.Minute)
		w.silent(ear)
	})
}

func TestTypingIsSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.group("ben")
		ear := w.listen()
		w.must(ben, parley.SetTyping{Conversation: id, On: true})
		w.must(ben, parley.SetTyping{Conversation: id})
		ear.next(parley.TypingStarted)
		ear.next(parley.TypingStopped)
		w.must(ben, parley.SetTyping{Conversation: id}) // told already
		w.silent(ear)
		time.Sleep(time.Minute)
		w.silent(ear)
	})
}
