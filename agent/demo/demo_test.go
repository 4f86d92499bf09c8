package demo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/agent"
)

// tape is an Emitter that writes down what it is told.
type tape struct {
	text   strings.Builder
	pieces int
	tools  []string
	typed  bool
}

func (t *tape) Text(_ context.Context, text string) error {
	t.pieces++
	t.text.WriteString(text)
	return nil
}

func (t *tape) ToolCalled(_ context.Context, call, tool string, arguments []byte) error {
	t.tools = append(t.tools, "called "+call+" "+tool+" "+string(arguments))
	return nil
}

func (t *tape) ToolReturned(_ context.Context, call, tool string, result []byte) error {
	t.tools = append(t.tools, "returned "+call+" "+tool+" "+string(result))
	return nil
}

func (t *tape) Typing(_ context.Context, on bool) error {
	t.typed = t.typed || on
	return errors.New("typing is a courtesy: the answer goes on")
}

func ask(t *testing.T, a *Agent, text string) *tape {
	t.Helper()
	var out tape
	in := agent.Input{Message: parley.Message{Content: text, SenderName: "Ann"}}
	if err := a.Run(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestAnOrderIsLookedUp(t *testing.T) {
	for _, question := range []string{
		"Where is my order 12345?", "order #12345", "What about 12345, my ORDER?", "My order number is 12345.",
	} {
		out := ask(t, &Agent{Pace: NoPace}, question)
		if len(out.tools) != 2 || out.tools[0] != `called call_1 search_orders {"order_id":"12345"}` {
			t.Fatalf("%q: tools %q", question, out.tools)
		}
		var found struct{ Status string }
		_, result, _ := strings.Cut(out.tools[1], "search_orders ")
		if err := json.Unmarshal([]byte(result), &found); err != nil || found.Status != "shipped" {
			t.Errorf("%q: result %s", question, result)
		}
		if s := out.text.String(); !strings.Contains(s, "12345") || !strings.Contains(s, "shipped") {
			t.Errorf("%q: said %q", question, s)
		}
	}
	for _, question := range []string{"in order to win", "the border 12345", "12345"} {
		if out := ask(t, &Agent{Pace: NoPace}, question); len(out.tools) != 0 {
			t.Errorf("%q: tools %q", question, out.tools)
		}
	}
}

func TestAStoryTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		out := ask(t, New(), "Tell me a Story, please")
		if took := time.Since(start); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		text := out.text.String()
		if text != story || out.pieces < 200 || !out.typed {
			t.Errorf("%d pieces, typed %v: %q", out.pieces, out.typed, text)
		}
		widths := map[int]bool{}
		for _, r := range text {
			widths[utf8.RuneLen(r)] = true
		}
		if len(widths) != 4 || strings.Count(text, "\n\n") < 3 {
			t.Errorf("runes of %v bytes, %d paragraphs", widths, strings.Count(text, "\n\n")+1)
		}
	})
}

func TestAnythingElseIsEchoedInAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		out := ask(t, New(), "What  is\nup? "+strings.Repeat("é", 100))
		if took := time.Since(start); took < 500*time.Millisecond || took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if s := out.text.String(); !strings.Contains(s, "Ann") || !strings.Contains(s, "What is up? éé") || len(s) > 400 {
			t.Errorf("said %q", s)
		}
	})
}

func TestItStopsWhenItIsNotWantedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var out tape
		err := New().Run(ctx, agent.Input{Message: parley.Message{Content: "story"}}, &out)
		if !errors.Is(err, context.DeadlineExceeded) || out.text.Len() == 0 || out.text.Len() == len(story) {
			t.Errorf("ended with %v after %d bytes", err, out.text.Len())
		}
	})
}
