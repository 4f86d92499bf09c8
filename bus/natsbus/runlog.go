package natsbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-chat/parley"
)

const (
	runStream  = "PARLEY_RUNS"
	runSubject = "parley.runs"

	// openTimeout bounds RunLog and Roster where their context does not: a cluster that has just
	// started first elects a leader.
	openTimeout = 30 * time.Second
	// openAttempt bounds one attempt: without a leader nobody answers.
	openAttempt = 3 * time.Second
	// readPage is how many batches are asked for at once, readWait how long they may
	// take. A page is at most 24 MiB, far below what makes nats.go drop messages.
	readPage = 32
	readWait = 5 * time.Second
	// readerTTL is after how long without a page the server forgets a reader that
	// could not say that it was done.
	readerTTL = 30 * time.Second
	// clockSlack is how far the clock of the node that made a run's id may be ahead
	// of the clock of the server that keeps the log.
	clockSlack = time.Minute
)

// RunLog is a parley.RunLog in a JetStream stream, whose messages are whole
// batches. All methods may be called concurrently; it lives as long as its Bus.
//
// What is acknowledged is written to the server's file, and synced within two
// minutes: it survives the death of the process. Nothing is remembered in memory,
// so that any node can read the runs of one that died.
type RunLog struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

var (
	_ parley.RunLog   = (*RunLog)(nil)
	_ parley.Expunger = (*RunLog)(nil)
)

// RunLog opens the run log, making or adapting its stream where needed. It tries
// until ctx ends, 30 s where that has no deadline.
func (b *Bus) RunLog(ctx context.Context) (*RunLog, error) {
	js, stream, err := b.openStream(ctx, "open run log", b.streamConfig())
	if err != nil {
		return nil, err
	}
	return &RunLog{js, stream}, nil
}

// openStream makes or adapts a stream, trying until ctx ends, 30 s where that has
// no deadline.
func (b *Bus) openStream(ctx context.Context, what string, cfg jetstream.StreamConfig) (jetstream.JetStream, jetstream.Stream, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, openTimeout)
		defer cancel()
	}
	js, err := jetstream.New(b.conn)
	if err != nil {
		return nil, nil, fmt.Errorf("natsbus: %s: %w", what, err)
	}
	for {
		stream, err := tryStream(ctx, js, cfg)
		if err == nil {
			return js, stream, nil
		}
		if !transient(err) {
			return nil, nil, fmt.Errorf("natsbus: %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, unavailable(what, err)
		case <-time.After(retryWait):
		}
	}
}

func tryStream(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, openAttempt)
	defer cancel()
	return js.CreateOrUpdateStream(ctx, cfg)
}

func (b *Bus) streamConfig() jetstream.StreamConfig {
	age := b.cfg.RunLogAge
	if age == 0 {
		age = defaultRunLogAge
	}
	return jetstream.StreamConfig{
		Name:        runStream,
		Description: "what Parley's runs say while they run",
		Subjects:    []string{runSubject},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		MaxAge:      age,
		Duplicates:  min(age, 2*time.Minute), // the server's default, which must not exceed the age
		Replicas:    max(1, b.cfg.RunLogReplicas),
	}
}

// transient reports whether a failure to open the stream may pass: the server is
// away, starting, or electing.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503
	}
	return !errors.Is(err, nats.ErrConnectionClosed)
}

// Append keeps a batch and returns once it is acknowledged: as one message, or
// as several, in order, where it is larger than parley.MaxBusMessage. ErrTooLarge
// where one record alone is; nothing is kept then. After any other error, which
// is parley.ErrUnavailable, all of it, none or a first part may have been kept.
// The batch is the caller's again when Append returns. A ctx without deadline
// waits 5 s at most for each message.
func (l *RunLog) Append(ctx context.Context, batch []parley.RunRecord) error {
	parts, err := encodeBatches(batch, parley.MaxBusMessage)
	if err != nil {
		return err
	}
	for _, data := range parts {
		if _, err := l.js.Publish(ctx, runSubject, data); err != nil {
			return unavailable("append to run log", err)
		}
	}
	return nil
}

// Read calls fn with the records of one run that were kept before Read was
// called, in order; none is no error. fn may keep the records; its error ends
// the reading and is returned as it is. After parley.ErrUnavailable fn may have
// had a first part.
//
// It reads what all runs said since the run's id was made, which a UUIDv7 tells,
// and skips the others; other ids are looked for from the beginning.
func (l *RunLog) Read(ctx context.Context, run parley.RunID, fn func(parley.RunRecord) error) error {
	cfg := jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: readerTTL,
		MemoryStorage:     true,
		Replicas:          1,
	}
	if from, ok := madeAt(run, time.Now()); ok {
		from = from.Add(-clockSlack)
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &from
	}
	consumer, err := l.stream.CreateConsumer(ctx, cfg)
	if err != nil {
		return unavailable("read run log", err)
	}
	defer func() {
		// The server forgets it anyway; being told is only sooner. ctx may have ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = l.stream.DeleteConsumer(ctx, consumer.CachedInfo().Name)
	}()
	r := reader{consumer: consumer, left: consumer.CachedInfo().NumPending}
	for r.left > 0 {
		if err := r.page(ctx, run, fn); err != nil {
			return err
		}
	}
	return nil
}

// Expunge implements parley.Expunger: it lets go of what was appended before a time, by
// the clock of the server that keeps the log.
func (l *RunLog) Expunge(ctx context.Context, before time.Time) error {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return unavailable("expunge run log", err)
	}
	first := info.State.LastSeq + 1 // that is kept
	consumer, err := l.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &before,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: readerTTL, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return unavailable("expunge run log", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = l.stream.DeleteConsumer(ctx, consumer.CachedInfo().Name)
	}()
	if consumer.CachedInfo().NumPending > 0 {
		m, err := consumer.Next(jetstream.FetchMaxWait(readWait))
		if err != nil {
			return unavailable("expunge run log", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("natsbus: expunge run log: %w", err)
		}
		first = min(first, meta.Sequence.Stream)
	}
	if err := l.stream.Purge(ctx, jetstream.WithPurgeSequence(first)); err != nil {
		return unavailable("expunge run log", err)
	}
	return nil
}

// Forget does nothing: a run's records lie within batches that others share, and
// go with the stream's age.
func (l *RunLog) Forget(context.Context, parley.RunID) error { return nil }

// reader walks over the batches that were there when it was made.
type reader struct {
	consumer jetstream.Consumer
	read     uint64 // batches so far
	left     uint64
}

// page reads some more batches and calls fn with the records of run.
func (r *reader) page(ctx context.Context, run parley.RunID, fn func(parley.RunRecord) error) error {
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	page, err := r.consumer.Fetch(int(min(r.left, readPage)), jetstream.FetchContext(ctx))
	if err != nil {
		return unavailable("read run log", err)
	}
	before := r.read
	for m := range page.Messages() {
		if err := r.batch(m, run, fn); err != nil {
			return err
		}
	}
	if r.left == 0 || r.read > before && page.Error() == nil {
		return nil
	}
	return unavailable("read run log", errors.Join(errShortPage, page.Error(), ctx.Err()))
}

var (
	errShortPage = errors.New("the server sent fewer batches than it has")
	errHole      = errors.New("a batch was lost on its way")
)

func (r *reader) batch(m jetstream.Msg, run parley.RunID, fn func(parley.RunRecord) error) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("natsbus: read run log: %w", err)
	}
	// Nobody asks for a batch again, so that a lost one must not pass unnoticed.
	if r.read++; meta.Sequence.Consumer != r.read {
		return unavailable("read run log", errHole)
	}
	r.left = min(r.left-1, meta.NumPending)
	for rec, err := range recordsOf(m.Data(), run) {
		if err != nil {
			return fmt.Errorf("read run log at %d: %w", meta.Sequence.Stream, err)
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	return nil
}

// madeAt is the time within a UUIDv7, in milliseconds since 1970; false for
// another kind of id, and where that time is yet to come.
func madeAt(run parley.RunID, now time.Time) (time.Time, bool) {
	if run[6]>>4 != 7 {
		return time.Time{}, false
	}
	var ms [8]byte
	copy(ms[2:], run[:6])
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))
	return at, !at.After(now)
}
