package hub

import (
	"sync"

	parley "github.com/parley-chat/parley"
)

// entry is one applied event with its encodings, made when first wanted and
// shared by all listeners. An entry is immutable but for its topic and
// frames.
type entry struct {
	event *parley.Event
	// run is set on what belongs to a run whose text the feed keeps.
	run *run

	named sync.Once // makes topic
	topic parley.Topic

	mu     sync.Mutex
	frames [][parley.Views]encoding // by dialect
}

// topicOf is the topic that the event is heard under, made when first wanted.
func (e *entry) topicOf() *parley.Topic {
	e.named.Do(func() { e.topic = parley.TopicOf(e.event) })
	return &e.topic
}

// weight guesses the bytes that an entry holds in the end: its event, and a frame
// for each surface.
func (e *entry) weight() int {
	text := 0
	switch b := e.event.Body.(type) {
	case *parley.MessageBody:
		text = len(b.Content) + len(b.ContentMeta)
	case *parley.RunBody:
		text = len(b.Text)
	case *parley.PublishedBody:
		text = len(b.Data)
	}
	return 2048 + 5*text
}

type encoding struct {
	done  bool
	frame []byte
}

// frame returns the event framed in a dialect and view; empty where the dialect
// is silent about it. The slice is shared and must not be written to.
func (e *entry) frame(h *Hub, dialect int, v parley.View) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.frames == nil {
		e.frames = make([][parley.Views]encoding, len(h.traits))
	}
	enc := &e.frames[dialect][v]
	if !enc.done {
		enc.frame = h.encode(dialect, e.event, v)
		enc.done = true
	}
	return enc.frame
}

// encode frames an event for one dialect and view.
func (h *Hub) encode(dialect int, e *parley.Event, v parley.View) []byte {
	payload := h.traits[dialect].dialect.AppendEvent(nil, e, v)
	if len(payload) == 0 {
		return nil
	}
	h.Encodings.Add(1)
	return h.cfg.Frame(make([]byte, 0, len(payload)+10), payload)
}
