package hub

import (
	"sync"

	parley "github.com/parley-chat/parley"
)

// run is an answer in progress as this node knows it: the text that was told so
// far. The feed's loop grows it; listeners read it.
type run struct {
	// start is the event that tells its beginning, for listeners that join.
	start   *parley.Event
	opening *entry // the same, with its frames

	mu    sync.Mutex
	text  []byte // append-only: a slice handed out stays valid
	ended bool

	// Owned by the feed's loop.
	epoch   uint64          // the highest heard of: what comes of a lower one is dropped
	asking  bool            // a snapshot was asked for
	unknown bool            // its row has not been read yet: start is not to be told
	loading bool            // its conversation is being read
	held    bool            // start waits for the feed to come to where the run began
	waiting []*parley.Event // deltas that came while it was not there
}

func newRun(start *parley.Event) *run {
	r := &run{}
	r.begins(start)
	return r
}

// begins sets the event that tells the run's beginning.
func (r *run) begins(start *parley.Event) {
	r.start, r.opening = start, &entry{event: start, run: r}
	r.epoch = max(r.epoch, start.Body.(*parley.RunBody).Epoch)
}

func (r *run) id() parley.RunID { return r.start.Body.(*parley.RunBody).Run }

// known returns the text so far and whether the run has ended.
func (r *run) known() (text []byte, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text, r.ended
}

// grow adds a piece that begins at offset; it reports false where the piece
// leaves a hole. What is known already is left out.
func (r *run) grow(offset int, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if offset > len(r.text) {
		return false
	}
	if have := len(r.text) - offset; have < len(text) && !r.ended {
		r.text = append(r.text, text[have:]...)
	}
	return true
}

// end sets the whole text. Where what was told is not a prefix of it the end
// stands as it is: the terminal event holds the truth.
func (r *run) end(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(text) > len(r.text) && text[:len(r.text)] == string(r.text) {
		r.text = append(r.text, text[len(r.text):]...)
	}
	r.ended = true
}

// piece is the event that tells text[from:to] of a run.
func (r *run) piece(from, to int, text []byte) *parley.Event {
	body := r.start.Body.(*parley.RunBody)
	e := *r.start
	e.Type = parley.StreamDelta
	e.Body = &parley.DeltaBody{
		Run: body.Run, Message: body.Message, Agent: body.Agent, Epoch: body.Epoch,
		Offset: from, Text: string(text[from:to]),
	}
	return &e
}

// startOf makes the event that tells a run's beginning from its row.
func startOf(r *parley.Run) *parley.Event {
	return &parley.Event{
		ID: parley.EventID(r.ID), Org: r.Org, Type: parley.StreamStarted, Class: parley.RunLogged,
		Time: r.StartedAt, Actor: r.Agent, ActorKind: parley.KindAgent,
		Conversation: r.Conversation, ChangeSeq: r.ChangeSeq, Channel: parley.ChannelConversation,
		Body: &parley.RunBody{
			Run: r.ID, Message: r.Message, Agent: r.Agent, Name: r.Name,
			Status: parley.RunRunning, Epoch: r.Epoch, After: r.After,
		},
	}
}

// runOf returns the id of the run an event belongs to; false for none.
func runOf(e *parley.Event) (parley.RunID, bool) {
	switch b := e.Body.(type) {
	case *parley.RunBody:
		return b.Run, true
	case *parley.DeltaBody:
		return b.Run, true
	case *parley.ToolBody:
		return b.Run, true
	case *parley.MessageBody:
		if b.Run != nil {
			return b.Run.ID, true
		}
	}
	return parley.RunID{}, false
}

// taskOf returns the id of the task an event tells of; false for none.
func taskOf(e *parley.Event) (parley.TaskID, bool) {
	switch b := e.Body.(type) {
	case *parley.TaskBody:
		return b.Task, true
	case *parley.TaskDeltaBody:
		return b.Task, true
	}
	return parley.TaskID{}, false
}
