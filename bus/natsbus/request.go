package natsbus

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// Request sends data and waits for the first answer until ctx ends.
// parley.ErrUnavailable where nobody listens, the bus is away or ctx ends; the
// cause is in the chain as well.
func (b *Bus) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if err := checkMessage(subject, data); err != nil {
		return nil, err
	}
	if err := b.Ready(); err != nil {
		return nil, err
	}
	reply, a := b.asks.begin()
	defer b.asks.end(reply)
	heard, _ := b.listeners.publish(subject, reply, data)
	if !b.alone() {
		if err := b.conn.PublishRequest(subject, reply, marked(data)); err != nil {
			return nil, unavailable("request on "+subject, err)
		}
	} else if heard == 0 {
		return nil, unavailable("request on "+subject, nats.ErrNoResponders)
	}
	answer, err := a.wait(ctx, heard > 0)
	if err != nil {
		return nil, unavailable("request on "+subject, err)
	}
	return answer, nil
}

// asks are the requests of a Bus that wait for an answer. Each has a subject of
// its own for it, below one that the Bus has subscribed to.
type asks struct {
	prefix string // of their subjects, with its last dot

	mu   sync.Mutex
	last uint64
	open map[string]*ask
}

func newAsks() *asks {
	return &asks{prefix: nats.NewInbox() + ".", open: map[string]*ask{}}
}

// ask is one request.
type ask struct {
	answer chan []byte // holds the first
	failed chan error  // holds one of each kind: nobody listens, the connection went
}

func (a *asks) begin() (reply string, _ *ask) {
	q := &ask{make(chan []byte, 1), make(chan error, 2)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	reply = a.prefix + strconv.FormatUint(a.last, 36)
	a.open[reply] = q
	return reply, q
}

func (a *asks) end(reply string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, reply)
}

// nobodyListens reports whether a message is the server's word that nobody hears
// a request.
func nobodyListens(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}

// take gives an answer to who waits for it. It reports false where the subject is
// not that of a request of this Bus; an answer that comes too late is dropped.
func (a *asks) take(subject string, data []byte) bool {
	if !strings.HasPrefix(subject, a.prefix) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if q := a.open[subject]; q != nil {
		select {
		case q.answer <- bytes.Clone(data):
		default:
		}
	}
	return true
}

// fail tells one request why no answer will come.
func (a *asks) fail(subject string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q := a.open[subject]; q != nil {
		q.fail(err)
	}
}

// failAll tells all of them.
func (a *asks) failAll(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.open {
		q.fail(err)
	}
}

func (q *ask) fail(err error) {
	select {
	case q.failed <- err:
	default:
	}
}

// wait returns the first answer. With heard, that nobody else listens is no news.
func (q *ask) wait(ctx context.Context, heard bool) ([]byte, error) {
	for {
		select {
		case data := <-q.answer:
			return data, nil
		case err := <-q.failed:
			if !heard || !errors.Is(err, nats.ErrNoResponders) {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
