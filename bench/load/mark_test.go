package load

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

func TestMarkIsReadAsItWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, MarkBytes+2)
	for range 10_000 {
		want := Mark{uint16(r.Uint32()), r.Uint32(), r.Uint64()}
		want.Put(b[1:])
		if got, ok := markAt(b, 1); !ok || got != want {
			t.Fatalf("wrote %+v, read %+v, %v: %s", want, got, ok, b)
		}
	}
	if _, ok := markAt(b, 2); ok {
		t.Error("a mark is read where none begins")
	}
	if _, ok := markAt(b, 3); ok {
		t.Error("a mark is read beyond the end")
	}
}

func TestPayloadIsAnObjectOfTheAgreedLengthWithAMark(t *testing.T) {
	for _, fields := range []string{"", `"id":"room"`, `"conversation_id":"conv_01m7zf2xxwe008000000000001","n":1`} {
		p := Payload(7, fields)
		if len(p) != PayloadBytes || !json.Valid(p) {
			t.Errorf("%d bytes: %s", len(p), p)
		}
		if m, ok := markAt(p, findMark(p, 0)); !ok || m != (Mark{Topic: 7}) {
			t.Errorf("holds %+v, %v", m, ok)
		}
	}
}
