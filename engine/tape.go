package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// Bounds of one batch for the run log, and of one attempt to append it.
const (
	maxBatchRecords = 512
	maxBatchBytes   = 256 << 10
	appendTimeout   = 10 * time.Second
	maxTapeBackoff  = time.Second
)

// tape carries what all runs of this node say to the run log, and from there to
// the listeners: nothing is told that the log has not acknowledged (design.md
// section 7). One goroutine at a time does so; it lives while there is something
// to carry. What comes while it waits for the log goes with the next batch, and
// consecutive deltas of one run become one.
//
// Lock order: RunWriter.mu before tape.mu.
type tape struct {
	engine *Engine

	mu      sync.Mutex
	closed  bool
	running bool
	queue   []*record
	last    map[*RunWriter]*record // each run's last record in the queue
	carrier sync.WaitGroup
}

// record is one event of a run on its way. A delta has no event until it is taken
// from the queue, since it may still grow.
type record struct {
	w      *RunWriter
	event  *parley.Event
	size   int    // bytes that count as queued, without text
	rseq   uint64 // 0 for run.started and message.stream.started
	offset int
	text   []byte
}

// extend adds text to a run's last record, if that is a delta that still waits.
func (t *tape) extend(w *RunWriter, text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.last[w]
	if r == nil || r.event != nil || len(r.text)+len(text) > maxPiece {
		return false
	}
	r.text = append(r.text, text...)
	return true
}

// add queues a record. Its run's w.mu is held, so that records of a run are in
// the order of their rseq.
func (t *tape) add(r *record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.queue = append(t.queue, r)
	if t.last == nil {
		t.last = map[*RunWriter]*record{}
	}
	t.last[r.w] = r
	if !t.running {
		t.running = true
		t.carrier.Go(t.carry)
	}
}

// carry takes batches to the log and tells them until the queue is empty.
func (t *tape) carry() {
	for {
		batch := t.take()
		if batch == nil {
			return
		}
		if !t.keep(batch) {
			return
		}
		for _, r := range batch {
			if r.w.acknowledge(r) {
				t.engine.tellLive(r.event)
			}
			r.w.settle(r)
		}
	}
}

// take returns the next batch, nil where there is none or the tape is stopped.
func (t *tape) take() []*record {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, bytes := 0, 0
	for n < len(t.queue) && n < maxBatchRecords && bytes < maxBatchBytes {
		bytes += t.queue[n].size + len(t.queue[n].text)
		n++
	}
	if n == 0 || t.closed {
		t.running = false
		return nil
	}
	batch := t.queue[:n:n]
	if t.queue = t.queue[n:]; len(t.queue) == 0 {
		t.queue = nil
	}
	for _, r := range batch {
		if t.last[r.w] == r {
			delete(t.last, r.w) // it takes no more text
		}
	}
	return batch
}

// keep appends a batch to the run log, again and again with a growing pause until
// it is kept; false where the tape was stopped first. Nobody is told meanwhile, nor
// until it is known that this node was not taken for dead while it waited for the
// log: who took its runs over may have read them before the batch was there.
func (t *tape) keep(batch []*record) bool {
	e := t.engine
	records := make([]parley.RunRecord, 0, len(batch))
	for _, r := range batch {
		if r.event == nil {
			r.event = r.w.deltaEvent(r)
		}
		data, err := parley.MarshalEvent(r.event)
		if err != nil { // what a RunWriter took can be marshalled
			e.cfg.Logger.Error("engine: marshal run event", "run", r.w.run.ID, "err", err)
			continue
		}
		records = append(records, parley.RunRecord{Run: r.w.run.ID, Event: data})
	}
	kept := false
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, maxTapeBackoff) {
		err := e.holdLease(e.ctx)
		if err == nil && !kept {
			if err = t.append(records); err == nil {
				kept, err = true, e.holdLease(e.ctx)
			}
		}
		if err == nil {
			return true
		}
		if e.ctx.Err() == nil && e.quiet.speak() {
			e.cfg.Logger.Warn("engine: keep what runs say", "records", len(records), "err", err)
		}
		select {
		case <-e.ctx.Done():
			return false
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

func (t *tape) append(records []parley.RunRecord) error {
	ctx, cancel := context.WithTimeout(t.engine.ctx, appendTimeout)
	defer cancel()
	if err := t.engine.cfg.RunLog.Append(ctx, records); err != nil {
		return fmt.Errorf("append to run log: %w", err)
	}
	return nil
}

// stop lets go of what is still queued and waits for the carrier, whose context
// has ended.
func (t *tape) stop() {
	t.mu.Lock()
	t.closed, t.queue, t.last = true, nil, nil
	t.mu.Unlock()
	t.carrier.Wait()
}

// deltaEvent makes the event of a delta that takes no more text.
func (w *RunWriter) deltaEvent(r *record) *parley.Event {
	return w.event(parley.StreamDelta, &parley.DeltaBody{
		Run: w.run.ID, Message: w.run.Message, Agent: w.run.Agent, Epoch: w.run.Epoch,
		RSeq: r.rseq, Offset: r.offset, Text: string(r.text),
	})
}

// acknowledge notes that the run log has a record, before it is told: a snapshot
// is never behind what was told. It reports whether to tell it; not where another
// node took the run over.
func (w *RunWriter) acknowledge(r *record) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isOver() {
		return false
	}
	w.text = append(w.text, r.text...)
	w.acked = max(w.acked, r.rseq)
	return true
}

// settle makes room: the record was told.
func (w *RunWriter) settle(r *record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending--
	w.queued -= r.size + len(r.text)
	w.notify()
}
