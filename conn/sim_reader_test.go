package conn_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// simReader is a client of the simulator of writers. It never waits for its
// socket.
type simReader struct {
	sim      *writerSim
	name     string
	channels map[string]bool

	cursor string
	at     int // the offset that the cursor names: nothing up to it is owed
	bound  bool

	// Of this connection.
	tcp        *net.TCPConn // nil: none
	raw        syscall.RawConn
	credential string
	number     int
	lazy       int
	small      bool // its socket has room for hardly a frame
	mute       bool
	rest       []byte // read, and not a whole frame yet
	lastBlip   int
	pings      []string
	leaving    bool // it said so, or was revoked
	draining   bool
	closed     bool // a close frame came
}

// connect opens a socket and resumes from the cursor.
func (r *simReader) connect() {
	w := r.sim
	room, sends := pickOf(w.rng, 1, 1, 4096, 1<<20), pickOf(w.rng, 1, 1, 4096, 1<<20)
	if w.settling {
		room, sends = 1<<20, 1<<20
	}
	r.open(room, sends, w.rng.IntN(5) == 0)
}

// open is connect with the room for what is read and sent, in bytes. plain has the
// server write as it does over TLS: not past the runtime's poller.
func (r *simReader) open(room, sends int, plain bool) {
	w := r.sim
	if !r.bound { // from the beginning
		r.cursor, r.bound = parley.Position{}.Cursor(), true
	}
	r.small = min(room, sends) == 1
	dialer := net.Dialer{Control: small(syscall.SO_RCVBUF, room)}
	nc, err := dialer.Dial("tcp", w.tcp.Addr().String())
	if err != nil {
		w.fatalf("dial: %v", err)
	}
	its, err := w.tcp.Accept()
	if err != nil {
		w.fatalf("accept: %v", err)
	}
	_ = its.(*net.TCPConn).SetWriteBuffer(sends)
	if plain {
		its = struct{ net.Conn }{its}
	}
	r.number++
	r.tcp = nc.(*net.TCPConn)
	if r.raw, err = r.tcp.SyscallConn(); err != nil {
		w.fatalf("%v", err)
	}
	r.lazy, r.mute = pickOf(w.rng, 0, 0, 3, 50), false
	r.rest, r.pings, r.lastBlip, r.leaving, r.closed = nil, nil, 0, false, false
	r.credential = fmt.Sprint(r.name, "-", r.number)
	p := &parley.Principal{Org: org, ID: parley.PrincipalID(r.name), Kind: parley.KindUser, Credential: r.credential, Scopes: parley.UserScopes}
	i := parley.Interest{}
	for c := range r.channels {
		i.Channels = append(i.Channels, c)
	}
	err = w.server.Begin(its, "events", p, i, true, r.cursor)
	switch {
	case errors.Is(err, parley.ErrUnavailable):
		_ = its.Close()
		r.hangUp()
	case err != nil:
		w.fatalf("%s is not let in: %v", r.name, err)
	}
}

// hangUp breaks the connection where it is.
func (r *simReader) hangUp() {
	if r.tcp != nil {
		_ = r.tcp.Close()
		r.tcp = nil
	}
}

// leave ends the connection as it should be.
func (r *simReader) leave() {
	r.leaving = true
	r.write(closeFrame(1000, ""))
}

func (r *simReader) ping() {
	if len(r.pings) < 8 && !r.leaving {
		text := fmt.Sprint("ping", r.sim.rng.IntN(1000))
		r.pings = append(r.pings, text)
		r.write(frame(fin|byte(opPing), text))
	}
}

// write says something, which the socket takes at once or never.
func (r *simReader) write(p []byte) {
	n := 0
	err := r.raw.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), p)
		return true
	})
	if err != nil || n != len(p) {
		r.leaving = true
		r.hangUp()
	}
}

// read takes at most size bytes of what is there, and returns how many.
func (r *simReader) read(size int) int {
	buf := make([]byte, size)
	n, got := 0, error(nil)
	err := r.raw.Read(func(fd uintptr) bool {
		n, got = syscall.Read(int(fd), buf)
		return true
	})
	switch {
	case err != nil:
		r.sim.fatalf("%s: %v", r.name, err)
	case errors.Is(got, syscall.EAGAIN), errors.Is(got, syscall.EINTR):
		return 0
	case got != nil || n == 0:
		r.ended(got)
		return 0
	}
	r.rest = append(r.rest, buf[:n]...)
	for r.frame() {
	}
	return n
}

// ended: the server has ended the connection.
func (r *simReader) ended(err error) {
	w := r.sim
	switch {
	case r.closed && len(r.rest) > 0:
		w.fatalf("%s has read %q after the close frame", r.name, r.rest)
	case r.closed, r.leaving, w.cuts:
	default:
		w.fatalf("%s was cut off within %q: %v", r.name, r.rest, err)
	}
	r.hangUp()
}

// frame hears the next whole frame of what was read.
func (r *simReader) frame() bool {
	p := r.rest
	if len(p) < 2 {
		return false
	}
	if r.closed {
		r.sim.fatalf("%s has read % x after the close frame", r.name, p)
	}
	if p[0]&0x70 != 0 || p[0]&fin == 0 || p[1]&0x80 != 0 {
		r.sim.fatalf("%s reads a frame that begins with % x", r.name, p[:2])
	}
	head, n := 2, int(p[1])
	switch n {
	case 126:
		if head = 4; len(p) < head {
			return false
		}
		n = int(binary.BigEndian.Uint16(p[2:]))
	case 127:
		r.sim.fatalf("%s reads a frame that is longer than any", r.name)
	}
	if len(p) < head+n {
		return false
	}
	r.hear(op(p[0]&0x0f), p[head:head+n])
	r.rest = append([]byte(nil), p[head+n:]...)
	return true
}

func (r *simReader) hear(kind op, payload []byte) {
	switch kind {
	case opText:
		r.hearText(payload)
	case opPing:
		if !r.leaving {
			r.write(frame(fin|byte(opPong), string(payload)))
		}
	case opPong:
		if len(r.pings) == 0 || r.pings[0] != string(payload) {
			r.sim.fatalf("%s reads the pong %q, it is owed %q", r.name, payload, r.pings)
		}
		r.pings = r.pings[1:]
	case opClose:
		r.closed = true
		if !r.leaving && !r.draining {
			r.sim.fatalf("%s is closed: %s", r.name, closeText(string(payload)))
		}
		if r.draining || r.sim.rng.IntN(2) == 0 {
			r.write(closeFrame(1000, "")) // else the server waits for it
		}
	default:
		r.sim.fatalf("%s reads opcode %d", r.name, kind)
	}
}

// news is a frame of the events surface, as far as it matters here.
type news struct {
	Type, Channel, Cursor string
	Data                  json.RawMessage
}

func (r *simReader) hearText(payload []byte) {
	w := r.sim
	var m news
	var said struct {
		N, Blip int
		Status  string
	}
	if err := json.Unmarshal(payload, &m); err == nil {
		err = json.Unmarshal(m.Data, &said)
		if err != nil {
			w.fatalf("%s reads %q: %v", r.name, payload, err)
		}
	} else {
		w.fatalf("%s reads %q: %v", r.name, payload, err)
	}
	switch {
	case said.N != 0:
		if next := r.nextAfter(r.at, w.store.len()); said.N != next {
			w.fatalf("%s (channels %v) reads offset %d, it is owed %d", r.name, r.channels, said.N, next)
		}
		if want := w.data("n", said.N); string(m.Data) != want || m.Cursor == "" {
			w.fatalf("%s reads %q as offset %d, want %q", r.name, payload, said.N, want)
		}
	case said.Blip != 0:
		if said.Blip <= r.lastBlip || !r.channels[m.Channel] || string(m.Data) != w.data("blip", said.Blip) {
			w.fatalf("%s (channels %v) reads %q after %d", r.name, r.channels, payload, r.lastBlip)
		}
		r.lastBlip = said.Blip
	case said.Status != "cursor":
		w.fatalf("%s reads %q", r.name, payload)
	}
	if m.Cursor == "" {
		return
	}
	at, err := parley.ParseCursor(m.Cursor)
	if err != nil || said.N != 0 && int(at.Offset) != said.N {
		w.fatalf("%s reads the cursor %q (%v) of offset %d", r.name, m.Cursor, at, said.N)
	}
	if next := r.nextAfter(r.at, int(at.Offset)); said.N == 0 && next != 0 {
		w.fatalf("%s is at %d, and is told the cursor %d without offset %d", r.name, r.at, at.Offset, next)
	}
	r.at, r.cursor = int(at.Offset), m.Cursor
}

// nextAfter returns the offset of the next event that the client is owed after
// one, up to another; zero for none.
func (r *simReader) nextAfter(at, upTo int) int {
	s := r.sim.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; at < upTo; at++ {
		if r.channels[s.log[at].Channel] {
			return at + 1
		}
	}
	return 0
}

// simLog is a store that holds a log of channels and nothing else. It may be away.
type simLog struct {
	hub.Store // what is not used here panics

	failing atomic.Bool
	mu      sync.Mutex
	log     []*parley.Event
}

const simEpoch = 7

// add gives an event the next Position; fill writes it before anybody sees it.
func (s *simLog) add(e *parley.Event, fill func(offset int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Position = parley.Position{Epoch: simEpoch, Offset: uint64(len(s.log) + 1)}
	fill(len(s.log) + 1)
	s.log = append(s.log, e)
}

func (s *simLog) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

func (s *simLog) away() error {
	if s.failing.Load() {
		return parley.ErrUnavailable
	}
	if rand.IntN(50) == 0 {
		<-time.After(100 * time.Microsecond)
	}
	return nil
}

func (s *simLog) OpenRuns(context.Context, parley.OrgID) ([]parley.Run, error) { return nil, s.away() }

func (s *simLog) Blocks(context.Context, parley.OrgID, parley.PrincipalID) ([]parley.Block, error) {
	return nil, s.away()
}

func (s *simLog) OrgBlocks(context.Context, parley.OrgID, int) ([]parley.Block, error) {
	return nil, s.away()
}

func (s *simLog) Head(context.Context, parley.OrgID) (parley.Position, error) {
	n := s.len()
	if n == 0 {
		return parley.Position{}, s.away()
	}
	return parley.Position{Epoch: simEpoch, Offset: uint64(n)}, s.away()
}

func (s *simLog) Locate(_ context.Context, _ parley.OrgID, offset uint64) (parley.Position, error) {
	if offset == 0 {
		return parley.Position{}, s.away()
	}
	return parley.Position{Epoch: simEpoch, Offset: offset}, s.away()
}

func (s *simLog) CheckCursor(_ context.Context, _ parley.ReplayQuery, at parley.Position) error {
	if at != (parley.Position{}) && (at.Epoch != simEpoch || at.Offset > uint64(s.len())) {
		return parley.ErrCursor
	}
	return s.away()
}

func (s *simLog) ReadLog(_ context.Context, _ parley.OrgID, after, upTo uint64, limit int) ([]*parley.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	upTo = min(upTo, uint64(len(s.log)), after+uint64(limit))
	return append([]*parley.Event(nil), s.log[after:max(after, upTo)]...), s.away()
}

func (s *simLog) Replay(_ context.Context, q parley.ReplayQuery) (out []*parley.Event, completeTo uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := map[string]bool{}
	for _, key := range q.Keys {
		named[key] = true
	}
	for o := q.After; o < min(q.UpTo, uint64(len(s.log))); o++ {
		if !named[parley.ChannelKey(s.log[o].Channel)] {
			continue
		}
		if len(out) == q.Limit {
			return out, out[len(out)-1].Position.Offset, s.away()
		}
		out = append(out, s.log[o])
	}
	return out, q.UpTo, s.away()
}
