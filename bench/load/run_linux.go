package load

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// Traffic is what is published in one run, and how fast.
type Traffic struct {
	// Window, in a closed loop, is how many messages are under way, over all topics:
	// when one has reached every listener, the next is sent, of the topic whose turn
	// it is.
	Window int
	// Rate, in an open loop, is how many messages are sent in a second, over all
	// topics in turn, however the server fares. 0: closed loop.
	Rate float64
	// Warm is how long it runs before it is measured, For how long it is.
	Warm, For time.Duration
	// Grace is how long stragglers are awaited at the end while nothing comes;
	// 0: 5 s.
	Grace time.Duration
	// Sample, where it is not nil, is called when the measured time begins and when
	// it ends.
	Sample func()
}

// Result is what one run has shown.
type Result struct {
	Count                    // of the measured time
	Elapsed    time.Duration // of the measured time
	Latency    *Hist         // from when a message was due to each delivery
	CPU        time.Duration // of the generator's thread in the measured time
	Lost       int           // over the whole run, as the rest
	Doubled    int
	Reordered  int
	Disconnect error  // why the first connection was lost; nil where none was
	Answer     string // what the server last told a publisher, where messages were lost
}

// Err says what was wrong with the deliveries; nil where nothing was.
func (r *Result) Err() error {
	var errs []error
	if r.Lost > 0 {
		errs = append(errs, fmt.Errorf("%d messages were lost (publishers were last told %q)", r.Lost, r.Answer))
	}
	if r.Doubled > 0 {
		errs = append(errs, fmt.Errorf("%d messages came twice", r.Doubled))
	}
	if r.Reordered > 0 {
		errs = append(errs, fmt.Errorf("%d messages came out of order", r.Reordered))
	}
	if r.Strays > 0 {
		errs = append(errs, fmt.Errorf("%d messages came where nobody had asked for them", r.Strays))
	}
	if r.Disconnect != nil {
		errs = append(errs, fmt.Errorf("a connection was lost: %w", r.Disconnect))
	}
	return errors.Join(errs...)
}

// Publish says how topics are published: templates holds, for each, what goes out
// for a message, with a mark (Payload). Topic i is the business of publisher i
// modulo their number. Call it once all listeners are connected.
func (l *Loop) Publish(templates [][]byte, publishers []*Conn) error {
	l.publishers = publishers
	l.topicsUpTo(len(templates) - 1)
	for i, text := range templates {
		t := &l.topics[i]
		t.template, t.publisher = append([]byte(nil), text...), publishers[i%len(publishers)]
		if t.markAt = findMark(text, 0); t.markAt < 0 {
			return fmt.Errorf("what publishes topic %d holds no mark: %.300q", i, text)
		}
	}
	return nil
}

// Run publishes and listens. An error means that it could not be carried out;
// what was wrong with the deliveries is in the result.
func (l *Loop) Run(t Traffic) (*Result, error) {
	if t.Grace == 0 {
		t.Grace = 5 * time.Second
	}
	l.makeRoom(&t)
	before, disconnects := l.faults(), l.count.Dropped
	begin := l.Now()
	measured, end := begin+int64(t.Warm), begin+int64(t.Warm+t.For)
	d := driver{loop: l, traffic: &t, due: begin, end: end, heard: begin}
	d.open()
	if err := d.until(measured); err != nil {
		return nil, err
	}
	start, cpu := l.count, threadCPU()
	sample(t.Sample)
	from := l.Now()
	l.hist.Reset()
	if err := d.until(end); err != nil {
		return nil, err
	}
	r := &Result{Count: l.count.sub(start), Elapsed: time.Duration(l.Now() - from), CPU: threadCPU() - cpu}
	sample(t.Sample)
	d.closed = true
	if err := d.drain(); err != nil {
		return nil, err
	}
	after := l.faults()
	r.Lost, r.Doubled, r.Reordered = after.lost, after.doubled-before.doubled, after.reordered-before.reordered
	r.Latency = &Hist{}
	r.Latency.Merge(&l.hist) // with the stragglers
	if l.count.Dropped > disconnects {
		r.Disconnect = firstError(l.all)
	}
	for _, c := range l.publishers {
		if len(c.Said) > 0 && r.Lost > 0 {
			r.Answer = string(c.Said)
		}
	}
	return r, nil
}

func sample(f func()) {
	if f != nil {
		f()
	}
}

// makeRoom prepares to note the messages under way.
func (l *Loop) makeRoom(t *Traffic) {
	room := 16*t.Window/len(l.topics) + 2
	if t.Rate > 0 {
		room = int(t.Rate*(t.Warm+t.For).Seconds())/len(l.topics) + 2
	}
	size := 1 << bits.Len(uint(room))
	for i := range l.topics {
		topic := &l.topics[i]
		topic.mask, topic.left, topic.at = uint32(size-1), make([]uint32, size), make([]int64, size)
	}
	l.inflight = 0
}

// emit publishes the next message of a topic, which was due at a time.
func (l *Loop) emit(topic uint16, due int64) {
	t := &l.topics[topic]
	t.sent++
	slot := t.sent & t.mask
	t.left[slot], t.at[slot] = t.listeners, due
	l.inflight++
	l.count.Sent++
	Mark{topic, t.sent, uint64(due)}.Put(t.template[t.markAt:])
	c := t.publisher
	if c.Dial.Request == nil {
		c.out = append(c.out, t.template...)
		c.waiting++
	} else {
		c.out = AppendFrame(c.out, c.Dial.Opcode, t.template)
	}
	l.soil(c)
}

// Faults are what is wrong now with what all connections should have heard.
func (l *Loop) Faults() *Result {
	f := l.faults()
	r := &Result{Lost: f.lost, Doubled: f.doubled, Reordered: f.reordered}
	r.Strays = l.count.Strays
	return r
}

type faults struct{ lost, doubled, reordered int }

// faults adds up what is wrong on all connections that should have heard.
func (l *Loop) faults() (f faults) {
	for _, c := range l.all {
		if c.Dial.Topic >= 0 {
			if c.Dial.Slow == 0 {
				f.lost += c.Order.Lost(l.topics[c.Dial.Topic].sent)
			}
			f.doubled += c.Order.Doubled
			f.reordered += c.Order.Reordered
		}
		for topic, o := range c.Orders {
			f.lost += o.Lost(l.topics[topic].sent)
			f.doubled += o.Doubled
			f.reordered += o.Reordered
		}
	}
	return f
}

// driver decides when messages are sent.
type driver struct {
	loop    *Loop
	traffic *Traffic
	due     int64 // of the next message of an open loop
	turn    int   // the topic it is of
	end     int64 // nothing is sent from here on
	closed  bool
	heard   int64 // when something last came
	seen    uint64
}

// open begins a closed loop.
func (d *driver) open() {
	for range d.traffic.Window {
		d.next()
	}
}

// next sends a message of the topic whose turn it is. A topic that is far behind
// the others misses its turn.
func (d *driver) next() {
	l := d.loop
	for range l.topics {
		t := &l.topics[d.turn]
		topic := uint16(d.turn)
		d.turn = (d.turn + 1) % len(l.topics)
		if t.left[(t.sent+1)&t.mask] == 0 {
			l.emit(topic, l.Now())
			return
		}
	}
}

// until runs to a time on the loop's clock.
func (d *driver) until(end int64) error {
	for {
		now := d.loop.Now()
		if now >= end {
			if d.traffic.Rate > 0 {
				d.offer(end - 1) // what was due, though it is late
			}
			return nil
		}
		wait := end - now
		if d.traffic.Rate > 0 {
			wait = min(wait, d.offer(now)-now)
		}
		if err := d.step(time.Duration(wait)); err != nil {
			return err
		}
	}
}

// offer sends what is due in an open loop and returns when the next is.
func (d *driver) offer(now int64) int64 {
	interval := 1e9 / d.traffic.Rate
	for d.due <= now && d.due < d.end {
		d.loop.emit(uint16(d.turn), d.due)
		d.turn = (d.turn + 1) % len(d.loop.topics)
		d.due += int64(interval)
	}
	return d.due
}

// step handles what happens within a time, and in a closed loop sends what may
// be sent for it.
func (d *driver) step(wait time.Duration) error {
	l := d.loop
	if err := l.turn(min(wait, l.slowly())); err != nil {
		return err
	}
	if l.count.Delivered > d.seen {
		d.seen, d.heard = l.count.Delivered, l.Now()
	}
	refill := d.traffic.Rate == 0 && !d.closed
	for refill && l.inflight < d.traffic.Window {
		before := l.inflight
		d.next()
		if l.inflight == before {
			break // every topic is far behind
		}
	}
	if refill && l.Now()-d.heard > int64(d.traffic.Grace) {
		d.closed = true // nothing more will come: the rest counts as lost
	}
	return nil
}

// drain waits for what is under way.
func (d *driver) drain() error {
	l := d.loop
	d.heard = l.Now()
	for l.inflight > 0 && l.Now()-d.heard < int64(d.traffic.Grace) {
		if err := d.step(10 * time.Millisecond); err != nil {
			return err
		}
	}
	// One that comes twice comes a moment later.
	for end := l.Now() + int64(50*time.Millisecond); l.Now() < end; {
		if err := d.step(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
