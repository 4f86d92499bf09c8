package jsonr

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":          {``, "it is not valid JSON"},
		"null":             {`null`, "it must be one JSON object"},
		"an array":         {`[{}]`, "it must be one JSON object"},
		"a string":         {`"{}"`, "it must be one JSON object"},
		"half an object":   {`{"a":`, "it is not valid JSON"},
		"trailing garbage": {`{} {}`, "it is not valid JSON"},
		"depth 65":         {nested(65), "the JSON is nested deeper than 64"},
	} {
		if o, err := Parse([]byte(tc.text)); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, %v, want %q", name, o, err, tc.want)
		}
	}
	if _, err := Parse([]byte(nested(64))); err != nil {
		t.Errorf("depth 64: %v", err)
	}
	if _, err := Parse([]byte(`{"a":"` + strings.Repeat(`[{\"`, 100) + `"}`)); err != nil {
		t.Errorf("brackets inside a string: %v", err)
	}
}

// nested is an object of the given depth.
func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func TestFields(t *testing.T) {
	o, err := Parse([]byte(` {"s":"x","empty":"","null":null,"n":7,"big":18446744073709551615,"half":0.5,"list":["a","b"],"holes":["a",null],"o":{"in":"y"},"S":"other"} `))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok, err := o.Text("s"); s != "x" || !ok || err != nil {
		t.Error("keys must match exactly:", s, ok, err)
	}
	if s, ok, err := o.Text("empty"); s != "" || !ok || err != nil {
		t.Error("an empty string is there:", s, ok, err)
	}
	for _, key := range []string{"null", "missing"} {
		if _, ok, err := o.Text(key); ok || err != nil {
			t.Errorf("%s must count as absent: %v %v", key, ok, err)
		}
	}
	if n, ok, err := o.Uint("big"); n != 1<<64-1 || !ok || err != nil {
		t.Error(n, ok, err)
	}
	if list, err := o.Texts("list"); !slices.Equal(list, []string{"a", "b"}) || err != nil {
		t.Error(list, err)
	}
	if child, err := o.Object("o"); string(child["in"]) != `"y"` || err != nil {
		t.Error(child, err)
	}
	if !o.IsNumber("half") || o.IsNumber("s") || o.IsNumber("missing") {
		t.Error("IsNumber is wrong")
	}
}

func TestFieldsOfTheWrongType(t *testing.T) {
	o, err := Parse([]byte(`{"s":"x","n":7,"half":0.5,"minus":-1,"holes":["a",null],"o":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, _, text := o.Text("n")
	_, _, half := o.Uint("half")
	_, _, minus := o.Uint("minus")
	_, holes := o.Texts("holes")
	_, object := o.Object("s")
	for i, err := range []error{text, half, minus, holes, object} {
		e, ok := err.(*Error)
		if !ok || e.Field == "" || !strings.HasPrefix(e.Message, e.Field+" must be ") {
			t.Errorf("case %d: got %v", i, err)
		}
	}
}

// FuzzParse: it takes what encoding/json takes for an object, to a depth, and finds
// the same fields.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,"]"]}`, `null`, `{"a":1}x`, nested(64), nested(65), `{"\ud800":"\\\""}`, " {\t\"a\" : [ ] ,\r\n\"b\":{} } ",
		`{"n":[0,-0,1.5e+10,-12E-3,10]}`, `{"n":01}`, `{"n":1.}`, `{"n":1e}`, `{"n":-}`, `{"n":+1}`, `{"a":tru}`, `{"a":true,}`, `{,}`, `{"a"}`,
		"{\"a\":\"\x01\"}", `{"a":"\u12g4"}`, `{"a":"\x"}`, "{\"\xff\":\"\xff\"}", `{"a":1,"a":"é\u00e9"}`, `{"a":[[],[1,{}],null,false]}`, `[`, `{"a":[1,]}`, `{"a":"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Parse(text)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(text, &want)
		if err != nil {
			if wantErr == nil && want != nil && !strings.Contains(err.Error(), "deeper") {
				t.Fatalf("Parse refused %q: %v", text, err)
			}
			return
		}
		if wantErr != nil || len(want) != len(o) {
			t.Fatalf("Parse took %q: %v", text, wantErr)
		}
		for key, value := range want {
			if string(o[key]) != string(value) {
				t.Fatalf("%q: %q is %q, want %q", text, key, o[key], value)
			}
			var s string
			if json.Unmarshal(value, &s) == nil && value[0] == '"' {
				if got, ok, err := o.Text(key); got != s || !ok || err != nil {
					t.Fatalf("%q: %q reads as %q, want %q", text, key, got, s)
				}
			}
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil || string(Compact(nil, text)) != compact.String() {
			t.Fatalf("Compact(%q) is %q", text, Compact(nil, text))
		}
		if is, _ := Each(text, func(string, []byte) {}); is != (len(text) == compact.Len()) {
			t.Fatalf("%q: compact is %v", text, is)
		}
	})
}

func TestParseKeepsNothingOfTheText(t *testing.T) {
	text := []byte(`{"a":"x"}`)
	o, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if string(o["a"]) != `"x"` {
		t.Errorf("a became %q", o["a"])
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"type":"order.placed","channel":"shop","data":{"id":"o-1048576","total":12.5,"text":"` + strings.Repeat("abcdefghij ", 18) + `"}}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := ParseOwned(text); err != nil {
			b.Fatal(err)
		}
	}
}
