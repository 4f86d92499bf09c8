package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-chat/parley"
)

const (
	rosterStream = "PARLEY_ROSTER"
	// rosterSubject is followed by a token of the page.
	rosterSubject = "parley.roster."
	// rosterAge is how long an entry is kept: whoever has a page writes it anew more
	// often. The pages of those who are gone go by it.
	rosterAge = 24 * time.Hour
	// rosterWait bounds Append where its context does not.
	rosterWait = 5 * time.Second
)

// Roster is a parley.Roster in a JetStream stream: a page is a subject, and a
// whole entry rolls its subject up. Entries are forgotten after a day. All methods
// may be called concurrently; it lives as long as its Bus.
//
// What is acknowledged is written to the server's file, and synced within two
// minutes: it survives the death of the process.
type Roster struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

var _ parley.Roster = (*Roster)(nil)

// Roster opens the roster, making or adapting its stream where needed. It tries
// until ctx ends, 30 s where that has no deadline.
func (b *Bus) Roster(ctx context.Context) (*Roster, error) {
	js, stream, err := b.openStream(ctx, "open roster", jetstream.StreamConfig{
		Name:        rosterStream,
		Description: "who is connected to which of Parley's nodes",
		Subjects:    []string{rosterSubject + "*"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		MaxAge:      rosterAge,
		AllowRollup: true,
		Replicas:    max(1, b.cfg.RunLogReplicas),
	})
	if err != nil {
		return nil, err
	}
	return &Roster{js, stream}, nil
}

// Append implements parley.Roster. A ctx without deadline waits 5 s at most.
func (r *Roster) Append(ctx context.Context, e parley.RosterEntry) error {
	if len(e.Data) > parley.MaxBusMessage {
		return fmt.Errorf("%w: an entry of %d bytes", ErrTooLarge, len(e.Data))
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rosterWait)
		defer cancel()
	}
	m := nats.NewMsg(string(parley.AppendSegment([]byte(rosterSubject), e.Page)))
	m.Data = e.Data
	if e.Whole {
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	}
	if _, err := r.js.PublishMsg(ctx, m); err != nil {
		return unavailable("append to roster", err)
	}
	return nil
}

// Watch implements parley.Roster. What is lost on the way is asked for again by
// the consumer; after a lost connection it goes on where it was.
func (r *Roster) Watch(ctx context.Context, fn func(parley.RosterEntry)) (stop func(), err error) {
	consumer, err := r.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, unavailable("watch roster", err)
	}
	var mu sync.Mutex // held while fn runs
	stopped := false
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if e, ok := rosterEntry(m); ok && !stopped {
			fn(e)
		}
	})
	if err != nil {
		return nil, unavailable("watch roster", err)
	}
	return func() {
		mu.Lock()
		stopped = true
		mu.Unlock()
		consuming.Stop()
		<-consuming.Closed()
	}, nil
}

// rosterEntry reads a message; false for one that is none of ours.
func rosterEntry(m jetstream.Msg) (parley.RosterEntry, bool) {
	page, err := unescape(strings.TrimPrefix(m.Subject(), rosterSubject))
	return parley.RosterEntry{
		Page: page, Whole: m.Headers().Get(jetstream.MsgRollup) == jetstream.MsgRollupSubject, Data: m.Data(),
	}, err == nil
}

var errEscape = errors.New("not an escaped token")

// unescape reads what parley.AppendSegment wrote.
func unescape(token string) (string, error) {
	p, err := parley.ParsePattern("events." + token + ".a.b.c.d")
	if err != nil || p.Any[0] {
		return "", errEscape
	}
	return p.Segments[0], nil
}
