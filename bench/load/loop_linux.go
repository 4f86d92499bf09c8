package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Loop is the generator: connections, and what is sent and heard on them. All its
// methods belong to one goroutine, which New locks to its thread until Close.
type Loop struct {
	// Poll has it look for what happened again and again rather than sleep. A server
	// on the same machine then need not wake it with what it writes, which costs it
	// more than the writing where processors are virtual, and which the network of
	// real clients does not cost it. Set before anything is done.
	Poll bool

	epoll  int
	events []unix.EpollEvent
	byFD   []*Conn
	all    []*Conn
	buf    []byte
	base   time.Time
	now    int64 // nanoseconds since base, when the read at work came back

	scan       scanner
	topics     []topic
	publishers []*Conn
	dirty      []*Conn
	inflight   int // messages that have not reached everybody
	readied    int
	onAnswer   func(*Conn)
	slow       []*Conn

	count Count
	hist  Hist

	stopped   atomic.Bool
	unwatch   func() bool
	cancelled context.Context
}

// Count is what a loop has seen.
type Count struct {
	Sent, Delivered uint64 // messages; each delivery of one counts
	Frames, Reads   uint64
	Strays          uint64 // messages on a connection that does not hear their topic
	Dropped         int    // connections that were closed by the other end
}

// sub is what was counted since before.
func (c Count) sub(before Count) Count {
	return Count{
		c.Sent - before.Sent, c.Delivered - before.Delivered, c.Frames - before.Frames, c.Reads - before.Reads,
		c.Strays - before.Strays, c.Dropped - before.Dropped,
	}
}

// topic is one order of messages.
type topic struct {
	template  []byte // what publishes a message, with a place for the mark
	markAt    int
	publisher *Conn
	listeners uint32
	sent      uint32
	mask      uint32
	left      []uint32 // for each message under way, who has not heard it, by seq&mask
	at        []int64  // when it was sent
}

// New makes a loop that ends when ctx does. Messages are found as scan says.
func New(ctx context.Context, scan Scan) (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	runtime.LockOSThread()
	l := &Loop{
		epoll: fd, events: make([]unix.EpollEvent, 512), buf: make([]byte, 128<<10), base: time.Now(),
		scan: scanner{Scan: scan, first: -1}, cancelled: ctx,
	}
	l.unwatch = context.AfterFunc(ctx, func() { l.stopped.Store(true) })
	return l, nil
}

// Close closes all connections, without waiting for the other ends.
func (l *Loop) Close() {
	for _, c := range l.all {
		l.drop(c, errors.New("closed"))
	}
	_ = unix.Close(l.epoll)
	l.unwatch()
	runtime.UnlockOSThread()
}

// Now is the loop's clock, nanoseconds.
func (l *Loop) Now() int64 { return int64(time.Since(l.base)) }

// Connect makes connections, at most atOnce (0: 64) at a time, and returns when
// all are ready. One that fails fails all.
func (l *Loop) Connect(dials []*Dial, atOnce int) ([]*Conn, error) {
	if atOnce == 0 {
		atOnce = 64
	}
	conns := make([]*Conn, 0, len(dials))
	goal, begun := l.readied, 0
	dropped := l.count.Dropped
	progress, seen := time.Now(), l.readied
	for l.readied < goal+len(dials) {
		for begun < len(dials) && goal+begun-l.readied < atOnce {
			c, err := l.dial(dials[begun])
			if err != nil {
				return conns, fmt.Errorf("connection %d: %w", begun+1, err)
			}
			conns = append(conns, c)
			begun++
		}
		if err := l.turn(10 * time.Millisecond); err != nil {
			return conns, err
		}
		if l.count.Dropped > dropped {
			return conns, firstError(conns)
		}
		if l.readied > seen {
			progress, seen = time.Now(), l.readied
		} else if time.Since(progress) > patience {
			return conns, fmt.Errorf("%d of %d connections are ready, and nothing comes: %s", l.readied-goal, len(dials), stuck(conns))
		}
	}
	return conns, nil
}

// Until goes on until done says so, and fails where nothing comes for too long.
// Connections that are lost are for done to notice.
func (l *Loop) Until(done func() bool) error {
	last, seen := time.Now(), l.count.Reads
	for !done() {
		if err := l.turn(min(10*time.Millisecond, l.slowly())); err != nil {
			return err
		}
		if l.count.Reads > seen {
			last, seen = time.Now(), l.count.Reads
		} else if time.Since(last) > patience {
			return fmt.Errorf("nothing comes any more: %s", stuck(l.all))
		}
	}
	return nil
}

// Rest lets a time pass.
func (l *Loop) Rest(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := l.turn(min(10*time.Millisecond, l.slowly())); err != nil {
			return err
		}
	}
	return nil
}

// Emit publishes one message of a topic now, outside of a run.
func (l *Loop) Emit(topic int) {
	t := &l.topics[topic]
	if len(t.left) == 0 {
		t.left, t.at = make([]uint32, 1), make([]int64, 1)
	}
	l.emit(uint16(topic), l.Now())
}

// Sync sends a payload on each of the connections and waits until each has had an
// answer in which there is no message.
func (l *Loop) Sync(conns []*Conn, payload []byte) error {
	goals := make([]int, len(conns))
	for i, c := range conns {
		goals[i] = c.Others + 1
		l.send(c, c.Dial.Opcode, payload)
	}
	err := l.Until(func() bool {
		return !slices.ContainsFunc(conns, func(c *Conn) bool { return c.err == nil && c.Others < goals[slices.Index(conns, c)] })
	})
	for _, c := range conns {
		if err == nil && c.err != nil {
			err = c.err
		}
	}
	return err
}

// Sent is how many messages of a topic were published.
func (l *Loop) Sent(topic int) uint32 { return l.topics[topic].sent }

// Total is what the loop has seen since it was made.
func (l *Loop) Total() Count { return l.count }

// Hang drops connections as a network does that goes away.
func (l *Loop) Hang(conns []*Conn) {
	for _, c := range conns {
		if c.state != closed {
			l.drop(c, errors.New("dropped"))
			l.count.Dropped--
		}
	}
	l.all = slices.DeleteFunc(l.all, func(c *Conn) bool { return c.state == closed })
}

// patience is how long a loop waits while nothing at all happens.
const patience = 15 * time.Second

func firstError(conns []*Conn) error {
	for i, c := range conns {
		if c.err != nil {
			return fmt.Errorf("connection %d: %w (it said: %.300s)", i+1, c.err, c.Said)
		}
	}
	return errHangUp
}

func stuck(conns []*Conn) string {
	for i, c := range conns {
		if c.state != ready {
			return fmt.Sprintf("connection %d is in state %d, step %d; it said: %.300s", i+1, c.state, c.step, c.Said)
		}
	}
	return "all are ready"
}

func (l *Loop) dial(d *Dial) (*Conn, error) {
	c := &Conn{Dial: d, Order: d.Heard, fd: -1, began: l.Now()}
	if d.Topic == AnyTopic {
		c.Orders = map[uint16]*Order{}
	}
	if d.TLS != nil {
		return c, l.dialTLS(c)
	}
	fd, err := unix.Socket(family(d.Addr), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := l.prepare(fd, d); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := unix.Connect(fd, sockaddr(d.Addr)); err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	c.armed = true
	return c, l.add(c, fd)
}

// prepare sets what must be set before a socket connects.
func (l *Loop) prepare(fd int, d *Dial) error {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if d.Slow > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	}
	// One address has some 28,000 ports; the loopback network has many addresses.
	if len(l.all) < portsPerAddress || !d.Addr.Addr().Is4() || !d.Addr.Addr().IsLoopback() {
		return nil
	}
	const bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, bindAddressNoPort, 1)
	from := [4]byte{127, 0, 0, byte(1 + len(l.all)/portsPerAddress)}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from}); err != nil {
		return fmt.Errorf("bind to %v: %w", from, err)
	}
	return nil
}

const portsPerAddress = 20_000

func (l *Loop) add(c *Conn, fd int) error {
	c.fd = fd
	for len(l.byFD) <= fd {
		l.byFD = append(l.byFD, nil)
	}
	l.byFD[fd] = c
	l.all = append(l.all, c)
	if c.Dial.Topic >= 0 && c.Dial.Slow == 0 {
		l.topicsUpTo(c.Dial.Topic)
		l.topics[c.Dial.Topic].listeners++
	}
	e := unix.EpollEvent{Events: c.interest(), Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (l *Loop) topicsUpTo(n int) {
	for len(l.topics) <= n {
		l.topics = append(l.topics, topic{})
	}
}

// interest is what epoll is to tell of a connection. One that reads slowly is
// asked by the clock.
func (c *Conn) interest() uint32 {
	var events uint32 = unix.EPOLLIN
	if c.Dial.Slow > 0 && c.state == ready {
		events = 0
	}
	if c.armed {
		events |= unix.EPOLLOUT
	}
	return events
}

func (l *Loop) arm(c *Conn) {
	e := unix.EpollEvent{Events: c.interest(), Fd: int32(c.fd)}
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, &e)
}

// turn waits for at most d, handles what has happened and sends what is due.
func (l *Loop) turn(d time.Duration) error {
	if l.stopped.Load() {
		return context.Cause(l.cancelled)
	}
	if len(l.dirty) > 0 {
		l.flush()
	}
	if l.Poll {
		d = 0
	}
	events, err := l.wait(d)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range events {
		c := l.byFD[events[i].Fd]
		if c == nil {
			continue
		}
		if events[i].Events&unix.EPOLLOUT != 0 {
			l.writable(c)
		}
		if events[i].Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) != 0 && c.state != closed {
			l.read(c, len(l.buf))
		}
	}
	l.flush()
	return nil
}

func (l *Loop) writable(c *Conn) {
	if c.state != connecting {
		l.write(c)
		return
	}
	if errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
		l.drop(c, fmt.Errorf("connect: %w", unix.Errno(errno)))
		return
	}
	l.connected(c)
	l.write(c)
}

// connected begins to speak.
func (l *Loop) connected(c *Conn) {
	if c.Dial.Request == nil {
		l.nowReady(c)
		return
	}
	c.state = upgrading
	c.out = append(c.out, c.Dial.Request...)
	l.soil(c)
}

// read takes what has come, at most limit bytes of it.
func (l *Loop) read(c *Conn, limit int) {
	ahead := copy(l.buf, c.rest)
	if ahead == len(l.buf) { // a frame that fills the buffer
		l.buf = append(make([]byte, 0, 2*len(l.buf)), l.buf...)[:2*len(l.buf)]
	}
	room := l.buf[ahead:]
	n, errno := rawRead(c.fd, room[:min(limit, len(room))])
	l.now = l.Now()
	l.count.Reads++
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0:
		l.drop(c, fmt.Errorf("read: %w", errno))
		return
	case n == 0:
		l.drop(c, errHangUp)
		return
	}
	b := l.buf[:ahead+n]
	if c.tls != nil {
		plain, err := c.tls.open(l.buf[ahead : ahead+n])
		if err != nil {
			l.drop(c, err)
			return
		}
		b = append(append([]byte(nil), c.rest...), plain...)
	}
	used, err := l.take(c, b)
	if err != nil {
		l.drop(c, err)
		return
	}
	c.rest = append(c.rest[:0], b[used:]...)
	if len(c.rest) == 0 && cap(c.rest) > 16<<10 {
		c.rest = nil
	}
}

// drop closes a connection.
func (l *Loop) drop(c *Conn, why error) {
	if c.state == closed {
		return
	}
	if c.Dial.Topic >= 0 && c.Dial.Slow == 0 {
		l.topics[c.Dial.Topic].listeners--
	}
	c.state, c.err = closed, why
	l.count.Dropped++
	l.byFD[c.fd] = nil
	// Reset instead of a farewell: no port is kept for a minute.
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(c.fd)
	c.rest, c.out = nil, nil
}

func family(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
