// Package natsbus is how nodes tell each other over NATS: the adapter of
// parley.Bus and parley.RunLog, on a server within the process or on an existing
// one by URL.
//
// The bus is core NATS, at most once. A message that cannot be sent now is
// refused with parley.ErrUnavailable rather than kept for later: what is durable
// waits in the store, and what is not would only be late. What is published on a
// subject while the last of it is still being sent travels as one NATS message (see
// outbox).
//
// What a process says it hears itself without NATS: Publish puts it into the
// queues of its own subscriptions, and the server does not send it back. Where
// nobody else can reach the embedded server, it gets nothing but the run log and
// the roster. docs/decisions/0013-own-messages.md says why.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley"
)

const (
	// dialTimeout bounds one attempt to reach one server.
	dialTimeout = 2 * time.Second
	// connectTimeout bounds Open where its context does not.
	connectTimeout = 10 * time.Second
	// retryWait lies between two attempts, first ones and later ones.
	retryWait = 250 * time.Millisecond
	// pingEvery and pingsLost find a dead network that no write has found.
	pingEvery = 5 * time.Second
	pingsLost = 2
	// writeTimeout is how long a Publish may hang on a network that takes no bytes;
	// the connection is then given up and made anew.
	writeTimeout = 3 * time.Second
	// flushTimeout bounds the round trips of Subscribe and Close.
	flushTimeout = 2 * time.Second

	// pendingMessages and pendingBytes are what one subscription may be behind
	// before messages are dropped.
	pendingMessages = 64 << 10
	pendingBytes    = 64 << 20
	// behindMessages is from where on a publisher lets its subscribers have their
	// turn, so that on one core a burst does not fill their queues.
	behindMessages = 1 << 10
	// inboundMessages is what may have come from NATS and not be in the queue of its
	// subscription yet, which it only is while the machine is busy elsewhere.
	inboundMessages = 64 << 10
)

// Bus is a parley.Bus on NATS. All methods may be called concurrently.
type Bus struct {
	cfg  Config
	log  *slog.Logger
	srv  *embedded // nil with a URL
	conn *nats.Conn
	asks *asks

	listeners listeners
	batches   batches
	dropped   atomic.Uint64 // by the queues of subscriptions

	// Towards others; all nil where nobody else is on the bus.
	out      *outbox
	inbound  chan *nats.Msg // what others said; a nil ends receive
	received chan struct{}  // closed when receive has returned
	answers  *nats.Subscription
	once     sync.Once // ends receive
}

var _ parley.Bus = (*Bus)(nil)

// Open starts the embedded server, or finds the existing one, and connects. It
// tries until ctx ends, 10 s where that has no deadline; refused credentials end
// it at once. From then on a lost connection is made anew for ever.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, log: cfg.Logger, asks: newAsks()}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if cfg.URL == "" {
		srv, err := startEmbedded(&cfg, b.log)
		if err != nil {
			return nil, fmt.Errorf("natsbus: %w", err)
		}
		b.srv = srv
	}
	if err := b.connect(ctx); err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("natsbus: connect: %w", err)
	}
	// Better no start than a message that only ever fails when it grows.
	if most := b.conn.MaxPayload(); most < parley.MaxBusMessage {
		_ = b.Close()
		return nil, fmt.Errorf("natsbus: the server takes messages of %d bytes; its max_payload must be at least %d", most, parley.MaxBusMessage)
	}
	if err := b.meetOthers(); err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	return b, nil
}

// alone reports whether nobody else can be on the bus.
func (b *Bus) alone() bool {
	return b.cfg.URL == "" && b.cfg.Listen == "" && b.cfg.Cluster.zero()
}

// meetOthers begins to send to others and to receive from them, unless alone.
func (b *Bus) meetOthers() (err error) {
	if b.alone() {
		return nil
	}
	b.out = newOutbox(b.conn.Publish, b.lost)
	b.inbound, b.received = make(chan *nats.Msg, inboundMessages), make(chan struct{})
	if b.answers, err = b.conn.ChanSubscribe(b.asks.prefix+"*", b.inbound); err != nil {
		err = unavailable("subscribe to answers", err)
	}
	go b.receive()
	return err
}

// receive brings what comes from NATS to whom it is for. It never waits for one
// of them.
func (b *Bus) receive() {
	defer close(b.received)
	for m := range b.inbound {
		switch {
		case m == nil:
			return
		case m.Sub != b.answers:
			b.listeners.receive(m)
		case nobodyListens(m):
			b.asks.fail(m.Subject, nats.ErrNoResponders)
		default:
			b.asks.take(m.Subject, m.Data)
		}
	}
}

func (b *Bus) connect(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, connectTimeout)
		defer cancel()
	}
	for {
		conn, err := nats.Connect(b.cfg.URL, b.options()...)
		if err == nil {
			b.conn = conn
			return nil
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", parley.ErrUnavailable, err)
		case <-time.After(retryWait):
		}
	}
}

func (b *Bus) options() []nats.Option {
	opts := []nats.Option{
		nats.Name("parley"),
		nats.NoEcho(), // what this process says it has heard already
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be changing hands: keep trying
		nats.ReconnectWait(retryWait),
		nats.ReconnectJitter(retryWait/2, retryWait/2),
		nats.ReconnectBufSize(-1), // refuse while away
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsLost),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.asks.failAll(nats.ErrDisconnected)
			if err != nil {
				b.log.Warn("bus: connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			b.log.Info("bus: connected again", "server", c.ConnectedServerName())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			b.log.Warn("bus: asynchronous error", "subject", subject, "error", err)
		}),
	}
	switch {
	case b.srv != nil:
		opts = append(opts, nats.InProcessServer(b.srv))
		if b.srv.token != "" {
			opts = append(opts, nats.Token(b.srv.token))
		}
	case b.cfg.Credentials != "":
		opts = append(opts, nats.UserCredentials(b.cfg.Credentials))
	}
	return opts
}

// Publish sends data, at most parley.MaxBusMessage bytes: into the queues of this
// process's subscriptions, and to others. To them it is handed at once and not
// waited for, together with what else was published on the subject meanwhile;
// while the bus is not connected it is refused with parley.ErrUnavailable.
func (b *Bus) Publish(subject string, data []byte) error {
	if err := checkMessage(subject, data); err != nil {
		return err
	}
	if !b.conn.IsConnected() {
		return fmt.Errorf("natsbus: publish on %s: %w", subject, parley.ErrUnavailable)
	}
	if b.asks.take(subject, data) {
		return nil
	}
	// The own subscriptions come first: what others say because of a message must
	// not overtake it.
	_, behind := b.listeners.publish(subject, "", data)
	if err := b.send(subject, data); err != nil {
		return err
	}
	if behind {
		runtime.Gosched()
	}
	return nil
}

// send hands a message to the network, where there are others.
func (b *Bus) send(subject string, data []byte) error {
	if b.out == nil {
		return nil
	}
	// An answer goes to who asked, who may be no Bus: it travels as it is.
	if strings.HasPrefix(subject, nats.InboxPrefix) {
		if err := b.conn.Publish(subject, data); err != nil {
			return unavailable("publish on "+subject, err)
		}
		return nil
	}
	if !b.out.put(subject, data) {
		return fmt.Errorf("natsbus: publish on %s: %w", subject, parley.ErrUnavailable)
	}
	return nil
}

// lost hears what could not be sent after Publish had taken it: it was under way
// when the connection went.
func (b *Bus) lost(subject string, count int, err error) {
	b.log.Debug("bus: messages lost", "subject", subject, "count", count, "error", err)
}

// Ready reports nil while the bus is connected, else parley.ErrUnavailable.
func (b *Bus) Ready() error {
	if b.conn.IsConnected() {
		return nil
	}
	return fmt.Errorf("natsbus: %s: %w", strings.ToLower(b.conn.Status().String()), parley.ErrUnavailable)
}

// Dropped counts the messages that this process has lost because a subscriber
// was more than 64 MiB or 64 Ki messages behind; those that came together from
// another process count as one.
func (b *Bus) Dropped() uint64 { return b.dropped.Load() + b.listeners.lost() }

// Close sends what was published, waits for running callbacks (unless called by
// one), and ends the connection and the embedded server. It may be called more
// than once.
func (b *Bus) Close() error {
	if b.conn != nil {
		if b.out != nil {
			b.out.close()
		}
		if b.conn.IsConnected() {
			_ = b.conn.FlushTimeout(flushTimeout)
		}
		b.conn.Close()
		b.asks.failAll(nats.ErrConnectionClosed)
		for _, s := range b.listeners.close() {
			s.stop()
		}
	}
	if b.inbound != nil {
		b.once.Do(func() { b.inbound <- nil })
		<-b.received
	}
	if b.srv != nil {
		b.srv.stop()
	}
	return nil
}

// ErrTooLarge says that a message is over parley.MaxBusMessage.
var ErrTooLarge = errors.New("natsbus: message too large")

// ErrSubject says that a subject is not dot-separated tokens: one is empty, or
// holds a blank or a wildcard where none may stand.
var ErrSubject = errors.New("natsbus: not a valid subject")

func checkMessage(subject string, data []byte) error {
	if !validSubject(subject, false) {
		return fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	if len(data) > parley.MaxBusMessage || len(data) > 0 && data[0] == packMark && len(data) > parley.MaxBusMessage-packOver {
		return fmt.Errorf("%w: %d bytes on %s", ErrTooLarge, len(data), subject)
	}
	return nil
}

// validSubject keeps to the port's grammar, which is narrower than that of NATS:
// no `>`, and `*` as a whole token of a pattern only.
func validSubject(s string, pattern bool) bool {
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if c := s[i]; c <= ' ' || c == 0x7f || c == '>' || c == '*' && !pattern {
				return false
			}
			continue
		}
		token := s[start:i]
		if token == "" || len(token) > 1 && strings.Contains(token, "*") {
			return false
		}
		start = i + 1
	}
	return true
}

// unavailable says what could not be done; the cause stays in the chain.
func unavailable(what string, err error) error {
	return fmt.Errorf("natsbus: %s: %w: %w", what, parley.ErrUnavailable, err)
}
