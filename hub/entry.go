package hub

import (
	"sync"

	parley "github.com/parley-chat/parley"
)

// entry is one applied event with its encodings, made when first wanted and
// shared by all listeners. An entry is immutable but for its topic and
// what matched it, which the feed's loop owns (or the one listener that read it
// from the store), and its encodings.
type entry struct {
	event *parley.Event
	// run is set on what belongs to a run whose text the feed keeps.
	run *run
	// members are of the event's conversation, nil where it has none. Set on what the
	// ring holds.
	members *members
	missing bool // it is a stub

	topic *parley.Topic
	// matched is the group of a pattern that the event was last compared with outside
	// of its telling, and whether that matched: those who come back ask for the same.
	matched struct {
		by *group
		ok bool
	}

	mu        sync.Mutex
	encodings []encoding
}

// encoding is the frame of an entry in one dialect and view; empty where the
// dialect is silent about it.
type encoding struct {
	dialect, view uint8
	frame         []byte
}

// topicOf is the topic that the event is heard under, made when first wanted.
func (e *entry) topicOf() *parley.Topic {
	if e.topic == nil {
		t := parley.TopicOf(e.event)
		e.topic = &t
	}
	return e.topic
}

// matches reports whether a group's pattern matches the event.
func (e *entry) matches(g *group) bool {
	if e.matched.by != g {
		e.matched.by, e.matched.ok = g, g.pattern.Matches(e.topicOf(), e.event)
	}
	return e.matched.ok
}

// plain reports whether every listener is told the event by the same frame: all
// but what belongs to a run, where it matters how much of the text was told.
func (e *entry) plain() bool {
	switch b := e.event.Body.(type) {
	case *parley.DeltaBody:
		return false
	case *parley.MessageBody:
		return b.Run == nil || e.event.Type != parley.MessageCreated
	case *parley.RunBody:
		return e.event.Type != parley.RunEnded && (e.event.Type != parley.StreamStarted || e.run == nil)
	}
	return true
}

// weight guesses the bytes that an entry holds in the end: its event, and a frame
// for each of two surfaces.
func (e *entry) weight() int {
	text := 0
	switch b := e.event.Body.(type) {
	case *parley.MessageBody:
		text = len(b.Content) + len(b.ContentMeta)
	case *parley.RunBody:
		text = len(b.Text)
	case *parley.PublishedBody:
		text = len(b.Data)
	case *parley.TaskBody:
		text = len(b.Title) + len(b.Step) + len(b.Narrative) + len(b.Result) + len(b.Error)
	case *parley.ConversationBody:
		text = conversationWeight(b)
	case *parley.MemberBody:
		text = conversationWeight(b.Conversation)
	}
	return entryWeight + 3*text + targetWeight*len(e.event.Targets)
}

const (
	entryWeight  = 1024 // without what is in it
	memberWeight = 128  // of a member named in an event
	targetWeight = 64
)

// conversationWeight is a conversation's part of it; nil is nothing.
func conversationWeight(b *parley.ConversationBody) int {
	if b == nil {
		return 0
	}
	return len(b.Title) + len(b.Description) + memberWeight*len(b.Members)
}

// stub is an entry in place of one that is too heavy to be kept: it says that
// something was there, and who is to be told it reads it from the store.
func (e *entry) stub() *entry {
	bare := *e.event
	bare.Body = nil
	return &entry{event: &bare, members: e.members, missing: true}
}

// frame returns the event framed in a dialect and view; empty where the dialect
// is silent about it. The slice is shared and must not be written to. a is where
// a frame that is made now is put; nil makes room for it alone.
func (e *entry) frame(h *Hub, a *arena, dialect int, v parley.View) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.encodings {
		if enc := &e.encodings[i]; int(enc.dialect) == dialect && enc.view == uint8(v) {
			return enc.frame
		}
	}
	frame := h.encode(a, dialect, e.event, v)
	e.encodings = append(e.encodings, encoding{uint8(dialect), uint8(v), frame})
	return frame
}

// encode frames an event for one dialect and view.
func (h *Hub) encode(a *arena, dialect int, e *parley.Event, v parley.View) []byte {
	if a == nil {
		a = &arena{single: true}
	}
	a.scratch = h.traits[dialect].dialect.AppendEvent(a.scratch[:0], e, v)
	if len(a.scratch) == 0 {
		return nil
	}
	h.Encodings.Add(1)
	return a.add(h.cfg.Frame)
}
