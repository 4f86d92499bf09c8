package tests

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// answer is an agent's answer as a listener assembled it.
type answer struct {
	text   string
	pieces int
	final  string // the whole, where the surface says it at the end
	status string // once it has ended
	ends   int
}

// piece puts a piece of text in its place; one that leaves a hole, or splits a
// rune, is an error.
func (a *answer) piece(t testing.TB, surface string, offset int, text string) {
	if offset > len(a.text) || !utf8.ValidString(text) {
		t.Errorf("%s: a piece at %d of an answer of %d bytes: %q", surface, offset, len(a.text), text)
		return
	}
	a.text = a.text[:offset] + text
	a.pieces++
}

func (a *answer) end(status string) {
	a.status = status
	a.ends++
}

// takeAnswer notes what a frame says of an answer. Under mu.
func (l *listener) takeAnswer(f *anyFrame) {
	at := func(id string) *answer {
		if message, err := parley.ParseMessageID(id); err == nil {
			id = message.String()
		}
		if l.answers[id] == nil {
			l.answers[id] = &answer{}
		}
		return l.answers[id]
	}
	switch l.surface {
	case "bot":
		switch f.Type {
		case "stream_start":
			at(f.MessageID).text = ""
		case "stream_chunk":
			at(f.MessageID).piece(l.t, l.surface, f.Offset, f.Content)
		case "stream_end":
			a := at(f.MessageID)
			a.final = f.Content
			a.end(f.Status)
		}
	case "topics":
		p := &f.Event.Payload
		switch {
		case f.Event.EventName == "message_posted" && len(p.Parts) == 1:
			at(p.ID).final = p.Parts[0].Text
		case f.Event.EventName == "message_stream" && p.Done:
			at(p.MessageID).end(p.Status)
		case f.Event.EventName == "message_stream":
			at(p.MessageID).piece(l.t, l.surface, p.Offset, p.Content)
		}
	case "chat":
		var inner struct {
			Type    string
			Payload chatPayload
		}
		if json.Unmarshal(f.Payload, &inner) != nil {
			return
		}
		p := &inner.Payload
		switch {
		case inner.Type == "task_stream_delta":
			at(p.MessageID).piece(l.t, l.surface, p.Offset, p.Delta)
			l.task(p.SessionID, p.MessageID)
		case inner.Type == "task.status_updated" && p.Status != "running":
			at(l.tasks[p.TaskID]).end(p.Status)
		}
	}
}

// task remembers which message a run becomes: the chat surface tells a run's end
// by the run's id.
func (l *listener) task(run, message string) {
	if l.tasks == nil {
		l.tasks = map[string]string{}
	}
	l.tasks[run] = message
}

// answer returns a copy of the only answer that grew piece by piece.
func (l *listener) streamed() (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.answers {
		if a.pieces > 0 {
			return *a, true
		}
	}
	return answer{}, false
}

var streaming = []string{"bot", "topics", "chat"}

// askForAStory begins a conversation of a person and the demo agent, with a
// listener on each surface, and asks.
func askForAStory(ctx context.Context, t *testing.T, s *server) (ears []*listener, conversation string) {
	owner := s.token("owner")
	conversation = s.conversation(owner, "agent_group", "ear", "demo")
	for _, surface := range append(slices.Clone(streaming), "events") {
		ears = append(ears, listen(ctx, t, s, surface, s.token("ear"), []string{conversation}))
	}
	s.must("POST", "/v1/chat/messages/send", owner, map[string]any{"conversation_id": conversation, "content_text": "Tell me a story"}, nil)
	return ears, conversation
}

// history returns the text of the last message.
func lastMessage(s *server, token, conversation string) (text string) {
	var page struct {
		Messages []struct {
			ContentText string `json:"content_text"`
		}
	}
	s.must("GET", "/v1/chat/conversations/"+conversation+"/messages", token, nil, &page)
	return page.Messages[len(page.Messages)-1].ContentText
}

// P4: what a client assembled from the pieces is the final text, byte for byte.
func TestAnAnswerStreamsToItsEndOnEverySurface(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears, conversation := askForAStory(ctx, t, s)
	for _, ear := range ears[:len(streaming)] {
		eventually(t, 40*time.Second, ear.surface+" hears the end", func() bool { a, ok := ear.streamed(); return ok && a.ends > 0 })
	}
	eventually(t, 5*time.Second, "events hears question and answer", func() bool { return ears[3].count() == 2 })
	whole := lastMessage(s, s.token("owner"), conversation)
	if !strings.ContainsRune(whole, '🍊') {
		t.Fatalf("the story has no multi-byte text: %q", whole)
	}
	for _, ear := range ears[:len(streaming)] {
		a, _ := ear.streamed()
		if a.text != whole || a.ends != 1 || a.status != "completed" || a.pieces < 20 {
			t.Errorf("%s: %d ends as %q after %d pieces; assembled %d bytes of %d", ear.surface, a.ends, a.status, a.pieces, len(a.text), len(whole))
		}
	}
}

// P4 over kill -9 of the server in mid-answer: at the restart the run is ended as
// interrupted, the prefix that clients saw is kept, and whoever returns is told.
func TestAnAnswerCutOffByAKillIsEndedAsInterrupted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears, conversation := askForAStory(ctx, t, s)
	for _, ear := range ears[:len(streaming)] {
		eventually(t, 40*time.Second, ear.surface+" hears some of it", func() bool { a, _ := ear.streamed(); return a.pieces > 30 })
	}
	s.kill()
	seen := map[string]string{}
	for _, ear := range ears[:len(streaming)] {
		a, _ := ear.streamed()
		seen[ear.surface] = a.text
	}
	s.start()
	for _, ear := range ears[:len(streaming)] {
		eventually(t, 20*time.Second, ear.surface+" is told the end", func() bool { a, _ := ear.streamed(); return a.ends > 0 })
	}
	eventually(t, 5*time.Second, "events hears the message", func() bool { return ears[3].count() == 2 })
	kept := lastMessage(s, s.token("owner"), conversation)
	for _, ear := range ears[:len(streaming)] {
		a, _ := ear.streamed()
		if a.ends != 1 || a.status != "interrupted" {
			t.Errorf("%s: told %d ends, %q", ear.surface, a.ends, a.status)
		}
		if !strings.HasPrefix(kept, seen[ear.surface]) || len(seen[ear.surface]) == 0 {
			t.Errorf("%s: saw %q, which is not a prefix of what is kept: %q", ear.surface, seen[ear.surface], kept)
		}
		if ear.surface != "chat" && a.final != kept {
			t.Errorf("%s: was told %q, kept is %q", ear.surface, a.final, kept)
		}
	}
}

// A client that is away while an answer grows, and one that comes in the middle,
// have the same text as one that never left.
func TestWhoJoinsInMidAnswerHasItWhole(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears, conversation := askForAStory(ctx, t, s)
	eventually(t, 40*time.Second, "the answer is on its way", func() bool { a, _ := ears[0].streamed(); return a.pieces > 30 })
	var late []*listener
	for _, surface := range streaming {
		late = append(late, listen(ctx, t, s, surface, s.token("ear"), []string{conversation}))
	}
	for _, ear := range late {
		eventually(t, 40*time.Second, ear.surface+" hears the end", func() bool { a, ok := ear.streamed(); return ok && a.ends > 0 })
	}
	whole := lastMessage(s, s.token("owner"), conversation)
	for _, ear := range late {
		if a, _ := ear.streamed(); a.text != whole || a.status != "completed" {
			t.Errorf("%s: assembled %d bytes of %d, %q", ear.surface, len(a.text), len(whole), a.status)
		}
	}
}

// SIGTERM in mid-answer: the answer goes on for half of the drain; then the run is
// ended and told before clients are sent away.
func TestADrainEndsAnswersAndExitsCleanly(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--drain-timeout", "4s")
	s.start()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears, _ := askForAStory(ctx, t, s)
	eventually(t, 40*time.Second, "the answer is on its way", func() bool { a, _ := ears[0].streamed(); return a.pieces > 30 })
	began := time.Now()
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, s.log)
	}
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("the answer had %s to finish, want half of 4s", took)
	}
	for _, ear := range ears[:len(streaming)] {
		if a, _ := ear.streamed(); a.status != "interrupted" || a.ends != 1 {
			t.Errorf("%s: told %d ends, %q, before it was sent away", ear.surface, a.ends, a.status)
		}
	}
}
