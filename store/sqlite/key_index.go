package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/parley-chat/parley"
)

// maxBehind is how many events, and how many messages, an index may lack: so many
// are written at once, and so many are read again after a crash.
const maxBehind = 1024

const (
	// How far the indexes have come is kept beside the checkpoints of workers, under
	// names that no worker has.
	keysMark   = `'~keys'`
	searchMark = `'~search'`

	insertMark = `INSERT INTO checkpoints (worker, org, pos) VALUES (` + keysMark + `, ?, ?) ON CONFLICT DO NOTHING`
	upsertMark = `INSERT INTO checkpoints (worker, org, pos) VALUES (` + keysMark + `, ?, ?)
		ON CONFLICT (worker, org) DO UPDATE SET pos = excluded.pos`
	selectBehind = `SELECT l.org, l.number, c.pos, l.last FROM checkpoints c CROSS JOIN logs l ON l.org = c.org
		WHERE c.worker = ` + keysMark + ` AND c.pos < l.last`
	selectPlaces = `SELECT ` + offset + `, data FROM events WHERE place > ? AND place <= ? ORDER BY place LIMIT 1000`

	// A key's first event tells the key's number, and so does the first that this
	// opening knows of.
	upsertHead = `INSERT INTO heads (org, log_key, last) VALUES (?, ?, ?)
		ON CONFLICT (org, log_key) DO UPDATE SET last = excluded.last RETURNING key`
	updateHead = `UPDATE heads SET last = ? WHERE key = ?`
)

// What is there already is not an error: who recovers may have been here before.
var insertKeys = newRowsInsert(`INSERT OR IGNORE INTO event_keys (key, pos) VALUES `, 2)

// maxKnownKeys bounds how many heads are remembered.
const maxKnownKeys = 1 << 16

// keyIndex keeps event_keys and heads: where the events of a key are, and where the
// last of them is.
//
// It is behind the log. The events of one commit are of many keys, which lie apart:
// written with them, each would cost a page of the WAL. So they wait, and those of
// many commits are written in one, ordered. Whoever asks for what waits has it
// written first (Store.catchUp). How far the index has come in a log is in the
// table checkpoints, from which the next opening goes on where this one crashed; a
// log without such a row has nothing that waits.
type keyIndex struct {
	// What comes before mu belongs to the writer's goroutine.
	ctx       context.Context
	stmts     *stmts
	marked    map[parley.OrgID]bool // logs that have their row in checkpoints
	args      []any                 // of the statement under way; kept for its room
	written   bool                  // the transaction under way has written what waits
	recovered bool                  // and before it what is left of another opening

	// What follows is changed by the writer's goroutine, with mu held.
	mu      sync.Mutex
	unknown bool                    // what the index lacks is for the file to say
	lacks   map[parley.OrgID]uint64 // the first offset it lacks of a log, also if that is about to be committed
	heads   map[logKey]*head        // that were told of in this opening
	waiting []*head                 // those that have places
	places  int                     // how many
	ends    map[parley.OrgID]uint64 // the last offset of each log that waits
}

// head is a key of a log.
type head struct {
	logKey
	number int64    // 0 where that is not known yet
	places []uint64 // the offsets that wait, ascending
}

// newKeyIndex makes the index of an opening; with recover it looks for what another
// one has left before anything is asked of it, else before it adds to the log.
func newKeyIndex(ctx context.Context, s *stmts, recover bool) *keyIndex {
	return &keyIndex{
		ctx: ctx, stmts: s, marked: map[parley.OrgID]bool{},
		unknown: recover, lacks: map[parley.OrgID]uint64{}, heads: map[logKey]*head{}, ends: map[parley.OrgID]uint64{},
	}
}

// add has an event wait; those of a log come in the order of their offsets.
func (x *keyIndex) add(e *parley.Event, offset uint64) {
	var room [4]string
	for _, key := range e.Keys(room[:0]) {
		k := logKey{e.Org, key}
		h := x.heads[k]
		if h == nil {
			h = &head{logKey: k}
			x.heads[k] = h
		}
		if len(h.places) == 0 {
			x.waiting = append(x.waiting, h)
		}
		h.places = append(h.places, offset)
		x.places++
	}
	x.ends[e.Org] = offset
}

// clear forgets what waited.
func (x *keyIndex) clear() {
	for i, h := range x.waiting {
		h.places = h.places[:0]
		x.waiting[i] = nil
	}
	x.waiting, x.places = x.waiting[:0], 0
	clear(x.ends)
	if len(x.heads) > maxKnownKeys {
		clear(x.heads)
	}
}

// forget lets go of the heads that it remembers, where nothing waits. For the
// writer's goroutine.
func (x *keyIndex) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.places == 0 {
		x.heads, x.waiting, x.args = map[logKey]*head{}, nil, nil
	}
}

// isBehind reports whether the index lacks something of a log up to an offset.
func (x *keyIndex) isBehind(org parley.OrgID, upTo uint64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := x.lacks[org]
	return x.unknown || first != 0 && first <= upTo
}

// last returns the last offset of a key where one waits, else 0; known is false where
// nothing can be said before the index has caught up.
func (x *keyIndex) last(k logKey) (offset uint64, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h := x.heads[k]; h != nil && len(h.places) > 0 {
		return h.places[len(h.places)-1], true
	}
	return 0, !x.unknown
}

// complete is the last offset up to which a log's events are in the index; 0 where
// that is not known. For the writer's goroutine.
func (x *keyIndex) complete(org parley.OrgID) uint64 {
	switch first := x.lacks[org]; {
	case x.unknown:
		return 0
	case first != 0:
		return first - 1
	}
	return maxOffset
}

// flush is called before the commit of events, and before that of a transaction in
// which somebody wants the index to be complete.
func (x *keyIndex) flush(pending []pendingEvent, wanted bool) error {
	if len(pending) == 0 && !wanted {
		return nil
	}
	if x.unknown || len(x.marked) == 0 {
		if err := x.recover(); err != nil {
			return translate(err)
		}
	}
	if x.places > 0 && (wanted || x.places >= maxBehind) {
		if err := x.write(); err != nil {
			return translate(err)
		}
		x.written = true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range pending {
		org := p.event.Org
		if x.lacks[org] == 0 {
			x.lacks[org] = p.at.Offset
		}
		if x.marked[org] {
			continue
		}
		if err := x.exec(insertMark, string(org), int64(p.at.Offset-1)); err != nil {
			return translate(err)
		}
		x.marked[org] = true
	}
	return nil
}

// committed notes what a commit has stored: it waits from now on.
func (x *keyIndex) committed(events []pendingEvent) {
	if len(events) == 0 && !x.written && !x.recovered {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.recovered {
		x.unknown = false
	}
	if x.written {
		x.clear()
		clear(x.lacks)
	}
	x.written, x.recovered = false, false
	for _, p := range events {
		if org := p.event.Org; x.lacks[org] == 0 {
			x.lacks[org] = p.at.Offset
		}
		x.add(p.event, p.at.Offset)
	}
}

// reset forgets all: what of it was committed is for the file to say.
func (x *keyIndex) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.clear()
	clear(x.lacks)
	clear(x.heads)
	clear(x.marked)
	x.unknown, x.written, x.recovered = true, false, false
}

// write writes what waits: heads and places in the order in which they lie in their
// trees.
func (x *keyIndex) write() error {
	if err := x.moveHeads(); err != nil {
		return err
	}
	args := x.args[:0]
	for _, h := range x.waiting {
		for _, offset := range h.places {
			args = append(args, h.number, int64(offset))
		}
	}
	_, err := insertKeys.exec(x.ctx, x.stmts, args)
	clear(args)
	x.args = args[:0]
	if err != nil {
		return err
	}
	for org, end := range x.ends {
		if err := x.exec(upsertMark, string(org), int64(end)); err != nil {
			return err
		}
		x.marked[org] = true
	}
	return nil
}

// moveHeads notes the last offsets of keys; afterwards their numbers are known, and
// they wait in the order of those.
func (x *keyIndex) moveHeads() error {
	x.order()
	for _, h := range x.waiting {
		last := int64(h.places[len(h.places)-1])
		var err error
		if h.number == 0 {
			err = one(x.ctx, x.stmts, upsertHead, []any{string(h.org), h.key, last}, &h.number)
		} else {
			err = x.exec(updateHead, last, h.number)
		}
		if err != nil {
			return err
		}
	}
	x.order()
	return nil
}

func (x *keyIndex) order() {
	slices.SortFunc(x.waiting, func(a, b *head) int {
		if a.number != b.number {
			return cmp.Compare(a.number, b.number)
		}
		return strings.Compare(a.key, b.key) // not known yet
	})
}

// recover writes what another opening has left, or this one before a commit failed.
func (x *keyIndex) recover() error {
	x.recovered = true
	type lag struct {
		org               parley.OrgID
		number, pos, last int64
	}
	for {
		logs, err := list(x.ctx, x.stmts, selectBehind, nil, func(l *lag) []any { return []any{&l.org, &l.number, &l.pos, &l.last} })
		if err != nil || len(logs) == 0 {
			return err
		}
		x.mu.Lock()
		for _, l := range logs {
			if err = x.read(l.org, l.number<<offsetBits|l.pos, l.number<<offsetBits|l.last); err != nil {
				break
			}
		}
		x.mu.Unlock()
		if err == nil {
			err = x.write()
		}
		if err != nil {
			return err
		}
		x.mu.Lock()
		x.clear()
		x.mu.Unlock()
	}
}

// read has events wait that are stored, a thousand of them.
func (x *keyIndex) read(org parley.OrgID, after, upTo int64) error {
	x.ends[org] = uint64(upTo & maxOffset) // where they were trimmed
	return each(x.ctx, x.stmts, selectPlaces, []any{after, upTo}, func(r row) error {
		var offset uint64
		var data []byte
		if err := r.Scan(uintInto{&offset}, &data); err != nil {
			return err
		}
		e, err := parley.UnmarshalEvent(data)
		if err == nil {
			x.add(e, offset)
		}
		return err
	})
}

func (x *keyIndex) exec(query string, args ...any) error {
	stmt, err := x.stmts.get(query)
	if err == nil {
		_, err = stmt.ExecContext(x.ctx, args...)
	}
	return err
}

// catchUp has the indexes written up to what is committed.
func (s *Store) catchUp(ctx context.Context) error {
	return s.writer.do(ctx, func(t *tx) error {
		t.w.wanted = true
		return nil
	})
}
