package engine

import (
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// maxLiveBuffer bounds a buffer that is used again.
const maxLiveBuffer = 64 << 10

var liveBuffers = sync.Pool{New: func() any { return new([]byte) }}

// tellLive publishes an event that is not durable on `live.{org}`. Nobody is told
// of a failure: what is ephemeral may be lost, and what a run said is in the run
// log and in its end.
func (e *Engine) tellLive(ev *parley.Event) {
	buf := liveBuffers.Get().(*[]byte) // the bus keeps nothing of it
	data, err := parley.AppendEvent((*buf)[:0], ev)
	if err == nil {
		err = e.cfg.Bus.Publish(parley.OrgSubject("live", ev.Org), data)
	}
	if cap(data) <= maxLiveBuffer {
		*buf = data
	}
	liveBuffers.Put(buf)
	if err != nil && e.quiet.speak() {
		e.cfg.Logger.Warn("engine: publish live event", "type", ev.Type, "org", ev.Org, "err", err)
	}
}

// liveEvent makes an event of a conversation that takes no number of it.
func (e *Engine) liveEvent(org parley.OrgID, conversation parley.ConversationID, changeSeq uint64, t parley.EventType, actor parley.PrincipalID, kind parley.PrincipalKind, body parley.Body) *parley.Event {
	spec, _ := parley.SpecOf(t)
	return &parley.Event{
		ID: e.cfg.IDs.NewID(), Org: org, Type: t, Class: spec.Class, Time: e.now(),
		Actor: actor, ActorKind: kind,
		Conversation: conversation, ChangeSeq: changeSeq, Channel: spec.Channel, Body: body,
	}
}

// quietInterval is between two log lines about the same trouble.
const quietInterval = 5 * time.Second

// quiet keeps a repeated failure from filling the log.
type quiet struct {
	mu   sync.Mutex
	last time.Time
}

// speak reports whether it is time for a line.
func (q *quiet) speak() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.last) < quietInterval {
		return false
	}
	q.last = time.Now()
	return true
}
