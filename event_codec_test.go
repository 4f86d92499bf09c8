package parley_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/dialecttest"
	"github.com/parley-chat/parley/internal/race"
)

// The stored form is a promise: what is written by hand is what encoding/json
// would write, and is read back as it was.
func TestEventsAreWrittenAndReadAsJSON(t *testing.T) {
	for _, s := range dialecttest.Events() {
		t.Run(s.Name, func(t *testing.T) { checkCodec(t, s.Event) })
	}
}

func TestAnyEventIsWrittenAndReadAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkCodec(t, anyEvent(t)) })
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func checkCodec(t fataler, e *parley.Event) {
	want, err := parley.MarshalSlow(e)
	if err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	const before = "what was there "
	got, err := parley.AppendEvent([]byte(before), e)
	if err != nil || string(got) != before+string(want) {
		t.Fatalf("written, error %v\n%s, want\n%s", err, got, want)
	}
	slow, err := parley.UnmarshalSlow(want)
	if err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	text := bytes.Clone(want)
	fast, err := parley.UnmarshalEvent(text)
	if err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	for i := range text {
		text[i] = 'x' // the reader may keep nothing of it
	}
	if !reflect.DeepEqual(fast, slow) {
		t.Fatalf("%s\nis read as    %+v %+v\nencoding/json %+v %+v", want, fast, fast.Body, slow, slow.Body)
	}
	if bytes.Contains(want, []byte(`\ufffd`)) {
		return // what was not UTF-8 is not kept
	}
	if again, err := parley.MarshalEvent(fast); err != nil || !bytes.Equal(again, want) {
		t.Fatalf("written again, error %v\n%s, want\n%s", err, again, want)
	}
}

// The one pass must not be lost unnoticed, by a field that is read in another
// order than it is written in. Names with escapes, and
// whom a change is hidden from, are left to encoding/json.
func TestEventsAreReadInOnePass(t *testing.T) {
	for _, s := range dialecttest.Events() {
		if strings.Contains(s.Name, "hostile") || s.Name == "message.updated/hidden" {
			continue
		}
		data, err := parley.MarshalEvent(s.Event)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := parley.ReadFast(data); !ok {
			t.Errorf("%s is not: %s", s.Name, data)
		}
	}
}

// anyEvent draws an event with one of the bodies that are written by hand.
func anyEvent(t *rapid.T) *parley.Event {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", dialecttest.Hostile, "<b>&amp;</b>", "bad \xff utf8 \xe2\x80", "\u2027\u2028\u2029\u202a", "a\nb\t\"c\"", "\ufffd", "\b\f\x7f",
	}))
	draw := func(name string) string { return text.Draw(t, name) }
	id := func(name string) (id [16]byte) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, name))
		return id
	}
	at := func(name string) time.Time {
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, name), rapid.Int64Range(0, 1e9-1).Draw(t, name)).UTC()
	}
	e := &parley.Event{
		ID: id("id"), Org: parley.OrgID(draw("org")), Class: parley.Class(rapid.Byte().Draw(t, "class")), Time: at("time"),
		Actor: parley.PrincipalID(draw("actor")), ActorKind: parley.PrincipalKind(draw("kind")),
		Conversation: id("conversation"), ChangeSeq: rapid.Uint64().Draw(t, "change_seq"), Channel: draw("channel"),
		Internal: rapid.Bool().Draw(t, "internal"),
		Position: parley.Position{Epoch: parley.Epoch(rapid.Uint64Max(1<<64-10).Draw(t, "epoch")), Offset: rapid.Uint64Max(1<<60).Draw(t, "offset")},
	}
	for _, target := range rapid.SliceOfN(text, 0, 3).Draw(t, "targets") {
		e.Targets = append(e.Targets, parley.PrincipalID(target))
	}
	switch rapid.IntRange(0, 3).Draw(t, "body") {
	case 0:
		e.Type = parley.EventType("x." + draw("type"))
		e.Body = &parley.PublishedBody{Data: anyJSON(t), ResourceID: draw("resource")}
	case 1:
		e.Type = parley.TypingStarted
		e.Body = &parley.TypingBody{Principal: "ada", Kind: parley.PrincipalKind(draw("k")), Name: draw("name"), Origin: draw("origin")}
	case 2:
		e.Type = parley.StreamDelta
		e.Body = &parley.DeltaBody{
			Run: id("run"), Message: id("message"), Agent: "demo", Epoch: rapid.Uint64Max(1<<63).Draw(t, "e"),
			RSeq: rapid.Uint64Max(1<<63).Draw(t, "rseq"), Offset: rapid.IntRange(-9, 1<<31-1).Draw(t, "at"), Text: draw("text"),
		}
	case 3:
		e.Type = parley.MessageCreated
		m := parley.Message{
			ID: id("message"), Conversation: e.Conversation, Seq: 7, Sender: "ada", SenderKind: parley.KindUser, SenderName: draw("name"),
			Content: draw("content"), ContentType: "text", ContentMeta: draw("meta"), ReplyTo: id("reply"), ThreadID: id("thread"),
			ThreadRole: draw("role"), TaskID: draw("task"), ClientMsgID: draw("client"), CreatedAt: at("created"), EditCount: rapid.IntRange(0, 3).Draw(t, "edits"),
			Internal: e.Internal, Forwarded: rapid.Bool().Draw(t, "forwarded"), Deleted: rapid.Bool().Draw(t, "deleted"), Origin: draw("origin"),
		}
		if m.Deleted {
			m.EditedAt = at("edited")
		}
		if m.Forwarded {
			m.Run = &parley.RunRef{ID: id("run"), Status: parley.RunStatus(draw("status")), After: 4}
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "files") {
			m.Attachments = append(m.Attachments, parley.File{
				ID: parley.AttachmentID{1, byte(i)}, Name: draw("file"), ContentType: "image/png", Size: rapid.Int64Min(0).Draw(t, "size"),
			})
		}
		body := &parley.MessageBody{Message: m}
		for _, who := range rapid.SliceOfN(text, 0, 2).Draw(t, "hidden from") {
			body.HiddenFrom = append(body.HiddenFrom, parley.PrincipalID(who))
		}
		e.Body = body
	}
	return e
}

// anyJSON draws a compact JSON object.
func anyJSON(t *rapid.T) parley.RawJSON {
	object := rapid.MapOf(rapid.String(), rapid.OneOf(
		rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "s") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Float64().Draw(t, "f") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOf(rapid.Int()).Draw(t, "a") }),
	)).Draw(t, "data")
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return data
}

// Whatever the bytes are, they are read as encoding/json reads them.
func FuzzUnmarshalEvent(f *testing.F) {
	for _, s := range dialecttest.Events() {
		data, err := parley.MarshalEvent(s.Event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	head := `{"id":"` + id[parley.EventID](9).String() + `","org":"o","type":"a.b","class":1,"time":"2026-11-21T16:30:00Z"`
	for _, rest := range []string{
		`,"body":{"data":{"a":[1,-0.5e+3,true,false,null,"\u00e9\/"]}}}`, `,"body":{"data":{"a":01}}}`, `,"body":{"data":{"a":"\x"}}}`,
		`,"body":null}`, `,"body":{"data":null}}`, `,"body":{"data":{}}} `, `,"body":{"data":{}}}}`, `,"change_seq":007,"body":{"data":{}}}`,
		`,"change_seq":18446744073709551616,"body":{"data":{}}}`, `,"targets":[],"body":{"data":{}}}`, `,"internal":false,"body":{"data":{}}}`,
		`,"position":{"epoch":1,"offset":2},"body":{"data":{"x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}}`,
		`,"channel":"\u0061","body":{"data":{},"resource_id":"a\n\ud83d\ude00"}}`, `,"channel":"` + "\xff" + `","body":{"data":{}}}`,
	} {
		f.Add([]byte(head + rest))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, slowErr := parley.UnmarshalSlow(data)
		got, err := parley.UnmarshalEvent(data)
		if (err == nil) != (slowErr == nil) {
			t.Fatalf("error %v, encoding/json %v", err, slowErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read as %+v %+v, encoding/json %+v %+v", got, got.Body, want, want.Body)
		}
	})
}

// What is copied without being read is JSON if encoding/json says so.
func FuzzScanValue(f *testing.F) {
	for _, text := range []string{
		`{}`, `{ "a" : 1 , "b":[ ] }`, `{"a":{"b":[1,{"c":"\\\""}]},"a":-0}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[]`, `{"a":tru}`, `{"a":1.}`,
		`{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}", `{"a":"`, `{"a":1}x`, `null`, ``, "{\"\xff\":1}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) != len(bytes.TrimSpace(text)) {
			return
		}
		if got, want := parley.IsJSON(text, 1<<20), json.Valid(text); got != want {
			t.Fatalf("taken: %t, encoding/json says %t", got, want)
		}
	})
}

func TestScanValueIsBoundedInDepth(t *testing.T) {
	for text, depth := range map[string]int{`1`: 0, `{}`: 1, `{"a":[]}`: 2, `{"a":[{"b":1}],"c":{}}`: 3} {
		if !parley.IsJSON([]byte(text), depth) || depth > 0 && parley.IsJSON([]byte(text), depth-1) {
			t.Errorf("%s does not nest %d deep", text, depth)
		}
	}
}

// Counted rather than timed: what the path of a live event may allocate.
func TestTheCodecAllocatesLittle(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates too")
	}
	e := benchEvent()
	data, err := parley.MarshalEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 2*len(data))
	for name, c := range map[string]struct {
		most float64
		do   func() error
	}{
		"MarshalEvent":   {1, func() error { _, err := parley.MarshalEvent(e); return err }},
		"AppendEvent":    {0, func() error { _, err := parley.AppendEvent(buf, e); return err }},
		"UnmarshalEvent": {4, func() error { _, err := parley.UnmarshalEvent(data); return err }},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s allocates %v times, at most %v", name, n, c.most)
		}
	}
}

// benchEvent is a custom event of a conversation with 256 bytes of data.
func benchEvent() *parley.Event {
	conversation := id[parley.ConversationID](7)
	data := `{"conversation_id":"` + conversation.String() + `","text":"`
	data += strings.Repeat("x", 254-len(data)) + `"}`
	return &parley.Event{
		ID: id[parley.EventID](9), Org: "org_demo", Type: "cursor.moved", Class: parley.Ephemeral,
		Time: time.Date(2026, 11, 21, 16, 30, 0, 123e6, time.UTC), Actor: "bench", ActorKind: parley.KindService,
		Conversation: conversation, ChangeSeq: 12, Channel: "bench", Body: &parley.PublishedBody{Data: parley.RawJSON(data)},
	}
}

func BenchmarkMarshalEvent(b *testing.B) {
	for _, s := range benchEvents() {
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parley.MarshalEvent(s.Event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshalEvent(b *testing.B) {
	for _, s := range benchEvents() {
		b.Run(s.Name, func(b *testing.B) {
			data, err := parley.MarshalEvent(s.Event)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := parley.UnmarshalEvent(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchEvents() []dialecttest.Sample {
	list := []dialecttest.Sample{{Name: "custom of 256 bytes", Event: benchEvent()}}
	for _, s := range dialecttest.Events() {
		switch s.Name {
		case "message.created", "message.stream.delta", "typing.started":
			list = append(list, s)
		}
	}
	return list
}
