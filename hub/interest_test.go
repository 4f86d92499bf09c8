package hub

import (
	"testing"

	parley "github.com/parley-chat/parley"
)

// Names and patterns have the room for one seat between them: what is asked for
// after the first was taken back keeps to its own.
func TestOneInterestAfterAnother(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(t)
		pattern, err := parley.ParsePattern("events.org_test.app.*.*.*")
		if err != nil {
			t.Fatal(err)
		}
		ear := w.attach(nil)
		first := parley.Interest{Channels: []string{"lab"}}
		ear.Subscribe(&parley.Subscribe{Interest: first}, nil)
		ear.Unsubscribe(&parley.Unsubscribe{Interest: first}, parley.Unsubscribed{})
		ear.Subscribe(&parley.Subscribe{Ref: "r", Interest: parley.Interest{Patterns: []parley.Pattern{pattern}}}, nil)
		ear.subscribe()
		w.store.commit(&parley.Event{Type: "thing.changed", Channel: "app", Body: &parley.PublishedBody{Data: parley.RawJSON("{}")}})
		w.post("a")
		ear.expect("Unsubscribed", "Subscribed", "2 thing.changed {}", "3 message.created a")
	})
}
