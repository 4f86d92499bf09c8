package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/turn"
)

// maxGroup is how many updates one commit holds at most, and maxAwait how long one
// may wait for others to come.
const (
	maxGroup = 256
	maxAwait = 2 * time.Millisecond
)

// writer is the goroutine that owns the writing connection, and its queue.
type writer struct {
	mu       sync.RWMutex // held for reading while a request is sent
	closed   bool
	requests chan *request
	free     sync.Pool     // of requests that were answered
	done     chan struct{} // closed when the goroutine has ended

	// What follows belongs to the goroutine.
	ctx   context.Context
	conn  *sql.Conn
	stmts *stmts
	log   *appender
	keys  *keyIndex
	index *indexer
	queue *queue
	batch []*request
	// wanted is whether the transaction under way is to bring the indexes up to what
	// was committed before it.
	wanted bool
	turn   *turn.Turn
}

// request is one update on its way through the writer.
type request struct {
	ctx   context.Context
	fn    func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{} // has a value once err is the outcome
}

// The states of a request: who moves it on from queued decides whether it runs.
const (
	queued int32 = iota
	begun
	abandoned
)

// newWriter makes the writer of a connection. recover has it look for what a crash
// has left to be indexed.
func newWriter(conn *sql.Conn, epoch parley.Epoch, q *queue, recover bool) *writer {
	w := &writer{
		requests: make(chan *request, maxGroup),
		done:     make(chan struct{}),
		ctx:      context.Background(),
		conn:     conn,
		stmts:    newStmts(conn),
		queue:    q,
		batch:    make([]*request, 0, maxGroup),
		turn:     turn.New(),
		free:     sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }},
	}
	w.log = newAppender(w.ctx, w.stmts, epoch)
	w.keys = newKeyIndex(w.ctx, w.stmts, recover)
	w.index = newIndexer(w.ctx, w.stmts, recover)
	go w.run()
	return w
}

// do queues fn and waits for its outcome.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := w.free.Get().(*request)
	r.ctx, r.fn, r.err = ctx, fn, nil
	r.state.Store(queued)
	if err := w.send(r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(queued, abandoned) {
			return ctx.Err() // the writer still holds r: it is not reused
		}
		<-r.done
	}
	err := r.err
	r.ctx, r.fn, r.err = nil, nil, nil
	w.free.Put(r)
	return err
}

func (w *writer) send(r *request) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.requests <- r:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// close refuses new requests, finishes the queued ones and lets go of the
// connection.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.requests)
	}
	w.mu.Unlock()
	<-w.done
	w.stmts.close()
	w.turn.Close()
	_ = w.conn.Close()
}

// run commits whatever is queued until the queue is closed. Where an update ends
// the goroutine (runtime.Goexit, as a failing test does) the batch is given up
// and another goroutine goes on.
func (w *writer) run() {
	finished := false
	defer func() {
		if finished {
			close(w.done)
			return
		}
		w.giveUp(errExited)
		go w.run()
	}()
	for r := range w.requests {
		w.await()
		w.gather(r)
		w.commit()
	}
	w.settle()
	finished = true
}

// settle leaves nothing behind that the indexes lack.
func (w *writer) settle() {
	if w.keys.places > 0 || len(w.index.waiting) > 0 {
		w.wanted = true
		w.transact()
	}
}

// await lets those go first who are about to send, as long as more come: woken by
// the first request, the writer would else be ahead of all that became ready with
// it, and those who were just answered would miss the group they could be in. A
// commit costs much the same for many as for one. Alone it costs microseconds.
func (w *writer) await() {
	until := time.Now().Add(maxAwait)
	for waiting := -1; len(w.requests) > waiting && len(w.requests) < maxGroup-1; {
		waiting = len(w.requests)
		w.turn.Give()
		if time.Now().After(until) {
			return
		}
	}
}

// gather fills the batch with what waits behind the first request.
func (w *writer) gather(first *request) {
	w.batch = w.batch[:0]
	for r := first; ; {
		if r.state.CompareAndSwap(queued, begun) {
			w.batch = append(w.batch, r)
		}
		if len(w.batch) == maxGroup {
			return
		}
		var ok bool
		select {
		case r, ok = <-w.requests:
			if !ok {
				return
			}
		default:
			return
		}
	}
}

// commit runs the batch in one transaction and answers its requests.
func (w *writer) commit() {
	if len(w.batch) > 0 {
		w.wanted = false
		w.transact()
	}
}

func (w *writer) transact() {
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		w.giveUp(err)
		return
	}
	for _, r := range w.batch {
		t := &tx{w: w}
		r.err = t.run(r.fn)
		if t.broken != nil {
			w.giveUp(t.broken)
			return
		}
	}
	if err := w.flush(); err != nil {
		w.giveUp(err)
		return
	}
	if err := w.exec(`COMMIT`); err != nil {
		w.giveUp(err)
		return
	}
	done := w.log.committed()
	w.keys.committed(done)
	w.index.committed()
	w.queue.add(done)
	w.answer()
}

// flush writes what the updates of the batch have left to the end. What the indexes
// may have to recover is as the last commit left it: they come first.
func (w *writer) flush() error {
	if err := w.keys.flush(w.log.pending, w.wanted); err != nil {
		return err
	}
	if err := w.index.flush(w.wanted); err != nil {
		return err
	}
	return w.log.flush()
}

// giveUp rolls the transaction back and answers every request that had not
// failed by itself with err.
func (w *writer) giveUp(err error) {
	_ = w.exec(`ROLLBACK`) // fails where SQLite rolled back by itself
	w.log.reset()
	w.keys.reset()
	w.index.reset()
	err = fmt.Errorf("sqlite: commit: %w", err)
	for _, r := range w.batch {
		if r.err == nil {
			r.err = err
		}
	}
	w.answer()
}

func (w *writer) answer() {
	for i, r := range w.batch {
		w.batch[i] = nil
		r.done <- struct{}{}
	}
	w.batch = w.batch[:0]
}

func (w *writer) exec(query string) error {
	stmt, err := w.stmts.get(query)
	if err != nil {
		return translate(err)
	}
	_, err = stmt.ExecContext(w.ctx)
	return translate(err)
}

// fatal reports whether a failed statement may have ended the transaction, or
// says that the file can no longer be written.
func fatal(err error) bool { return errors.Is(err, parley.ErrUnavailable) }
