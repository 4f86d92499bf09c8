package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// secured is the TLS of one connection. The handshake is made while the loop
// waits, which is slow and simple; after it the library reads from memory what the
// loop has read from the socket.
type secured struct {
	conn *tls.Conn
	pipe *pipe
	in   []byte
}

func (l *Loop) dialTLS(c *Conn) error {
	d := c.Dial
	plain, err := net.DialTimeout("tcp", d.Addr.String(), patience)
	if err != nil {
		return err
	}
	_ = plain.SetDeadline(time.Now().Add(patience))
	p := &pipe{Conn: plain}
	s := &secured{conn: tls.Client(p, d.TLS), pipe: p, in: make([]byte, 32<<10)}
	if err := s.conn.Handshake(); err != nil {
		_ = plain.Close()
		return fmt.Errorf("TLS handshake: %w", err)
	}
	fd, err := detach(plain.(*net.TCPConn))
	if err != nil {
		return err
	}
	p.Conn, c.tls = nil, s
	if err := l.add(c, fd); err != nil {
		return err
	}
	l.connected(c)
	return nil
}

// detach takes a connection from the Go runtime.
func detach(c *net.TCPConn) (int, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dup error
	if err := raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	if dup != nil {
		return -1, dup
	}
	return fd, unix.SetNonblock(fd, true)
}

// open returns what a piece of the stream says.
func (s *secured) open(b []byte) ([]byte, error) {
	s.pipe.in.Write(b)
	var plain []byte
	for {
		n, err := s.conn.Read(s.in)
		plain = append(plain, s.in[:n]...)
		if errors.Is(err, errLater) {
			return plain, nil
		}
		if err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
	}
}

// seal adds to pipe.out what plain text becomes.
func (s *secured) seal(plain []byte) {
	if len(plain) > 0 {
		_, _ = s.conn.Write(plain) // into memory
	}
}

// pipe is the net.Conn under a tls.Conn: the socket during the handshake, then
// memory.
type pipe struct {
	net.Conn
	in  bytes.Buffer
	out []byte
}

// errLater is temporary, so that a tls.Conn goes on after it.
var errLater = later{os.ErrDeadlineExceeded}

type later struct{ error }

func (later) Timeout() bool   { return true }
func (later) Temporary() bool { return true }

func (p *pipe) Read(b []byte) (int, error) {
	if p.Conn != nil {
		return p.Conn.Read(b)
	}
	if p.in.Len() == 0 {
		return 0, errLater
	}
	return p.in.Read(b)
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.Conn != nil {
		return p.Conn.Write(b)
	}
	p.out = append(p.out, b...)
	return len(b), nil
}
