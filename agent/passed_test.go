package agent

import (
	"testing"

	"github.com/parley-chat/parley"
)

func at(epoch, offset uint64) parley.Position {
	return parley.Position{Epoch: parley.Epoch(epoch), Offset: offset}
}

func told(t *testing.T, typ parley.EventType, body parley.Body, at parley.Position) []byte {
	t.Helper()
	data, err := parley.MarshalEvent(&parley.Event{Org: "o", Type: typ, Class: parley.Durable, Channel: "c", Position: at, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPublishedEventsAreHeardAndNotRead(t *testing.T) {
	var p passed
	custom := func(at parley.Position) {
		t.Helper()
		if p.hear(told(t, "order.placed", &parley.PublishedBody{}, at)) {
			t.Error("a custom event concerns agents")
		}
	}
	after := func(from, head, want parley.Position) {
		t.Helper()
		if got := p.after("o", from, head); got != want {
			t.Errorf("from %v with head %v: on at %v, want %v", from, head, got, want)
		}
	}
	after(at(1, 3), at(1, 9), at(1, 3)) // nothing was heard
	custom(at(1, 4))
	custom(at(1, 5))
	after(at(1, 3), at(1, 9), at(1, 5))
	after(at(1, 4), at(1, 5), at(1, 5))
	after(at(1, 2), at(1, 9), at(1, 2)) // 3 was not heard
	after(at(1, 5), at(1, 9), at(1, 5)) // it is there already
	after(at(1, 3), at(2, 9), at(1, 3)) // another epoch
	after(at(1, 3), at(1, 4), at(1, 3)) // beyond the head: not of this store

	if !p.hear(told(t, parley.MessageCreated, &parley.MessageBody{}, at(1, 6))) || !p.hear(nil) {
		t.Error("a message, or what cannot be told, concerns nobody")
	}
	custom(at(1, 7))
	after(at(1, 5), at(1, 9), at(1, 5)) // the message has to be read
	after(at(1, 6), at(1, 9), at(1, 7))
}
