package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/parley-chat/parley"
)

const (
	insertEvent = `INSERT INTO events (org, pos, epoch, id, type, conversation, change_seq, time, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// A principal may be named twice in an event's targets.
	insertEventKey = `INSERT INTO event_keys (org, log_key, pos) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	upsertHead     = `INSERT INTO heads (org, log_key, last) VALUES (?, ?, ?)
		ON CONFLICT (org, log_key) DO UPDATE SET last = excluded.last`
	selectLog = `SELECT last FROM logs WHERE org = ?`
	upsertLog = `INSERT INTO logs (org, last) VALUES (?, ?) ON CONFLICT (org) DO UPDATE SET last = excluded.last`

	insertEpoch = `INSERT INTO epochs (org, first_pos, epoch) VALUES (?, ?, ?)`

	selectPublished = `SELECT event_id, at, hash FROM published WHERE org = ? AND principal = ? AND idem_key = ?`
	insertPublished = `INSERT INTO published (org, principal, idem_key, event_id, at, hash) VALUES (?, ?, ?, ?, ?, ?)`
)

// appender gives events their places in the logs. It belongs to the writer's
// goroutine: what it knows of the heads is as of the transaction under way.
type appender struct {
	ctx     context.Context
	stmts   *stmts
	epoch   parley.Epoch
	logs    map[parley.OrgID]*orgLog
	pending []pendingEvent // of the transaction under way
}

// orgLog is where an org's log ends.
type orgLog struct {
	epoch    parley.Epoch // of this opening
	last     uint64
	hasEpoch bool // this opening's epoch is in the epochs table
}

// pendingEvent is an event that was stored in the transaction under way.
type pendingEvent struct {
	event *parley.Event
	pos   uint64
	size  int // of its data, in bytes
}

type logKey struct {
	org parley.OrgID
	key string
}

func newAppender(ctx context.Context, s *stmts, epoch parley.Epoch) *appender {
	return &appender{ctx: ctx, stmts: s, epoch: epoch, logs: map[parley.OrgID]*orgLog{}}
}

// AppendEvent implements parley.Tx: the event gets its place at once and its
// Position once that is committed. parley.ErrConflict where its change_seq is
// taken in the conversation.
func (t *tx) AppendEvent(e *parley.Event) error {
	if err := t.appendEvent(e); err != nil {
		return fmt.Errorf("append event %s: %w", e.ID, err)
	}
	return nil
}

func (t *tx) appendEvent(e *parley.Event) error {
	kept := *e
	kept.Position = parley.Position{} // it is in columns of its own
	data, err := parley.MarshalEvent(&kept)
	if err != nil {
		return err
	}
	a := t.w.log
	log, err := a.log(e.Org)
	if err != nil {
		return t.check(err)
	}
	pos := log.last + 1
	_, err = t.exec(insertEvent, string(e.Org), int64(pos), int64(log.epoch), e.ID[:], string(e.Type),
		optID(e.Conversation), int64(e.ChangeSeq), micros(e.Time), data)
	if err != nil {
		return err
	}
	log.last = pos
	a.pending = append(a.pending, pendingEvent{e, pos, len(data)})
	for _, key := range e.Keys(nil) {
		if _, err := t.exec(insertEventKey, string(e.Org), key, int64(pos)); err != nil {
			return err
		}
	}
	return nil
}

// log returns the end of an org's log, from the store at the first time.
func (a *appender) log(org parley.OrgID) (*orgLog, error) {
	if l := a.logs[org]; l != nil {
		return l, nil
	}
	l := &orgLog{epoch: epochOf(a.epoch, org)}
	err := one(a.ctx, a.stmts, selectLog, []any{string(org)}, uintInto{&l.last})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	a.logs[org] = l
	return l, nil
}

// mark returns the place to roll back to.
func (a *appender) mark() int { return len(a.pending) }

// epochOf is an opening's epoch in one org's log: no other org's, so that a cursor
// of another org is told from one's own.
func epochOf(opening parley.Epoch, org parley.OrgID) parley.Epoch {
	h := fnv.New64a()
	_, _ = h.Write([]byte(org))
	if e := opening ^ parley.Epoch(h.Sum64()); e != 0 {
		return e
	}
	return opening // 0 is no epoch
}

// rollback forgets the events since the mark.
func (a *appender) rollback(mark int) {
	for _, p := range a.pending[mark:] {
		a.logs[p.event.Org].last--
	}
	a.forget(mark)
}

// reset forgets the transaction, and what was known of the logs with it: whether
// it was committed is for the file to say.
func (a *appender) reset() {
	clear(a.logs)
	a.forget(0)
}

func (a *appender) forget(mark int) {
	clear(a.pending[mark:])
	a.pending = a.pending[:mark]
}

// flush writes the heads, before the commit: once per key, however many events
// the transaction has.
func (a *appender) flush() error {
	if len(a.pending) == 0 {
		return nil
	}
	heads := make(map[logKey]uint64, len(a.pending))
	first := make(map[parley.OrgID]uint64, 1)
	var keys []string
	for _, p := range a.pending {
		keys = p.event.Keys(keys[:0])
		for _, k := range keys {
			heads[logKey{p.event.Org, k}] = p.pos
		}
		if _, ok := first[p.event.Org]; !ok {
			first[p.event.Org] = p.pos
		}
	}
	for k, pos := range heads {
		if err := a.exec(upsertHead, string(k.org), k.key, int64(pos)); err != nil {
			return err
		}
	}
	for org, pos := range first {
		if err := a.flushLog(org, pos); err != nil {
			return err
		}
	}
	return nil
}

// flushLog writes the end of an org's log, and the epoch where this opening has
// given its first offset.
func (a *appender) flushLog(org parley.OrgID, first uint64) error {
	log := a.logs[org]
	if !log.hasEpoch {
		if err := a.exec(insertEpoch, string(org), int64(first), int64(log.epoch)); err != nil {
			return err
		}
		log.hasEpoch = true
	}
	return a.exec(upsertLog, string(org), int64(log.last))
}

func (a *appender) exec(query string, args ...any) error {
	stmt, err := a.stmts.get(query)
	if err == nil {
		_, err = stmt.ExecContext(a.ctx, args...)
	}
	return translate(err)
}

// committed gives the events their Positions, and returns them until the next
// transaction.
func (a *appender) committed() []pendingEvent {
	for _, p := range a.pending {
		p.event.Position = parley.Position{Epoch: a.logs[p.event.Org].epoch, Offset: p.pos}
	}
	done := a.pending
	a.pending = nil
	return done
}

// Published implements parley.Tx.
func (t *tx) Published(org parley.OrgID, principal parley.PrincipalID, key string) (id parley.EventID, at time.Time, hash []byte, err error) {
	err = t.one(selectPublished, []any{string(org), string(principal), key}, into(&id), timeInto{&at}, &hash)
	if err != nil {
		err = fmt.Errorf("published: %w", err)
	}
	return id, at, hash, err
}

// RecordPublished implements parley.Tx.
func (t *tx) RecordPublished(org parley.OrgID, principal parley.PrincipalID, key string, id parley.EventID, at time.Time, hash []byte) error {
	_, err := t.exec(insertPublished, string(org), string(principal), key, id[:], micros(at), append([]byte{}, hash...))
	if err != nil {
		return fmt.Errorf("record published: %w", err)
	}
	return nil
}
