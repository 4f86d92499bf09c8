package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// question begins a session of ann's with the demo agent and asks something.
func (w *world) question() (parley.ConversationID, parley.MessageID) {
	w.t.Helper()
	id := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	return id, w.must(ann, parley.PostMessage{Conversation: id, Content: "well?"}).Message.ID
}

func (w *world) start(e *Engine, conversation parley.ConversationID, trigger parley.MessageID) *RunWriter {
	w.t.Helper()
	run, err := e.StartRun(context.Background(), &demo, conversation, trigger)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func say(t *testing.T, run *RunWriter, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		if err := run.Delta(context.Background(), p); err != nil {
			t.Fatal(err)
		}
	}
}

func end(t *testing.T, run *RunWriter, status parley.RunStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := run.End(ctx, status, ""); err != nil {
		t.Fatal(err)
	}
}

// heardRun collects what is told of a run until it was told as much as its text
// and tool events are, and checks rseq and offsets on the way.
type heardRun struct {
	text  string
	rseq  uint64
	types []parley.EventType
}

func (h *heardRun) hear(t *testing.T, ev *parley.Event) {
	t.Helper()
	h.types = append(h.types, ev.Type)
	var rseq uint64
	switch b := ev.Body.(type) {
	case *parley.DeltaBody:
		rseq = b.RSeq
		if b.Offset != len(h.text) || b.Text == "" || !utf8.ValidString(b.Text) {
			t.Errorf("piece %q at offset %d after %d bytes", b.Text, b.Offset, len(h.text))
		}
		h.text += b.Text
	case *parley.ToolBody:
		rseq = b.RSeq
	default:
		return
	}
	if h.rseq++; rseq != h.rseq {
		t.Errorf("rseq %d, want %d", rseq, h.rseq)
	}
}

func TestARunBecomesAMessage(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "Héllo ", "wörld")
	if err := run.ToolCalled(t.Context(), "c1", "look", []byte(`{"at": "it"}`)); err != nil {
		t.Fatal(err)
	}
	if err := run.ToolReturned(t.Context(), "c1", "look", []byte(`"seen"`)); err != nil {
		t.Fatal(err)
	}
	say(t, run, ", 漢字")
	end(t, run, parley.RunCompleted)
	w.tellLive(&parley.Event{ID: ids{}.NewID(), Org: org, Type: "probe.sent", Class: parley.Ephemeral, Channel: "probe", Body: &parley.PublishedBody{Data: []byte("{}")}})

	var h heardRun
	for ev := range ear.events {
		if ev.Type == "probe.sent" {
			break
		}
		if ev.Conversation != conversation || ev.ChangeSeq != 2 || ev.Class != parley.RunLogged {
			t.Errorf("%s: %+v", ev.Type, ev)
		}
		h.hear(t, ev)
	}
	if h.types[0] != parley.RunStarted || h.types[1] != parley.StreamStarted {
		t.Errorf("heard %v", h.types)
	}
	const whole = "Héllo wörld, 漢字"
	if h.text != whole {
		t.Errorf("heard %q", h.text)
	}

	events := w.log()
	last := events[len(events)-2:]
	if got := types(last); got[0] != parley.MessageCreated || got[1] != parley.RunEnded {
		t.Fatalf("log ends with %v", got)
	}
	m, e := last[0].Body.(*parley.MessageBody), last[1].Body.(*parley.RunBody)
	if m.ID != run.Message() || m.Seq != 2 || m.Content != whole || m.Sender != "demo" || m.SenderKind != parley.KindAgent ||
		m.Run == nil || m.Run.ID != run.ID() || m.Run.Status != parley.RunCompleted || m.Run.After != 2 {
		t.Errorf("message is %+v, %+v", m, m.Run)
	}
	if e.Run != run.ID() || e.Message != run.Message() || e.Text != whole || e.Seq != 2 || e.Status != parley.RunCompleted || e.After != 2 {
		t.Errorf("end is %+v", e)
	}
	if last[0].ChangeSeq != 3 || last[1].ChangeSeq != 4 {
		t.Errorf("change_seq %d and %d", last[0].ChangeSeq, last[1].ChangeSeq)
	}
	row, err := w.store.Run(t.Context(), org, run.ID())
	if err != nil || row.Status != parley.RunCompleted || row.EndedAt.IsZero() {
		t.Errorf("row is %+v, %v", row, err)
	}
	if err := run.Delta(t.Context(), "more"); !errors.Is(err, parley.ErrFenced) {
		t.Errorf("a word after the end: %v", err)
	}
	if err := run.End(t.Context(), parley.RunFailed, ""); err != nil {
		t.Errorf("ended twice: %v", err)
	}
}

func TestAMessageStartsOneRunPerAgent(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	end(t, w.start(w.Engine, conversation, trigger), parley.RunCompleted)
	if _, err := w.StartRun(t.Context(), &demo, conversation, trigger); !errors.Is(err, parley.ErrConflict) {
		t.Errorf("second run: %v", err)
	}
	if _, err := w.StartRun(t.Context(), &demo, w.group("ben"), parley.MessageID{}); !errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) {
		t.Errorf("run where the agent is no member: %v", err)
	}
	w.must(ann, parley.CloseConversation{Conversation: conversation})
	if _, err := w.StartRun(t.Context(), &demo, conversation, parley.MessageID{}); !errors.Is(err, &parley.Error{Code: parley.CodeClosed}) {
		t.Errorf("run in a closed conversation: %v", err)
	}
}

func TestARunWithoutTextBecomesNoMessage(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	end(t, w.start(w.Engine, conversation, trigger), parley.RunFailed)
	events := w.log()
	if last := events[len(events)-1]; last.Type != parley.RunEnded || last.ChangeSeq != 3 || last.Body.(*parley.RunBody).Seq != 0 {
		t.Errorf("log ends with %+v", last)
	}
	if c, _ := w.store.Conversation(t.Context(), org, conversation); c.Seq != 1 || c.ChangeSeq != 3 {
		t.Errorf("conversation is at %d, %d", c.Seq, c.ChangeSeq)
	}
}

func TestWhatAToolSaysIsJSON(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	run := w.start(w.Engine, conversation, trigger)
	for _, bad := range []string{"", "{", "\"\xff\"", `"` + strings.Repeat("x", maxToolValue) + `"`} {
		if err := run.ToolReturned(t.Context(), "c", "look", []byte(bad)); !errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	end(t, run, parley.RunCompleted)
}

func TestRunesAreNeverSplit(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	ear.next(parley.RunStarted)
	ear.next(parley.StreamStarted)
	var h heardRun
	const text = "a é 漢 😀 z"
	for i := range len(text) { // one byte at a time, each told before the next comes
		say(t, run, text[i:i+1])
		if i+1 == len(text) || utf8.RuneStart(text[i+1]) {
			h.hear(t, ear.next(parley.StreamDelta))
		} else {
			w.silent(ear)
		}
	}
	say(t, run, "\xff!", "nul\x00", "\xf0\x9f") // broken, not storable, and cut off at the end
	end(t, run, parley.RunCompleted)
	events := w.log()
	if got := events[len(events)-1].Body.(*parley.RunBody).Text; h.text != text || got != text+"\ufffd!nul\ufffd" {
		t.Errorf("heard %q, ended with %q", h.text, got)
	}
}

func TestLongPiecesAreCutBetweenRunes(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	long := "x" + strings.Repeat("漢", 30000)
	say(t, run, long, long)
	if err := run.Delta(t.Context(), strings.Repeat("y", maxRunText)); !errors.Is(err, &parley.Error{Code: parley.CodeTooLarge}) {
		t.Errorf("an endless answer: %v", err)
	}
	end(t, run, parley.RunCompleted)
	var h heardRun
	for len(h.text) < 2*len(long) {
		h.hear(t, <-ear.events)
	}
	if h.text != long+long {
		t.Error("pieces do not make up the text")
	}
}

func TestNothingIsToldThatTheRunLogHasNot(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	w.runlog.Cut(true)
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "one ", "two ")
	w.silent(ear)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := run.End(ctx, parley.RunCompleted, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	w.silent(ear)
	w.runlog.Cut(false)
	ear.next(parley.RunStarted)
	ear.next(parley.StreamStarted)
	if d := ear.next(parley.StreamDelta).Body.(*parley.DeltaBody); d.Text != "one two " || d.RSeq != 1 {
		t.Errorf("heard %+v", d)
	}
	end(t, run, parley.RunCompleted)
}

func TestAProducerWaitsWhileTheRunLogIsAway(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	w.runlog.Cut(true)
	run := w.start(w.Engine, conversation, trigger)
	piece := strings.Repeat("x", maxPending)
	say(t, run, piece)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := run.Delta(ctx, "y"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	w.runlog.Cut(false)
	say(t, run, "y")
	end(t, run, parley.RunCompleted)
}

func TestASnapshotHoldsWhatWasTold(t *testing.T) {
	w := newWorld(t)
	conversation, trigger := w.question()
	ear := w.listen()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "so far")
	ear.next(parley.RunStarted)
	ear.next(parley.StreamStarted)
	ear.next(parley.StreamDelta)
	answer, err := w.bus.Request(t.Context(), SnapshotSubject(run.ID()), nil)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := parley.UnmarshalEvent(answer)
	if err != nil {
		t.Fatal(err)
	}
	if d := ev.Body.(*parley.DeltaBody); d.Text != "so far" || d.Offset != 0 || d.RSeq != 1 || d.Epoch != 1 || ev.ChangeSeq != 2 {
		t.Errorf("snapshot is %+v of %+v", d, ev)
	}
	end(t, run, parley.RunCompleted)
	if _, err := w.bus.Request(t.Context(), SnapshotSubject(run.ID()), nil); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("after the end: %v", err)
	}
}

func TestManyRunsShareTheTape(t *testing.T) {
	w := newWorld(t)
	ear := w.listen()
	const words = 200
	runs := map[parley.RunID]*heardRun{}
	done := make(chan error)
	for range 8 {
		conversation, trigger := w.question()
		run := w.start(w.Engine, conversation, trigger)
		runs[run.ID()] = &heardRun{}
		go func() {
			for range words {
				if err := run.Delta(context.Background(), "wörd "); err != nil {
					done <- err
					return
				}
			}
			done <- run.End(context.Background(), parley.RunCompleted, "")
		}()
	}
	for range runs {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Repeat("wörd ", words)
	for missing := len(runs); missing > 0; {
		ev := <-ear.events
		if d, ok := ev.Body.(*parley.DeltaBody); ok {
			h := runs[d.Run]
			h.hear(t, ev)
			if h.text == want {
				missing--
			}
		}
	}
	if n := w.runlog.Appends(); n >= 8*words {
		t.Errorf("%d appends for %d words: nothing was put together", n, 8*words)
	}
}
