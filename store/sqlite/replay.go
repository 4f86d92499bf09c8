package sqlite

import (
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/parley-chat/parley"
)

// What concerns a listener: the keys it names, and those of the conversations it
// has or had a stay in. The CROSS JOINs say which side drives: the listener's.
const (
	namedHeads  = `json_each(?1) j CROSS JOIN heads h ON h.org = ?2 AND h.log_key = j.value`
	memberHeads = `memberships m CROSS JOIN heads h ON h.org = m.org AND h.log_key = m.log_key`

	firstPos = `(SELECT min(k.pos) FROM event_keys k WHERE k.key = h.key AND k.pos > ?3)`

	// selectActive selects the keys that have events after an offset, with the first.
	selectActive = `SELECT h.key, ` + firstPos + ` FROM ` + namedHeads + ` WHERE h.last > ?3
		UNION SELECT h.key, ` + firstPos + ` FROM ` + memberHeads + `
		WHERE m.org = ?2 AND m.principal = ?4 AND h.last > ?3`
	// selectTrimmed asks whether one of the keys lost events after an offset.
	selectTrimmed = `SELECT EXISTS (SELECT 1 FROM ` + namedHeads + ` WHERE h.trimmed_to > ?3)
		OR EXISTS (SELECT 1 FROM ` + memberHeads + ` WHERE m.org = ?2 AND m.principal = ?4 AND h.trimmed_to > ?3)`
	selectLogTrimmed = `SELECT EXISTS (SELECT 1 FROM logs WHERE org = ? AND trimmed_to > ?)`

	selectPositions = `SELECT pos FROM event_keys WHERE key = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ? + 0`
)

// Replay implements parley.Log; a limit of 0 is 100. It costs one look at the head
// of every key, and then what the keys with something new hold, up to the limit.
func (s *Store) Replay(ctx context.Context, q parley.ReplayQuery) ([]*parley.Event, uint64, error) {
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	if q.After >= q.UpTo {
		return nil, q.UpTo, nil
	}
	if q.All {
		return s.replayAll(ctx, q)
	}
	if s.writer.keys.isBehind(q.Org, q.UpTo) {
		if err := s.catchUp(ctx); err != nil {
			return nil, 0, fmt.Errorf("replay of %s: %w", q.Org, err)
		}
	}
	m := merge{ctx: ctx, store: s, org: q.Org, upTo: q.UpTo, limit: q.Limit}
	err := m.seed(&q)
	var offsets []uint64
	completeTo := q.UpTo
	if err == nil {
		offsets, completeTo, err = m.run()
	}
	if err = s.readError(ctx, err); err != nil {
		return nil, 0, fmt.Errorf("replay of %s: %w", q.Org, err)
	}
	events, err := s.eventsAt(ctx, q.Org, offsets)
	if err != nil {
		return nil, 0, err
	}
	return events, completeTo, nil
}

func (s *Store) replayAll(ctx context.Context, q parley.ReplayQuery) ([]*parley.Event, uint64, error) {
	events, err := s.ReadLog(ctx, q.Org, q.After, q.UpTo, q.Limit+1)
	if err != nil || len(events) <= q.Limit {
		return events, q.UpTo, err
	}
	events = events[:q.Limit]
	return events, events[q.Limit-1].Position.Offset, nil
}

// merge walks the offsets of several keys in order.
type merge struct {
	ctx   context.Context
	store *Store
	org   parley.OrgID
	upTo  uint64
	limit int
	keys  keyHeap
}

// keyCursor is the place of the walk in one key.
type keyCursor struct {
	key  int64    // its number
	pos  uint64   // the next offset
	more []uint64 // what was read after it
	read int      // how many to read next
	end  bool     // nothing is left in the store after more
}

// seed finds the keys that have something, with the first offset of each.
func (m *merge) seed(q *parley.ReplayQuery) error {
	args := []any{jsonStrings(q.Keys), string(q.Org), bounded(q.After), string(q.Member)}
	err := each(m.ctx, m.store.reads, selectActive, args, func(r row) error {
		c := &keyCursor{read: 8}
		var first *int64 // NULL where the events were trimmed
		if err := r.Scan(&c.key, &first); err != nil {
			return err
		}
		if first != nil && uint64(*first) <= m.upTo {
			c.pos = uint64(*first)
			m.keys = append(m.keys, c)
		}
		return nil
	})
	heap.Init(&m.keys)
	return err
}

// run returns the first offsets, at most limit, and how far they are complete.
func (m *merge) run() (offsets []uint64, completeTo uint64, err error) {
	var last uint64
	for len(m.keys) > 0 {
		if pos := m.keys[0].pos; pos != last { // an event may have several of the keys
			if len(offsets) == m.limit {
				return offsets, last, nil
			}
			offsets, last = append(offsets, pos), pos
		}
		if err := m.advance(); err != nil {
			return nil, 0, err
		}
	}
	return offsets, m.upTo, nil
}

// advance moves the first cursor on, reading more each time it has to.
func (m *merge) advance() error {
	c := m.keys[0]
	if len(c.more) == 0 && !c.end {
		args := []any{c.key, int64(c.pos), bounded(m.upTo), c.read}
		err := each(m.ctx, m.store.reads, selectPositions, args, func(r row) error {
			var pos uint64
			err := r.Scan(uintInto{&pos})
			c.more = append(c.more, pos)
			return err
		})
		if err != nil {
			return err
		}
		c.end = len(c.more) < c.read
		c.read = min(2*c.read, m.limit+1)
	}
	if len(c.more) == 0 {
		heap.Pop(&m.keys)
		return nil
	}
	c.pos, c.more = c.more[0], c.more[1:]
	heap.Fix(&m.keys, 0)
	return nil
}

// keyHeap has the least offset first.
type keyHeap []*keyCursor

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return h[i].pos < h[j].pos }
func (h keyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)        { *h = append(*h, x.(*keyCursor)) }

// Pop implements heap.Interface.
func (h *keyHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// CheckCursor implements parley.Log.
func (s *Store) CheckCursor(ctx context.Context, q parley.ReplayQuery, at parley.Position) error {
	if at.Offset == 0 && at.Epoch != 0 {
		return parley.ErrCursor
	}
	if at.Offset > 0 {
		known, head, err := s.locate(ctx, q.Org, at.Offset)
		if err != nil {
			return fmt.Errorf("check cursor: %w", err)
		}
		if at.Offset > head || known.Epoch != at.Epoch {
			return parley.ErrCursor
		}
	}
	query, args := selectTrimmed, []any{jsonStrings(q.Keys), string(q.Org), bounded(at.Offset), string(q.Member)}
	if q.All {
		query, args = selectLogTrimmed, []any{string(q.Org), bounded(at.Offset)}
	}
	var gone bool
	if err := s.readError(ctx, one(ctx, s.reads, query, args, &gone)); err != nil {
		return fmt.Errorf("check cursor: %w", err)
	}
	if gone {
		return parley.ErrGone
	}
	return nil
}

// jsonStrings spells values for json_each.
func jsonStrings(values []string) string {
	if len(values) == 0 {
		return "[]"
	}
	out, _ := json.Marshal(values) // strings always marshal
	return string(out)
}

// jsonNumbers is the same for numbers.
func jsonNumbers(values []uint64) string {
	out := []byte{'['}
	for i, n := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, n, 10)
	}
	return string(append(out, ']'))
}
