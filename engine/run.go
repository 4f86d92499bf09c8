package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

const (
	// maxRunText bounds the text of one run in bytes, so that a snapshot of it fits
	// into a bus message.
	maxRunText = 512 << 10
	// maxPending bounds what one run may have queued for the run log, in bytes;
	// beyond it the producer waits.
	maxPending = 256 << 10
	// maxPiece bounds one delta in bytes.
	maxPiece = 32 << 10
	// maxToolValue bounds a tool's arguments and its result, in bytes.
	maxToolValue = 64 << 10
)

// RunWriter is the pen of one run: what an agent says goes through it, is kept in
// the run log and then told, in that order. It is made by Engine.StartRun and ends
// with End, with the engine's Stop, or when another node took the run over. Its
// methods may be called concurrently.
type RunWriter struct {
	engine *Engine
	run    parley.Run       // the row as it was written at the start
	agent  parley.Principal // who answers

	done    chan struct{} // closed when the run is over, as far as this node is concerned
	ending  chan struct{} // holds one token: End at work
	unserve func()        // ends the answers to requests for snapshots; nil where there are none

	mu      sync.Mutex
	closed  bool          // takes no more
	outcome error         // of End, once done is closed
	givenUp *runEnd       // what End could not do in its time; nil where there is none
	rest    []byte        // the beginning of a rune whose other bytes are still to come
	size    int           // bytes of text taken: where the next piece begins
	rseq    uint64        // the last that was given
	pending int           // records that the run log has not acknowledged or that are not told yet
	queued  int           // their bytes
	text    []byte        // acknowledged by the run log
	acked   uint64        // rseq of the last acknowledged record
	changed chan struct{} // closed when pending shrinks or the run is over; nil where nobody waits
}

// StartRun begins an agent's answer. trigger is the message that asked, zero for
// none. It stores the run and then tells run.started and message.stream.started.
// The error wraps ErrConflict where (trigger, agent) had a run already; it is an
// *Error with CodeNotFound where the agent is not a member, CodeClosed where the
// conversation is closed, CodeUnavailable while the engine stops.
func (e *Engine) StartRun(ctx context.Context, agent *parley.Principal, conversation parley.ConversationID, trigger parley.MessageID) (*RunWriter, error) {
	if err := e.holdLease(ctx); err != nil {
		return nil, fmt.Errorf("start run: %w", err)
	}
	after, changeSeq, err := e.lastTold(ctx, agent.Org, conversation)
	if err != nil {
		return nil, fmt.Errorf("start run: %w", err)
	}
	w := &RunWriter{
		engine: e, agent: *agent,
		run: parley.Run{
			Org: agent.Org, ID: e.cfg.IDs.NewID(), Conversation: conversation, Message: e.cfg.IDs.NewID(),
			Agent: agent.ID, Name: agent.Name, Trigger: trigger, Status: parley.RunRunning,
			Owner: e.cfg.Node, Epoch: 1, After: after, ChangeSeq: changeSeq, StartedAt: e.now(),
		},
		done: make(chan struct{}), ending: make(chan struct{}, 1),
	}
	// Known before it is stored: Recover must not take it for an orphan.
	if !e.enlist(w) {
		return nil, errStopping()
	}
	if err := e.insertRun(ctx, w); err != nil {
		e.dismiss(w)
		return nil, err
	}
	if e.isStopping() { // Stop may have come before the run was stored
		err := e.finishRun(ctx, &w.run, "", parley.RunInterrupted, shutDown)
		if errors.Is(err, parley.ErrFenced) {
			err = nil
		}
		w.leave(err)
		return nil, errors.Join(errStopping(), err)
	}
	w.serveSnapshots()
	w.mark(parley.RunStarted)
	w.mark(parley.StreamStarted)
	return w, nil
}

// lastTold returns offset and change_seq of the conversation's last event that has
// a Position. The two belong together: who heard the run begin had passed both.
func (e *Engine) lastTold(ctx context.Context, org parley.OrgID, id parley.ConversationID) (offset, changeSeq uint64, err error) {
	offset, err = e.cfg.Store.LastOffset(ctx, org, parley.ConversationKey(id))
	if err != nil || offset == 0 {
		return 0, 0, err
	}
	events, err := e.cfg.Store.ReadLog(ctx, org, offset-1, offset, 1)
	if err != nil {
		return 0, 0, err
	}
	if len(events) == 1 {
		return offset, events[0].ChangeSeq, nil
	}
	c, err := e.cfg.Store.Conversation(ctx, org, id) // the event is no longer kept
	if err != nil {
		return 0, 0, err
	}
	return offset, c.ChangeSeq, nil
}

func (e *Engine) insertRun(ctx context.Context, w *RunWriter) error {
	taken := false
	err := e.update(ctx, &w.agent, func(tx *write) error {
		c, _, err := tx.conversation(w.run.Conversation)
		if err != nil {
			return err
		}
		if c.Status != parley.StatusActive {
			return errClosed()
		}
		if err := tx.asked(w.run.Trigger); err != nil {
			return err
		}
		run := w.run
		err = tx.InsertRun(&run)
		if taken = errors.Is(err, parley.ErrConflict); taken {
			return errors.New("the message has a run of this agent") // not ErrConflict, which begins again
		}
		return err
	})
	if taken {
		return fmt.Errorf("start run for message %s: %w", w.run.Trigger, parley.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("start run: %w", err)
	}
	return nil
}

// asked refuses to answer a message that was deleted or erased; ErrFenced.
func (w *write) asked(trigger parley.MessageID) error {
	if trigger.IsZero() {
		return nil
	}
	m, err := w.Message(w.caller.Org, trigger)
	switch {
	case errors.Is(err, parley.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read message %s: %w", trigger, err)
	case m.Deleted:
		return fmt.Errorf("message %s was deleted: %w", trigger, parley.ErrFenced)
	}
	return nil
}

// ID returns the run's id.
func (w *RunWriter) ID() parley.RunID { return w.run.ID }

// Message returns the id of the message that the answer becomes.
func (w *RunWriter) Message() parley.MessageID { return w.run.Message }

// Done is closed when the run is over as far as this node is concerned: ended, or
// taken over by another.
func (w *RunWriter) Done() <-chan struct{} { return w.done }

// Delta appends to the answer. Bytes that are not UTF-8, and U+0000, become
// U+FFFD; the beginning of a rune at the end of text waits for the rest of it. It
// blocks only while more than a bounded part is still on its way to the run log;
// then until ctx ends. The error is ErrFenced (wrapped) where the run is over, an
// *Error with CodeTooLarge where the answer would grow too long: nothing was taken
// then.
func (w *RunWriter) Delta(ctx context.Context, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(ctx); err != nil {
		return err
	}
	whole, rest := cutRunes(string(w.rest) + text)
	whole = cleanText(whole)
	if w.size+len(whole) > maxRunText {
		return parley.Errorf(parley.CodeTooLarge, "an answer is at most %d bytes long", maxRunText)
	}
	w.rest = append(w.rest[:0], rest...)
	for whole != "" {
		piece := cutPiece(whole)
		whole = whole[len(piece):]
		w.push(piece)
	}
	return nil
}

// push queues a piece of text: as the end of the last piece, where that is still
// waiting, or else as a delta of its own. w.mu is held.
func (w *RunWriter) push(piece string) {
	w.queued += len(piece)
	offset := w.size
	w.size += len(piece)
	if w.engine.tape.extend(w, piece) {
		return
	}
	w.rseq++
	w.pending++
	w.engine.tape.add(&record{w: w, rseq: w.rseq, offset: offset, text: []byte(piece)})
}

// ToolCalled tells that the agent calls a tool. call is unique within the run;
// arguments is JSON. Errors are Delta's, and CodeInvalidArgument.
func (w *RunWriter) ToolCalled(ctx context.Context, call, tool string, arguments []byte) error {
	return w.tool(ctx, parley.ToolCalled, call, tool, arguments)
}

// ToolReturned tells what the tool answered, as JSON. Errors are ToolCalled's.
func (w *RunWriter) ToolReturned(ctx context.Context, call, tool string, result []byte) error {
	return w.tool(ctx, parley.ToolReturned, call, tool, result)
}

func (w *RunWriter) tool(ctx context.Context, t parley.EventType, call, tool string, value []byte) error {
	if err := firstError(checkText("call", call, maxID), checkText("tool", tool, maxID)); err != nil {
		return err
	}
	if len(value) > maxToolValue || !json.Valid(value) || !utf8.Valid(value) {
		return invalid(string(t), "it must be JSON of at most %d bytes", maxToolValue)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(ctx); err != nil {
		return err
	}
	w.rseq++
	body := &parley.ToolBody{
		Run: w.run.ID, Message: w.run.Message, Agent: w.run.Agent, Epoch: w.run.Epoch,
		RSeq: w.rseq, Call: call, Tool: tool,
	}
	raw := parley.RawJSON(append([]byte(nil), value...))
	if t == parley.ToolCalled {
		body.Arguments = raw
	} else {
		body.Result = raw
	}
	w.pending++
	w.queued += len(value)
	w.engine.tape.add(&record{w: w, rseq: w.rseq, size: len(value), event: w.event(t, body)})
	return nil
}

// mark queues run.started or message.stream.started, which have no rseq.
func (w *RunWriter) mark(t parley.EventType) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.pending++
	w.engine.tape.add(&record{w: w, event: w.event(t, &parley.RunBody{
		Run: w.run.ID, Message: w.run.Message, Agent: w.run.Agent, Name: w.run.Name,
		Status: parley.RunRunning, Epoch: w.run.Epoch, After: w.run.After,
	})})
}

// event makes an event of the run that is not durable.
func (w *RunWriter) event(t parley.EventType, body parley.Body) *parley.Event {
	return w.engine.liveEvent(w.run.Org, w.run.Conversation, w.run.ChangeSeq, t, w.run.Agent, parley.KindAgent, body)
}

// admit waits until there is room for more. w.mu is held.
func (w *RunWriter) admit(ctx context.Context) error {
	if err := w.await(ctx, func() bool { return w.closed || w.queued < maxPending }); err != nil {
		return fmt.Errorf("run %s: %w", w.run.ID, err)
	}
	if w.closed {
		return fmt.Errorf("run %s is over: %w", w.run.ID, parley.ErrFenced)
	}
	return nil
}

// await waits until ok or ctx ends. w.mu is held, but not meanwhile.
func (w *RunWriter) await(ctx context.Context, ok func() bool) error {
	for !ok() {
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// notify wakes those who await. w.mu is held.
func (w *RunWriter) notify() {
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}
