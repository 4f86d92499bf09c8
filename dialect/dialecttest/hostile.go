package dialecttest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

// hostileFrames are refused or ignored by every dialect. The three surfaces that
// read frames tell them apart by `op`, `type` and `action`.
func hostileFrames() map[string]string {
	frames := map[string]string{
		"nothing":              "",
		"a blank":              " ",
		"null":                 "null",
		"true":                 "true",
		"a number":             "42",
		"a huge number":        strings.Repeat("9", 10000),
		"a text":               `"ping"`,
		"an array":             "[]",
		"an array of a frame":  `[{"op":"ping","type":"ping"}]`,
		"half an object":       `{"op":"ping"`,
		"an open text":         `{"op":"ping`,
		"a second object":      `{"op":"ping"}{"op":"ping"}`,
		"something after":      `{"type":"ping"} x`,
		"a byte order mark":    "\ufeff{\"op\":\"ping\"}",
		"a NUL":                "\x00",
		"not UTF-8":            "\xff\xfe{}",
		"single quotes":        `{'op':'ping'}`,
		"a comment":            `{"op":"ping"} // hello`,
		"a trailing comma":     `{"op":"ping",}`,
		"no colon":             `{"op" "ping"}`,
		"NaN":                  `{"op":NaN}`,
		"an empty object":      `{}`,
		"other fields only":    `{"hello":"world"}`,
		"an empty name":        `{"op":"","type":"","action":""}`,
		"an unknown name":      `{"op":"no such frame","type":"no such frame","action":"no such frame"}`,
		"an unknown one twice": `{"op":"none","op":"none","type":"none","type":"none","action":"none","action":"none"}`,
		"a null name":          `{"op":null,"type":null,"action":null}`,
		"a number as name":     `{"op":1,"type":1,"action":1}`,
		"a number beyond all":  `{"op":1e999999,"type":1e999999,"action":1e999999,"message_type":1e999999}`,
		"an array as name":     `{"op":["ping"],"type":["ping"],"action":["ping"]}`,
		"an object as name":    `{"op":{"op":"ping"},"type":{},"action":{}}`,
		"a name in capitals":   `{"op":"SUBSCRIBE","type":"SUBSCRIBE","action":"SUBSCRIBE"}`,
	}
	for name, depth := range map[string]int{"65 deep": 65, "10,000 deep": 10000, "30,000 deep": 30000} {
		frames[name+" arrays"] = strings.Repeat("[", depth) + strings.Repeat("]", depth)
		frames[name+" arrays, never closed"] = strings.Repeat("[", depth)
		frames[name+" objects"] = strings.Repeat(`{"op":`, depth) + "1" + strings.Repeat("}", depth)
		frames[name+" within a frame"] = `{"op":"ping","type":"ping","action":"subscribe","x":` +
			strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
	}
	return frames
}

func checkHostile(t *testing.T, d parley.Dialect, o Options) {
	frames := hostileFrames()
	for _, f := range o.Hostile {
		frames[f] = f
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			command, err := d.Decode([]byte(frame))
			checkDecoded(t, command, err)
			if _, ignored := command.(parley.Ignore); err == nil && !ignored {
				t.Errorf("it is read as %s", Show(command))
			}
		})
	}
	t.Run("frames with one field of another type", func(t *testing.T) {
		inbound, err := inboundFrames(o.dir())
		if err != nil {
			t.Fatal(err)
		}
		for _, frame := range inbound {
			for _, mutant := range mutants(frame) {
				command, err := d.Decode([]byte(mutant))
				checkDecoded(t, command, err)
			}
		}
	})
}

// mutants replaces each field of a frame by values of every other type, and
// takes it away.
func mutants(frame string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(frame), &fields) != nil {
		return nil
	}
	var out []string
	for key, was := range fields {
		for _, v := range []string{"null", "true", "-1", "1e400", `""`, `"x"`, "[]", "[null]", "[1]", `["",{}]`, "{}", `{"a":[]}`} {
			fields[key] = json.RawMessage(v)
			out = append(out, marshal(fields))
		}
		delete(fields, key)
		out = append(out, marshal(fields))
		fields[key] = was
	}
	return out
}

func marshal(fields map[string]json.RawMessage) string {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // every field is valid JSON
	}
	return string(text)
}

// checkDecoded: Decode answers with a command, or with an error that has a
// sentence for the client and one of the two codes of parley.Dialect.
func checkDecoded(t *testing.T, command parley.Command, err error) {
	t.Helper()
	if err == nil {
		if command == nil {
			t.Error("neither a command nor an error")
		}
		return
	}
	var e *parley.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("the error is a %T, not a *parley.Error: %v", err, err)
	case e.Code != parley.CodeInvalidFormat && e.Code != parley.CodeInvalidArgument:
		t.Errorf("the error's code is %s", e.Code)
	case e.Message == "":
		t.Error("the error has no sentence for the client")
	}
}

// FuzzDecode feeds Decode with anything; the seeds are the frames of the
// transcripts and the hostile ones. Whatever it is read as must be printable,
// and a Failure about it must be a frame.
func FuzzDecode(f *testing.F, d parley.Dialect, o Options) {
	inbound, err := inboundFrames(o.dir())
	if err != nil {
		f.Fatal(err)
	}
	for _, frame := range inbound {
		f.Add([]byte(frame))
	}
	for _, frame := range hostileFrames() {
		if len(frame) < 1000 {
			f.Add([]byte(frame))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		command, err := d.Decode(frame)
		checkDecoded(t, command, err)
		_ = Show(command)
		if again, _ := d.Decode(frame); Show(again) != Show(command) {
			t.Errorf("reading it twice differs: %s, %s", Show(command), Show(again))
		}
		if err == nil {
			return
		}
		if reply := d.AppendReply(nil, parley.Failure{Err: parley.AsError(err), Command: command}); len(reply) > 0 {
			wellFormed(t, reply)
		}
	})
}
