package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// maxFrame bounds a frame of the server in bytes; a whole answer is in one.
const maxFrame = 16 << 20

// frame is what the chat reads of a server frame (contracts.md 2.1 and 10).
type frame struct {
	Type        string          `json:"type"`
	SessionID   string          `json:"session_id"`
	MessageID   string          `json:"message_id"`
	ClientMsgID string          `json:"client_msg_id"`
	Role        string          `json:"role"`
	Content     string          `json:"content"`
	Offset      *int            `json:"offset"` // in bytes; nil: at the end of what is known
	Status      string          `json:"status"`
	Seq         uint64          `json:"seq"`
	Tool        string          `json:"tool"`
	Arguments   json.RawMessage `json:"arguments"`
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	Reason      string          `json:"reason"`
	Cursor      string          `json:"cursor"`
}

// news is what a link tells: a frame, that it is up (again), or that it is over.
type news struct {
	frame *frame
	up    bool
	// blind says that the link is up again without a cursor: what was said
	// meanwhile has to be asked for.
	blind bool
	over  error
}

// link keeps a socket to one session: it comes back after a drop, where it left
// off as soon as the server has told a cursor.
type link struct {
	server  chatServer
	session string
	token   func() (string, error)
	news    chan news

	mu   sync.Mutex
	conn net.Conn // nil while there is none

	cursor string // run's own
	was    bool   // run's own: it has been up
}

func newLink(s chatServer, session string, token func() (string, error)) *link {
	return &link{server: s, session: session, token: token, news: make(chan news)}
}

// Waits between attempts to come back: from first, doubling, up to longest.
const (
	firstWait   = 250 * time.Millisecond
	longestWait = 5 * time.Second
)

// run keeps the link until ctx ends or the server says for good that it may not
// be. All of its news must be read.
func (l *link) run(ctx context.Context) {
	wait := firstWait
	for ctx.Err() == nil {
		up, err := l.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if final := finalError(err); final != nil {
			l.tell(ctx, news{over: final})
			return
		}
		if up {
			wait = firstWait
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): // those who were cut off together do not come back together
		case <-ctx.Done():
		}
		wait = min(2*wait, longestWait)
	}
}

// once connects and reads until the connection ends; up says that it stood.
func (l *link) once(ctx context.Context) (up bool, err error) {
	token, err := l.token()
	if err != nil {
		return false, final{err}
	}
	dialer := ws.Dialer{Timeout: 15 * time.Second}
	conn, buffered, _, err := dialer.Dial(ctx, l.server.socket(token, l.cursor))
	if err != nil {
		if !l.was && finalError(err) == nil { // wrong from the beginning: nothing to wait for
			err = final{fmt.Errorf("cannot connect to %s: %w", l.server.base.Redacted(), err)}
		}
		return false, err
	}
	unhook := context.AfterFunc(ctx, func() { conn.Close() })
	defer unhook()
	defer conn.Close()
	var r io.Reader = conn
	if buffered != nil {
		r = buffered
	}
	l.set(conn)
	defer l.set(nil)

	first := map[string]any{"type": "subscribe", "session_id": l.session}
	if l.cursor != "" {
		first = map[string]any{"type": "resume", "session_ids": []string{l.session}}
	}
	l.send(first)
	blind := l.was && l.cursor == ""
	l.was = true
	if !l.tell(ctx, news{up: true, blind: blind}) {
		return true, ctx.Err()
	}
	return true, l.read(ctx, r)
}

func (l *link) read(ctx context.Context, r io.Reader) error {
	control := wsutil.ControlFrameHandler(writer{l}, ws.StateClientSide)
	reader := &wsutil.Reader{
		Source: bufio.NewReader(r), State: ws.StateClientSide, CheckUTF8: true,
		MaxFrameSize: maxFrame, MaxMessageSize: maxFrame, OnIntermediate: control,
	}
	for {
		header, err := reader.NextFrame()
		if err != nil {
			return err
		}
		if header.OpCode.IsControl() {
			if err := control(header, reader); err != nil {
				return err
			}
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		var f frame
		if header.OpCode != ws.OpText || json.Unmarshal(text, &f) != nil {
			continue // nothing this client knows
		}
		if f.Cursor != "" {
			l.cursor = f.Cursor
		}
		if !l.tell(ctx, news{frame: &f}) {
			return ctx.Err()
		}
	}
}

func (l *link) tell(ctx context.Context, n news) bool {
	select {
	case l.news <- n:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *link) set(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
}

// send writes one frame. Without a connection it is lost; who cares sends again
// when the link is up. An error ends the connection, which run will notice.
func (l *link) send(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		return // maps of strings only
	}
	frame, err := ws.CompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame(text)))
	if err != nil {
		return
	}
	writer{l}.Write(frame)
}

// writer writes whole frames, one at a time: answers to pings come from the
// reading goroutine.
type writer struct{ l *link }

func (w writer) Write(p []byte) (int, error) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.conn == nil {
		return 0, net.ErrClosed
	}
	w.l.conn.SetWriteDeadline(time.Now().Add(15 * time.Second))
	n, err := w.l.conn.Write(p)
	if err != nil {
		w.l.conn.Close()
	}
	return n, err
}

// final is an error that coming back does not mend.
type final struct{ error }

// finalError says in words why the link is over for good; nil where it is worth
// trying again. Close codes from 4500 and most refusals mean "do not come back"
// (design.md section 11).
func finalError(err error) error {
	var f final
	var refused ws.StatusError
	var closed wsutil.ClosedError
	switch {
	case errors.As(err, &f):
		return f.error
	case errors.As(err, &refused):
		switch status := int(refused); {
		case status == 401:
			return errors.New("the server does not accept the token (401)")
		case status/100 == 4 && status != 408 && status != 429:
			return fmt.Errorf("the server refused the connection: %s", refusal(status, nil))
		}
	case errors.As(err, &closed) && closed.Code >= 4500 && closed.Code < 5000:
		return fmt.Errorf("the server closed the connection for good: %s (%d)", closed.Reason, closed.Code)
	}
	return nil
}
