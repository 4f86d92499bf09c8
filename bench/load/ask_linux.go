package load

import (
	"fmt"
	"time"
)

// Asked is what a run of requests has shown.
type Asked struct {
	Answers uint64
	Elapsed time.Duration
	Latency *Hist         // from a request to its answer
	CPU     time.Duration // of the generator's thread
}

// Ask sends a request on each of the connections, and the next when it is
// answered, for a time. request appends the n-th request of all. An answer that
// is not of the 200s ends it.
func (l *Loop) Ask(conns []*Conn, request func(dst []byte, n uint64) []byte, warm, lasts time.Duration, atBounds func()) (*Asked, error) {
	var n, answers uint64
	var open bool
	next := func(c *Conn) {
		c.sentAt = l.Now()
		c.out = request(c.out, n)
		n++
		c.waiting++
		l.soil(c)
	}
	l.onAnswer = func(c *Conn) {
		answers++
		l.hist.Add(l.now - c.sentAt)
		if open {
			next(c)
		}
	}
	defer func() { l.onAnswer = nil }()
	open = true
	for _, c := range conns {
		next(c)
	}
	run := func(d time.Duration) error {
		for end := l.Now() + int64(d); l.Now() < end; {
			if err := l.turn(10 * time.Millisecond); err != nil {
				return err
			}
			if l.count.Dropped > 0 {
				return firstError(conns)
			}
		}
		return nil
	}
	if err := run(warm); err != nil {
		return nil, err
	}
	sample(atBounds)
	l.hist.Reset()
	answers = 0
	from, cpu := l.Now(), threadCPU()
	if err := run(lasts); err != nil {
		return nil, err
	}
	a := &Asked{Answers: answers, Elapsed: time.Duration(l.Now() - from), Latency: &Hist{}, CPU: threadCPU() - cpu}
	a.Latency.Merge(&l.hist)
	sample(atBounds)
	open = false
	if a.Answers == 0 {
		return nil, fmt.Errorf("no answers within %s", lasts)
	}
	return a, run(50 * time.Millisecond)
}

// answered notes an answer to a request.
func (l *Loop) answered(c *Conn) {
	if l.onAnswer != nil {
		l.onAnswer(c)
	}
}
