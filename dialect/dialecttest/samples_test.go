package dialecttest

import (
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// The suite is worth what its samples are worth: of every type there is one that
// bears the type's name, and every field of every body is filled in some sample.
func TestSamplesAreComplete(t *testing.T) {
	byName, byID := map[string]*parley.Event{}, map[parley.EventID]string{}
	for _, s := range Events() {
		if byName[s.Name] != nil {
			t.Errorf("two samples are called %s", s.Name)
		}
		byName[s.Name] = s.Event
		if byID[s.Event.ID] != "" {
			t.Errorf("%s and %s have the same id", byID[s.Event.ID], s.Name)
		}
		byID[s.Event.ID] = s.Name
	}
	for _, spec := range parley.EventSpecs() {
		e := byName[string(spec.Type)]
		if e == nil {
			t.Errorf("no sample is called %s", spec.Type)
			continue
		}
		if got, want := reflect.TypeOf(e.Body), reflect.TypeOf(spec.New()); got != want {
			t.Errorf("the body of the sample %s is a %s, want %s", spec.Type, got, want)
		}
	}
	filled := map[string]bool{}
	for _, s := range Events() {
		fill(filled, reflect.ValueOf(*s.Event))
		fill(filled, reflect.ValueOf(s.Event.Body).Elem())
	}
	for field, ok := range filled {
		if !ok {
			t.Errorf("no sample fills %s", field)
		}
	}
}

// fill notes which fields of the structs of this module are ever not zero.
func fill(filled map[string]bool, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name
		if v.Type().Field(i).Tag.Get("json") == "-" {
			continue // no part of the event
		}
		filled[name] = filled[name] || !f.IsZero()
		for f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		switch {
		case f.Kind() == reflect.Struct && f.Type().PkgPath() == v.Type().PkgPath():
			fill(filled, f)
		case f.Kind() == reflect.Slice && f.Len() > 0 && f.Index(0).Kind() == reflect.Struct:
			for j := range f.Len() {
				fill(filled, f.Index(j))
			}
		}
	}
}

// MarshalEvent and UnmarshalEvent lose nothing that a dialect or the hub reads.
func TestEventsSurviveTheStoreAndTheBus(t *testing.T) {
	for _, s := range Events() {
		t.Run(s.Name, func(t *testing.T) {
			data, err := parley.MarshalEvent(s.Event)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parley.UnmarshalEvent(data)
			if err != nil {
				t.Fatal(err)
			}
			if want, ok := s.Event.Body.(*parley.PublishedBody); ok && len(want.Data) == 0 {
				want.Data = parley.RawJSON("null")
			}
			if want, ok := s.Event.Body.(*parley.MessageBody); ok && !utf8.ValidString(want.Content) {
				want.Content, want.SenderName = "cut off: \ufffd\ufffd\ufffd\ufffd", "cut off: \ufffd\ufffd\ufffd\ufffd"
			}
			if !reflect.DeepEqual(got, s.Event) {
				t.Fatalf("read back it differs\n got %+v %+v\nwant %+v %+v", got, got.Body, s.Event, s.Event.Body)
			}
		})
	}
}

func TestEveryReplyHasASample(t *testing.T) {
	have := map[string]bool{}
	for _, s := range Replies() {
		have[reflect.TypeOf(s.Reply).Name()] = true
	}
	for _, name := range []string{
		"Greeting", "Authenticated", "Subscribed", "Unsubscribed", "Accepted", "History",
		"Pong", "CursorMoved", "Reload", "Expiring", "Failure",
	} {
		if !have[name] {
			t.Errorf("there is no sample of parley.%s", name)
		}
	}
}

func TestShow(t *testing.T) {
	unparsed := parley.Pattern{Text: "events.>"}
	for want, c := range map[string]parley.Command{
		`Ping{}`:                         parley.Ping{},
		`nothing`:                        nil,
		`Authenticate{Token: "a \"b\""}`: parley.Authenticate{Token: `a "b"`},
		`Subscribe{Ref: "x", Interest: Interest{Patterns: ["events.*.a.b.c.*", ?"events.>"]}}`: parley.Subscribe{
			Ref: "x", Interest: parley.Interest{Patterns: []parley.Pattern{MustPattern("events.*.a.b.c.*"), unparsed}},
		},
		`SetTyping{Conversation: ` + Conversation.String() + `, On: true}`: parley.SetTyping{Conversation: Conversation, On: true},
		`PublishEvent{Type: "a.b", Data: {"n":1}}`:                         parley.PublishEvent{Type: "a.b", Data: parley.RawJSON(`{"n":1}`)},
	} {
		if got := Show(c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
