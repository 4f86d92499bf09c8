package conn

import "sync"

// maxIdleHands is how many goroutines of a crew wait for their next job.
const maxIdleHands = 64

// crew are goroutines that do what goes deep: handshakes and commands. A stack
// grows by being copied, and one that has grown is not given back while it is a
// quarter full; so the reader of a Conn, which lives as long as that, only waits,
// and what comes is dealt with on a stack that has grown already. There are as many
// as there is work at once: nothing waits for another's job. Safe for concurrent
// use.
type crew struct {
	wg *sync.WaitGroup // counts those that live

	mu     sync.Mutex
	idle   []*hand // the one that worked last comes next
	closed bool
}

// hand is one goroutine of a crew.
type hand struct {
	jobs chan task // closed where it is not needed any more
	done chan bool // what waited jobs said
}

type task struct {
	job
	waited bool // somebody receives from done, and gives the hand back
}

// job is what a hand does. What it returns goes to who waits for it.
type job interface{ work() bool }

// start has a job done and does not wait for it. Whoever calls is counted by wg.
func (w *crew) start(j job) { w.hire().jobs <- task{j, false} }

// run has a job done and returns what it said. Whoever calls is counted by wg.
func (w *crew) run(j job) bool {
	h := w.hire()
	h.jobs <- task{j, true}
	ok := <-h.done
	w.rest(h)
	return ok
}

// hire returns a hand that has nothing to do.
func (w *crew) hire() *hand {
	w.mu.Lock()
	if n := len(w.idle); n > 0 {
		h := w.idle[n-1]
		w.idle[n-1], w.idle = nil, w.idle[:n-1]
		w.mu.Unlock()
		return h
	}
	w.mu.Unlock()
	h := &hand{make(chan task, 1), make(chan bool, 1)}
	w.wg.Go(func() { w.labour(h) })
	return h
}

// rest takes back a hand that is done. One too many ends.
func (w *crew) rest(h *hand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == maxIdleHands {
		close(h.jobs)
		return
	}
	w.idle = append(w.idle, h)
}

func (w *crew) labour(h *hand) {
	for t := range h.jobs {
		ok := t.work()
		if t.waited {
			h.done <- ok
		} else {
			w.rest(h)
		}
	}
}

// close ends the hands that are idle, and the others once they are done.
func (w *crew) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, h := range w.idle {
		close(h.jobs)
	}
	w.idle = nil
}
