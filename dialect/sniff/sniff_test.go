package sniff

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

var frames = map[string]struct {
	frame string
	want  Tongue
}{
	"a chat client subscribes":           {`{"action":"subscribe","conversation_ids":["conv_1"]}`, Chat},
	"a chat client subscribes a session": {`{"action":"subscribe_session","session_id":"run_1"}`, Chat},
	"a chat client authenticates":        {`{"action":"auth","token":"t"}`, Chat},
	"action decides before type":         {`{"type":"live_state","action":"subscribe"}`, Chat},
	"a bot client authenticates":         {`{"type":"auth","token":"t"}`, Bot},
	"a bot client subscribes":            {`{"type":"subscribe","session_id":"s"}`, Bot},
	"type decides before message_type":   {`{"type":"message","message_type":1}`, Bot},
	"a null action is none":              {`{"action":null,"type":"auth"}`, Bot},
	"a shipped page speaks":              {`{"bot_id":"b","content":"","message_type":1}`, Pages},
	"a ping is anyone's":                 {`{"type":"ping"}`, Undecided},
	"a ping with a time is anyone's":     {`{"type":"ping","timestamp":"2026-11-21T10:00:00Z"}`, Undecided},
}

func TestFirst(t *testing.T) {
	for name, tc := range frames {
		if got, err := First([]byte(tc.frame)); got != tc.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
}

func TestFirstOfNoTongue(t *testing.T) {
	for name, frame := range map[string]string{
		"nothing":                  ``,
		"not JSON":                 `hello`,
		"null":                     `null`,
		"an array":                 `[{"type":"auth"}]`,
		"an empty object":          `{}`,
		"keys in capitals":         `{"Type":"auth"}`,
		"an action that is a list": `{"action":["subscribe"],"type":"auth"}`,
		"a type that is a number":  `{"type":1}`,
		"a message_type in quotes": `{"message_type":"1"}`,
		"nested too deep":          strings.Repeat(`{"type":`, 65) + `1` + strings.Repeat(`}`, 65),
	} {
		got, err := First([]byte(frame))
		if got != Undecided || !errors.Is(err, &parley.Error{Code: parley.CodeInvalidFormat}) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// FuzzFirst: no frame makes it panic, and what it says is one of the two.
func FuzzFirst(f *testing.F) {
	for _, tc := range frames {
		f.Add([]byte(tc.frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if got, err := First(frame); err != nil && got != Undecided {
			t.Fatalf("First(%q) = %q and %v", frame, got, err)
		}
	})
}
