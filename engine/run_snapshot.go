package engine

import "github.com/parley-chat/parley"

// SnapshotSubject is where the owner of a running run answers with everything the
// run log has acknowledged of it: one message.stream.delta at offset 0, as
// MarshalEvent writes it, whose rseq is that of the last acknowledged record.
// Nobody answers once the run is over.
func SnapshotSubject(run parley.RunID) string { return "run." + run.UUID() }

// serveSnapshots answers requests until the run is over. Where the bus does not
// let it, listeners do without: the run's end tells them all.
func (w *RunWriter) serveSnapshots() {
	bus := w.engine.cfg.Bus
	stop, err := bus.Subscribe(SnapshotSubject(w.run.ID), func(_, reply string, _ []byte) {
		if reply == "" {
			return
		}
		data, err := parley.MarshalEvent(w.snapshot())
		if err == nil && len(data) <= parley.MaxBusMessage {
			err = bus.Publish(reply, data)
		}
		if err != nil && w.engine.quiet.speak() {
			w.engine.cfg.Logger.Warn("engine: answer with a snapshot", "run", w.run.ID, "err", err)
		}
	})
	if err != nil {
		w.engine.cfg.Logger.Warn("engine: serve snapshots", "run", w.run.ID, "err", err)
		return
	}
	w.mu.Lock()
	over := w.isOver()
	if !over {
		w.unserve = stop
	}
	w.mu.Unlock()
	if over {
		stop()
	}
}

func (w *RunWriter) snapshot() *parley.Event {
	w.mu.Lock()
	text, rseq := string(w.text), w.acked
	w.mu.Unlock()
	return w.event(parley.StreamDelta, &parley.DeltaBody{
		Run: w.run.ID, Message: w.run.Message, Agent: w.run.Agent, Epoch: w.run.Epoch,
		RSeq: rseq, Text: text,
	})
}
