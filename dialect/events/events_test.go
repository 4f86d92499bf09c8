package events_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/dialecttest"
	"github.com/parley-chat/parley/dialect/events"
)

func TestDialect(t *testing.T) { dialecttest.Run(t, events.New(), dialecttest.Options{}) }

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, events.New(), dialecttest.Options{}) }

func BenchmarkEncode(b *testing.B) { dialecttest.Bench(b, events.New()) }

// The one frame that the contract shows in full: every field of it must be in
// ours, of the same type, whatever we add.
func TestTheDocumentedFrame(t *testing.T) {
	const documented = `{"id":"evt_x","type":"message.new","channel":"conversation","timestamp":"t","data":{
		"conversation_id":"conv_x","message":{"id":"msg_x","content":"c","sender":{"type":"user","id":"u"},"created_at":"t"}}}`
	var want, got map[string]any
	if err := json.Unmarshal([]byte(documented), &want); err != nil {
		t.Fatal(err)
	}
	frame := events.New().AppendEvent(nil, dialecttest.Event("message.created"), parley.ViewPublic)
	if err := json.Unmarshal(frame, &got); err != nil {
		t.Fatal(err)
	}
	within(t, "frame", want, got)
	if got["type"] != "message.new" || got["channel"] != "conversation" {
		t.Errorf("type %v, channel %v", got["type"], got["channel"])
	}
}

func within(t *testing.T, path string, want, got map[string]any) {
	t.Helper()
	for key, w := range want {
		switch w := w.(type) {
		case map[string]any:
			inner, ok := got[key].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is %v, want an object", path, key, got[key])
				continue
			}
			within(t, path+"."+key, w, inner)
		default:
			if _, ok := got[key].(string); !ok {
				t.Errorf("%s.%s is %v, want a string", path, key, got[key])
			}
		}
	}
}

// Clients dedupe on id: the news of a Conn need ids that are valid, the same for
// the same news, and others for others.
func TestNewsHaveIDs(t *testing.T) {
	at := dialecttest.Time
	id := func(r parley.Reply) parley.EventID {
		t.Helper()
		var frame struct{ ID string }
		if err := json.Unmarshal(events.New().AppendReply(nil, r), &frame); err != nil {
			t.Fatal(err)
		}
		id, err := parley.ParseEventID(frame.ID)
		if err != nil {
			t.Fatalf("%q: %v", frame.ID, err)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Errorf("%s is no UUIDv7", id.UUID())
		}
		return id
	}
	first := parley.CursorMoved{Time: at, Cursor: "a"}
	if id(first) != id(first) {
		t.Error("the same news has two ids")
	}
	seen := map[parley.EventID]parley.Reply{}
	for _, r := range []parley.Reply{
		first,
		parley.CursorMoved{Time: at, Cursor: "b"},
		parley.CursorMoved{Time: at.Add(time.Millisecond), Cursor: "a"},
		parley.Reload{Time: at, Reason: "a"},
		parley.Reload{Time: at, Reason: "a", Conversation: dialecttest.Conversation},
	} {
		if other, ok := seen[id(r)]; ok {
			t.Errorf("%+v and %+v have the same id", r, other)
		}
		seen[id(r)] = r
	}
}
