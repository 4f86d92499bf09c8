package postgres_test

import (
	"bytes"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// socketName is what a PostgreSQL server calls its socket.
const socketName = ".s.PGSQL.5432"

// proxy stands between a store and its server, to do what networks do.
type proxy struct {
	server string

	mu    sync.Mutex
	cutOn []byte        // see cutAfter
	held  chan struct{} // see hold
}

// newProxy returns a proxy and the URL by which a store goes through it.
func newProxy(t *testing.T, raw string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	p := &proxy{server: filepath.Join(q.Get("host"), socketName)}
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.release()
		_ = l.Close()
	})
	go p.accept(l)
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return p, u.String()
}

func (p *proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		cut := make(chan struct{})
		go p.toServer(server, client, cut)
		go p.toClient(client, server, cut)
	}
}

// cutAfter makes the proxy end the next connection whose client says text: the
// server hears it, but its answer is lost.
func (p *proxy) cutAfter(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutOn = []byte(text)
}

// hold keeps back what the server says until release.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = make(chan struct{})
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// cuts reports whether the connection ends with what the client says now.
func (p *proxy) cuts(said []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutOn == nil || !bytes.Contains(said, p.cutOn) {
		return false
	}
	p.cutOn = nil
	return true
}

func (p *proxy) toServer(server, client net.Conn, cut chan struct{}) {
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if p.cuts(buf[:n]) {
			close(cut) // before the server can answer
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) toClient(client, server net.Conn, cut chan struct{}) {
	defer client.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		held := p.held
		p.mu.Unlock()
		if held != nil {
			<-held
		}
		select {
		case <-cut: // the server has done it and nobody hears
			return
		default:
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
