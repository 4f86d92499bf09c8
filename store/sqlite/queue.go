package sqlite

import (
	"context"
	"sync"

	"github.com/parley-chat/parley"
)

// Beyond these an event that waits for Sequence is kept as its offset only, and
// read from the table when its turn comes.
const (
	maxWaiting      = 10_000   // events
	maxWaitingBytes = 64 << 20 // of their data
)

// queue holds what was committed and not yet handed out by Sequence.
type queue struct {
	signal chan struct{} // holds one value after commits with events

	taking sync.Mutex // held by the one Sequence under way; taken before mu

	mu      sync.Mutex
	waiting []queuedEvent
	held    int // events in memory
	bytes   int // of their data
}

type queuedEvent struct {
	org   parley.OrgID
	pos   uint64
	event *parley.Event // nil where only the offset is kept
	data  []byte        // the event as MarshalEvent writes it
}

func newQueue() *queue { return &queue{signal: make(chan struct{}, 1)} }

// add appends what a commit stored.
func (q *queue) add(events []pendingEvent) {
	if len(events) == 0 {
		return
	}
	q.mu.Lock()
	for _, p := range events {
		e := queuedEvent{org: p.event.Org, pos: p.at.Offset}
		if q.held < maxWaiting && q.bytes+len(p.data) <= maxWaitingBytes {
			e.event, e.data = p.event, p.data
			q.held++
			q.bytes += len(p.data)
		}
		q.waiting = append(q.waiting, e)
	}
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// peek returns the first events that wait, at most n; they stay.
func (q *queue) peek(n int) []queuedEvent {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]queuedEvent(nil), q.waiting[:min(n, len(q.waiting))]...)
}

// drop removes the first events.
func (q *queue) drop(events []queuedEvent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range events {
		if e.event != nil {
			q.held--
			q.bytes -= len(e.data)
		}
	}
	clear(q.waiting[:len(events)]) // so that the array keeps no event alive
	if q.waiting = q.waiting[len(events):]; len(q.waiting) == 0 {
		q.waiting = nil
	}
}

// Sequence implements parley.Log. What was committed before the store was opened
// is not handed out: this process's listeners read it from the log.
func (s *Store) Sequence(ctx context.Context, limit int) ([]*parley.Event, error) {
	return sequence(ctx, s, limit,
		func(q queuedEvent) *parley.Event { return q.event },
		func(e *parley.Event) (*parley.Event, error) { return e, nil })
}

// SequenceEncoded implements parley.EncodedLog.
func (s *Store) SequenceEncoded(ctx context.Context, limit int) ([]parley.EncodedEvent, error) {
	return sequence(ctx, s, limit,
		func(q queuedEvent) parley.EncodedEvent {
			return parley.EncodedEvent{ID: q.event.ID, Org: q.org, Position: q.event.Position, Data: q.data}
		},
		func(e *parley.Event) (parley.EncodedEvent, error) {
			data, err := parley.MarshalEvent(e)
			return parley.EncodedEvent{ID: e.ID, Org: e.Org, Position: e.Position, Data: data}, err
		})
}

// sequence takes the next events of the queue: held makes what is asked for of one
// that is in memory, read of one that was read from the table.
func sequence[T any](
	ctx context.Context, s *Store, limit int, held func(queuedEvent) T, read func(*parley.Event) (T, error),
) ([]T, error) {
	if s.closing.Load() {
		return nil, errClosed
	}
	if limit <= 0 {
		limit = defaultPage
	}
	q := s.queue
	q.taking.Lock()
	defer q.taking.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	next := q.peek(limit)
	list := make([]T, 0, len(next))
	for start := 0; start < len(next); {
		if next[start].event != nil {
			list = append(list, held(next[start]))
			start++
			continue
		}
		events, end, err := s.readQueued(ctx, next, start)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			v, err := read(e)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		start = end
	}
	q.drop(next)
	return list, nil
}

// readQueued reads the events of one org that follow each other in the queue from
// start to end and are not in memory.
func (s *Store) readQueued(ctx context.Context, next []queuedEvent, start int) (events []*parley.Event, end int, err error) {
	var offsets []uint64
	for end = start; end < len(next) && next[end].event == nil && next[end].org == next[start].org; end++ {
		offsets = append(offsets, next[end].pos)
	}
	events, err = s.eventsAt(ctx, next[start].org, offsets)
	return events, end, err
}
