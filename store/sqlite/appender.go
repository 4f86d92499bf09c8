package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"hash/fnv"

	"github.com/parley-chat/parley"
)

// offsetBits is how much of a place is the offset; the rest is the number of the
// org's log.
const offsetBits = 40

const maxOffset = 1<<offsetBits - 1

const (
	selectLog     = `SELECT number, last FROM logs WHERE org = ?`
	selectNumbers = `SELECT coalesce(max(number), 0) FROM logs`
	upsertLog     = `INSERT INTO logs (org, number, last) VALUES (?, ?, ?) ON CONFLICT (org) DO UPDATE SET last = excluded.last`

	insertEpoch = `INSERT INTO epochs (org, first_pos, epoch) VALUES (?, ?, ?)`
)

var insertEvents = newRowsInsert(`INSERT INTO events (place, epoch, time, conversation, change_seq, data) VALUES `, 6)

// appender gives events their places in the logs. It belongs to the writer's
// goroutine: what it knows of the heads is as of the transaction under way.
type appender struct {
	ctx   context.Context
	stmts *stmts
	epoch parley.Epoch

	logs    map[parley.OrgID]*orgLog
	numbers int64 // the last that was given to a log; 0 where that is not known

	pending []pendingEvent // of the transaction under way
	stored  int            // how many of them are in the table
	args    []any          // of the statement under way; kept for its room
}

// orgLog is where an org's log ends.
type orgLog struct {
	number   int64
	epoch    parley.Epoch // of this opening
	last     uint64
	hasEpoch bool // this opening's epoch is in the epochs table
}

// pendingEvent is an event of the transaction under way.
type pendingEvent struct {
	event *parley.Event
	at    parley.Position
	place int64
	data  []byte // as MarshalEvent writes it, with its Position
}

type logKey struct {
	org parley.OrgID
	key string
}

func newAppender(ctx context.Context, s *stmts, epoch parley.Epoch) *appender {
	return &appender{ctx: ctx, stmts: s, epoch: epoch, logs: map[parley.OrgID]*orgLog{}}
}

// append gives an event its place.
func (a *appender) append(e *parley.Event) error {
	log, err := a.log(e.Org)
	if err != nil {
		return err
	}
	kept := *e
	kept.Position = parley.Position{Epoch: log.epoch, Offset: log.last + 1}
	data, err := parley.MarshalEvent(&kept)
	if err != nil {
		return err
	}
	log.last++
	a.pending = append(a.pending, pendingEvent{e, kept.Position, log.number<<offsetBits | int64(log.last), data})
	return nil
}

// log returns the end of an org's log, from the store at the first time.
func (a *appender) log(org parley.OrgID) (*orgLog, error) {
	if l := a.logs[org]; l != nil {
		return l, nil
	}
	l := &orgLog{epoch: epochOf(a.epoch, org)}
	err := one(a.ctx, a.stmts, selectLog, []any{string(org)}, &l.number, uintInto{&l.last})
	if errors.Is(err, sql.ErrNoRows) {
		l.number, err = a.nextNumber()
	}
	if err != nil {
		return nil, err
	}
	a.logs[org] = l
	return l, nil
}

// nextNumber gives a new log its number.
func (a *appender) nextNumber() (int64, error) {
	if a.numbers == 0 {
		if err := one(a.ctx, a.stmts, selectNumbers, nil, &a.numbers); err != nil {
			return 0, err
		}
	}
	a.numbers++
	return a.numbers, nil
}

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

// mark returns the place to roll back to.
func (a *appender) mark() int { return len(a.pending) }

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
	a.numbers = 0
	a.forget(0)
}

func (a *appender) forget(mark int) {
	clear(a.pending[mark:])
	a.pending = a.pending[:mark]
	a.stored = min(a.stored, mark)
}

// store writes the events that are not in the table yet.
func (a *appender) store() error {
	args := a.args[:0]
	for _, p := range a.pending[a.stored:] {
		args = append(args, p.place, int64(p.at.Epoch), micros(p.event.Time), optID(p.event.Conversation),
			int64(p.event.ChangeSeq), p.data)
	}
	rows, err := insertEvents.exec(a.ctx, a.stmts, args)
	a.stored += rows
	a.keep(args)
	return err
}

// keep gives the room of the arguments back.
func (a *appender) keep(args []any) {
	clear(args)
	a.args = args[:0]
}

// flush writes, before the commit, the events that wait, and the ends of their logs.
func (a *appender) flush() error {
	if len(a.pending) == 0 {
		return nil
	}
	if err := a.store(); err != nil {
		return translate(err)
	}
	first := make(map[parley.OrgID]uint64, 1)
	for _, p := range a.pending {
		if _, ok := first[p.event.Org]; !ok {
			first[p.event.Org] = p.at.Offset
		}
	}
	for org, offset := range first {
		if err := a.flushLog(org, offset); err != nil {
			return translate(err)
		}
	}
	return nil
}

// flushLog writes the end of an org's log, and the epoch where this opening has
// given its first offset.
func (a *appender) flushLog(org parley.OrgID, first uint64) error {
	log := a.logs[org]
	if err := a.exec(upsertLog, string(org), log.number, int64(log.last)); err != nil {
		return err
	}
	if log.hasEpoch {
		return nil
	}
	if err := a.exec(insertEpoch, string(org), int64(first), int64(log.epoch)); err != nil {
		return err
	}
	log.hasEpoch = true
	return nil
}

func (a *appender) exec(query string, args ...any) error {
	stmt, err := a.stmts.get(query)
	if err == nil {
		_, err = stmt.ExecContext(a.ctx, args...)
	}
	return err
}

// committed gives the events their Positions, and returns them until the next
// transaction.
func (a *appender) committed() []pendingEvent {
	for _, p := range a.pending {
		p.event.Position = p.at
	}
	done := a.pending
	a.pending, a.stored = nil, 0
	return done
}
