package conn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// headTimeout bounds a client from its connection to the end of its request's
	// header, the TLS handshake in it.
	headTimeout = 10 * time.Second
	// answerTimeout bounds writing a refusal.
	answerTimeout = 5 * time.Second
	// acceptComplaint is how often it is told that nobody can be let in.
	acceptComplaint = 10 * time.Second
	maxAcceptPause  = time.Second
)

// Front stands before an http.Server: it takes the connections of a listener and
// looks at the first request of each. One that asks a door for an upgrade in the
// plain way that clients do is let in here, without the goroutine, buffers and
// contexts that net/http needs; any other connection is handed over to the
// http.Server, unread as it seems to that, and is none of ours from then on. What
// is odd in any way is left to net/http, so that there is one judge of it.
//
// Front is the net.Listener of the connections that are handed over.
type Front struct {
	srv    *Server
	tcp    net.Listener
	secure *tls.Config // nil: not
	doors  map[string]http.Handler

	others chan net.Conn
	closed chan struct{}
	loop   sync.WaitGroup // the accept loop

	mu      sync.Mutex
	ended   bool
	greeted map[net.Conn]struct{} // who is looked at now
}

var _ net.Listener = (*Front)(nil)

// Doors are the handlers of the sockets by ServeMux path.
func (s *Server) Doors() map[string]http.Handler {
	return map[string]http.Handler{
		"/realtime": s.Events(), "/ws": s.Shared(), "/ws/": s.Shared(), "/ws/topics": s.Topics(),
	}
}

// Front takes over a listener of TCP and begins to accept: sockets are let in at
// once, others with Accept. With a TLS configuration all connections are secured.
// Close ends it, and so does the Server's.
func (s *Server) Front(tcp net.Listener, secure *tls.Config) *Front {
	f := &Front{
		srv: s, tcp: tcp, secure: secure, doors: s.Doors(),
		others: make(chan net.Conn), closed: make(chan struct{}), greeted: map[net.Conn]struct{}{},
	}
	s.mu.Lock()
	s.fronts = append(s.fronts, f)
	closed := s.closed
	s.mu.Unlock()
	if closed {
		_ = f.Close()
		return f
	}
	f.loop.Go(f.accept)
	return f
}

// Addr is the listener's.
func (f *Front) Addr() net.Addr { return f.tcp.Addr() }

// Accept waits for the next connection that is not a socket's.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case nc := <-f.others:
		return nc, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close accepts no more, and waits for the loop that did. Whoever is looked at
// just now goes on. Idempotent.
func (f *Front) Close() error {
	f.mu.Lock()
	was := f.ended
	f.ended = true
	f.mu.Unlock()
	var err error
	if !was {
		err = f.tcp.Close()
		close(f.closed)
	}
	f.loop.Wait()
	return err
}

// abort closes, and ends those who are looked at.
func (f *Front) abort() {
	_ = f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.greeted {
		_ = nc.Close()
	}
}

// accept lets connections in until the listener is closed. Where the system has
// no room for more, it waits for some.
func (f *Front) accept() {
	var pause time.Duration
	var told time.Time
	for {
		nc, err := f.tcp.Accept()
		switch {
		case err == nil:
			pause = 0
			f.greet(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), maxAcceptPause)
		if now := time.Now(); now.Sub(told) >= acceptComplaint {
			told = now
			f.srv.cfg.Logger.Error("connections cannot be accepted", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-f.closed:
			return
		}
	}
}

// greet has a hand look at who has come.
func (f *Front) greet(nc net.Conn) {
	f.mu.Lock()
	ended := f.ended
	if !ended {
		f.greeted[nc] = struct{}{}
		// Not from zero: the Server waits for its wheel, and closes its fronts first.
		f.srv.wg.Add(1)
	}
	f.mu.Unlock()
	if ended {
		_ = nc.Close()
		return
	}
	g := greetings.Get().(*greeting)
	g.front, g.tcp, g.nc = f, nc, nc
	f.srv.crew.start(g)
}

// leave forgets who was looked at.
func (f *Front) leave(tcp net.Conn) {
	f.mu.Lock()
	delete(f.greeted, tcp)
	f.mu.Unlock()
	f.srv.wg.Done()
}

// door finds whose path it is, as a ServeMux would. Nil: no door's.
func (f *Front) door(path string) http.Handler {
	if h := f.doors[path]; h != nil {
		return h
	}
	for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path[:i], '/') {
		if h := f.doors[path[:i+1]]; h != nil {
			return h
		}
	}
	return nil
}

// pass hands a connection over; ahead is what was read of it.
func (f *Front) pass(nc net.Conn, ahead []byte) {
	_ = nc.SetDeadline(time.Time{})
	if len(ahead) > 0 {
		nc = &passed{Conn: nc, ahead: ahead}
	}
	select {
	case f.others <- nc:
	case <-f.closed:
		_ = nc.Close()
	}
}

// passed is a connection that gives what was read of it once more.
type passed struct {
	net.Conn
	ahead []byte
}

func (p *passed) Read(b []byte) (int, error) {
	if len(p.ahead) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.ahead)
	if p.ahead = p.ahead[n:]; len(p.ahead) == 0 {
		p.ahead = nil
	}
	return n, nil
}

// CloseWrite ends our half, for who waits for the client to hear the rest.
func (p *passed) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// TLS is how a connection that a Front has handed over is secured; nil where it
// is not. An http.Server knows only connections that it has secured itself.
func TLS(nc net.Conn) *tls.ConnectionState {
	if p, ok := nc.(*passed); ok {
		nc = p.Conn
	}
	if t, ok := nc.(*tls.Conn); ok {
		state := t.ConnectionState()
		return &state
	}
	return nil
}
