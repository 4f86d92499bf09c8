package jsonr

import (
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

// FuzzParse: what it takes is a JSON object and nothing else.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,"]"]}`, `null`, `{"a":1}x`, nested(64), nested(65), `{"\ud800":"\\\""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Parse(text)
		if err != nil {
			return
		}
		var any map[string]any
		if err := json.Unmarshal(text, &any); err != nil || len(any) != len(o) {
			t.Fatalf("Parse took %q: %v", text, err)
		}
	})
}
