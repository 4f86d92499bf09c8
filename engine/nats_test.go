package engine

import (
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/bus/natsbus"
)

// TestARunOverNATS plays a run, a crash in the middle of another, and the next
// start on the parts that a server has by default.
func TestARunOverNATS(t *testing.T) {
	bus, err := natsbus.Open(t.Context(), natsbus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	runLog, err := bus.RunLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	onNATS := func(c *Config) { c.Bus, c.RunLog, c.Solo = bus, runLog, true }
	w := newWorld(t, onNATS)

	heard := make(chan *parley.Event, 100)
	stop, err := bus.Subscribe(parley.OrgSubject("live", org), func(_, _ string, data []byte) {
		if ev, err := parley.UnmarshalEvent(data); err != nil {
			t.Error(err)
		} else if ev.Type == parley.StreamDelta {
			heard <- ev
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	hear := func(h *heardRun, want string) {
		t.Helper()
		for h.text != want {
			select {
			case ev := <-heard:
				h.hear(t, ev)
			case <-time.After(10 * time.Second):
				t.Fatalf("heard %q, want %q", h.text, want)
			}
		}
	}

	conversation, trigger := w.question()
	run := w.start(w.Engine, conversation, trigger)
	say(t, run, "héllo ", "wörld")
	hear(&heardRun{}, "héllo wörld")
	answer, err := bus.Request(t.Context(), SnapshotSubject(run.ID()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := parley.UnmarshalEvent(answer); err != nil || ev.Body.(*parley.DeltaBody).Text != "héllo wörld" {
		t.Errorf("snapshot is %s, %v", answer, err)
	}
	end(t, run, parley.RunCompleted)

	conversation, trigger = w.question()
	run = w.start(w.Engine, conversation, trigger)
	say(t, run, "told")
	hear(&heardRun{}, "told")
	crash(w.Engine)
	next := w.node("node-2", onNATS)
	if err := next.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := w.lastEnd(); e.Status != parley.RunInterrupted || e.Text != "told" {
		t.Errorf("end is %+v", e)
	}
}
