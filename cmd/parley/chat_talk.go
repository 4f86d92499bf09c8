package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// talk is the state of a chat: at most one question waits for its answer. Its
// methods belong to one goroutine.
type talk struct {
	link        *link
	session     string
	timeout     time.Duration
	out         screen // answers
	notes       screen // everything else
	interactive bool   // a failed answer does not end the talk

	asked    *question
	prompted bool            // the cursor waits behind a prompt
	answered map[string]bool // messages that were printed to their end
	others   map[string]bool // answers that grew when nothing was asked
}

// question is a message that was sent and the answer as far as it has come.
type question struct {
	text        string
	clientMsgID string // the same however often it is sent
	stored      bool   // acknowledged, with seq
	seq         uint64
	answer      string   // the answer's message id; empty until it begins
	printed     int      // bytes of the answer
	early       []*frame // whole answers heard before the acknowledgement
	late        <-chan time.Time
}

// run goes on until the input has ended and everything is answered.
func (t *talk) run(ctx context.Context, lines <-chan line) error {
	for {
		in, late := lines, (<-chan time.Time)(nil)
		if t.asked != nil {
			in, late = nil, t.asked.late
		} else {
			t.prompt()
		}
		var err error
		select {
		case l, ok := <-in:
			if !ok {
				t.unprompt()
				return nil
			}
			t.prompted = false // the terminal has shown the line's end
			if l.err != nil {
				return l.err
			}
			if l.text != "" {
				t.ask(l.text)
			}
		case n := <-t.link.news:
			if n.over != nil {
				return n.over
			}
			err = t.hear(n)
		case <-late:
			err = t.failed(fmt.Errorf("there was no whole answer within %s", t.timeout))
		case <-ctx.Done():
			if t.asked != nil {
				return errors.New("stopped before the answer had ended")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// prompt shows a person that it is their turn.
func (t *talk) prompt() {
	if t.interactive && t.notes.terminal && !t.prompted {
		t.notes.print("> ")
		t.prompted = true
	}
}

// unprompt leaves the prompt's line for something else to be printed.
func (t *talk) unprompt() {
	if t.prompted {
		t.notes.print("\n")
		t.prompted = false
	}
}

func (t *talk) ask(text string) {
	t.asked = &question{text: text, clientMsgID: rand.Text(), late: time.After(t.timeout)}
	t.post()
}

func (t *talk) post() {
	t.link.send(map[string]any{
		"type": "message", "session_id": t.session, "content": t.asked.text, "client_msg_id": t.asked.clientMsgID,
	})
}

func (t *talk) hear(n news) error {
	if n.frame == nil {
		return t.returned(n.blind)
	}
	f := n.frame
	if f.SessionID != "" && !strings.EqualFold(f.SessionID, t.session) {
		return nil
	}
	switch f.Type {
	case "message_ack":
		return t.acknowledged(f)
	case "stream_start":
		t.begins(f)
	case "stream_chunk":
		t.begins(f)
		t.grows(f)
	case "stream_end":
		return t.ends(f)
	case "message":
		if f.Role == "assistant" {
			return t.ends(f)
		}
	case "tool_call":
		if t.asked != nil {
			t.notes.note("→ " + f.Tool + " " + string(f.Arguments))
		}
	case "session_closed":
		return fmt.Errorf("the session was closed: %s", firstOf(f.Reason, "no reason is given"))
	case "error":
		return t.refused(f)
	}
	return nil
}

// returned makes up for a drop: a message that was not acknowledged goes out
// again, under the same client_msg_id, and what was said meanwhile is asked for
// where no cursor brings it.
func (t *talk) returned(blind bool) error {
	if t.asked == nil {
		return nil
	}
	if !t.asked.stored {
		t.post()
	} else if blind {
		t.catchUp()
	}
	return nil
}

// catchUp asks for the messages after the question.
func (t *talk) catchUp() {
	t.link.send(map[string]any{"type": "subscribe", "session_id": t.session, "after_seq": t.asked.seq})
}

func (t *talk) acknowledged(f *frame) error {
	q := t.asked
	if q == nil || q.stored || f.ClientMsgID != q.clientMsgID {
		return nil
	}
	q.stored, q.seq = true, f.Seq
	for _, early := range q.early {
		if err := t.ends(early); err != nil || t.asked == nil {
			return err
		}
	}
	return nil
}

// begins takes the first answer that starts after the question as its own.
func (t *talk) begins(f *frame) {
	switch {
	case t.answered[f.MessageID] || t.others[f.MessageID]:
	case t.asked == nil:
		t.others[f.MessageID] = true
	case t.asked.answer == "":
		t.asked.answer = f.MessageID
	}
}

// grows prints what a piece adds to the answer: nothing where it is known
// already, its tail where it overlaps, all of it at the end of what is known. A
// piece beyond that waits for the end, which holds the whole text.
func (t *talk) grows(f *frame) {
	q := t.asked
	if q == nil || q.answer != f.MessageID {
		return
	}
	offset := q.printed
	if f.Offset != nil {
		offset = *f.Offset
	}
	if skip := q.printed - offset; offset >= 0 && skip >= 0 && skip < len(f.Content) {
		t.out.print(f.Content[skip:])
		q.printed += len(f.Content) - skip
	}
}

// ends prints what is left of an answer, whose whole text f holds.
func (t *talk) ends(f *frame) error {
	q := t.asked
	mine := q != nil && q.answer == f.MessageID
	switch {
	case t.answered[f.MessageID]:
		return nil
	case t.others[f.MessageID], q != nil && q.stored && f.Seq != 0 && f.Seq <= q.seq:
		delete(t.others, f.MessageID)
		return nil
	case q == nil: // said without being asked
		t.answered[f.MessageID] = true
		t.unprompt()
		t.out.print(f.Content + "\n")
		return nil
	case !mine && !q.stored:
		q.early = append(q.early, f)
		return nil
	case !mine && q.answer != "":
		return nil
	}
	t.answered[f.MessageID] = true
	if q.printed < len(f.Content) {
		t.out.print(f.Content[q.printed:])
	}
	t.out.print("\n")
	if f.Status != "" && f.Status != "completed" {
		q.printed = 0 // the line is ended already
		return t.failed(fmt.Errorf("the answer was %s", f.Status))
	}
	t.asked = nil
	return nil
}

// refused ends the question, or the talk where nothing was asked, unless it is
// only said that the past is gone: then what is still there is asked for.
func (t *talk) refused(f *frame) error {
	if f.Reason == "reload" {
		if t.asked != nil && t.asked.stored {
			t.catchUp()
		} else {
			t.link.send(map[string]any{"type": "subscribe", "session_id": t.session})
		}
		return nil
	}
	if f.ClientMsgID != "" && (t.asked == nil || f.ClientMsgID != t.asked.clientMsgID) {
		return nil
	}
	err := fmt.Errorf("the server says: %s (%s)", f.Message, f.Code)
	if t.asked == nil || f.Code == "AUTH_FAILED" || f.Code == "SESSION_NOT_FOUND" {
		return err
	}
	return t.failed(err)
}

// failed gives the question up; the talk goes on where a person may ask another.
func (t *talk) failed(err error) error {
	if t.asked.printed > 0 {
		t.out.print("\n")
	}
	if t.asked.answer != "" {
		t.answered[t.asked.answer] = true
	}
	t.asked = nil
	if !t.interactive {
		return err
	}
	t.notes.note(err.Error())
	return nil
}
