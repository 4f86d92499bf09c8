package conn

import (
	"context"
	"runtime"
	"sync"

	"github.com/parley-chat/parley/internal/turn"
)

// rounds write to the Conns that are owed something, one after the other: while
// others have their turn more is gathered for those who wait for it, so that
// frames go out together just when there are many.
type rounds struct {
	mu    sync.Mutex
	queue []*Conn
	head  int           // of the queue
	some  chan struct{} // holds one while there may be something
}

func newRounds() *rounds { return &rounds{some: make(chan struct{}, 1)} }

// atOnce is how many Conns a worker takes at once.
const atOnce = 32

// add has a claimed Conn written to when its turn comes.
func (r *rounds) add(c *Conn) {
	r.mu.Lock()
	r.queue = append(r.queue, c)
	first := len(r.queue)-r.head == 1
	r.mu.Unlock()
	if first {
		r.signal()
	}
}

func (r *rounds) signal() {
	select {
	case r.some <- struct{}{}:
	default:
	}
}

// take moves the next to list, and has another worker look where there are more.
func (r *rounds) take(list *[atOnce]*Conn) (n int) {
	r.mu.Lock()
	waiting := r.queue[r.head:]
	n = copy(list[:], waiting)
	clear(waiting[:n])
	r.head += n
	more := r.head < len(r.queue)
	if !more {
		r.queue, r.head = r.queue[:0], 0
	} else if r.head > cap(r.queue)/2 {
		rest := copy(r.queue, waiting[n:])
		clear(r.queue[rest:])
		r.queue, r.head = r.queue[:rest], 0
	}
	r.mu.Unlock()
	if more {
		r.signal()
	}
	return n
}

// run is one worker.
func (r *rounds) run(ctx context.Context) {
	w := newDirect()
	others := turn.New()
	defer others.Close()
	var list [atOnce]*Conn
	for {
		select {
		case <-r.some:
		case <-ctx.Done():
			return
		}
		for n := r.take(&list); n > 0; n = r.take(&list) {
			w.loud = true
			for i, c := range list[:n] {
				list[i] = nil
				c.write(w, false)
			}
			// Others run now: those who bring what is to be written, above all.
			others.Give()
		}
	}
}

// startRounds starts a worker for each processor.
func (s *Server) startRounds() {
	for range runtime.GOMAXPROCS(0) {
		s.wg.Go(func() { s.rounds.run(s.ctx) })
	}
}
