package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/relay"
)

// Ready reports why this node should get no traffic now; nil means it should.
func (a *App) Ready() error {
	if a.draining.Load() {
		return errors.New("the server is going away")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := a.store.Ping(ctx); err != nil {
		return errors.New("the store does not answer")
	}
	if err := a.bus.Ready(); err != nil {
		return errors.New("the bus is not connected")
	}
	if !a.auth.Fresh() {
		return errors.New("revocations could not be read")
	}
	return a.hub.Ready()
}

// Stop drains. At once /readyz answers 503, new sockets are refused and no answer
// is begun; requests and the sockets that live go on while answers at work finish,
// for up to half of ctx's time. Then what is left of them ends as interrupted,
// clients hear so, and are told to come back; writes are finished. What is left
// when ctx ends is cut off. Acknowledged is kept in any case.
func (a *App) Stop(ctx context.Context) error {
	a.draining.Store(true)
	a.conns.Refuse()
	a.log.Info("draining", "connections", a.conns.Len())
	a.finishAnswers(ctx)
	// Agents before sockets, while there is someone to hear how their answers end.
	a.stopWorker()
	select {
	case <-a.workerDone:
	case <-ctx.Done():
	}
	err := a.engine.Stop(ctx)
	a.settle(ctx)
	done := make(chan error, len(a.doors))
	for _, d := range a.doors {
		go func() { done <- d.server.Shutdown(ctx) }()
	}
	a.conns.Drain(ctx)
	for range a.doors {
		err = errors.Join(err, <-done)
	}
	a.close(ctx)
	return err
}

// finishAnswers waits for the answers at work, for up to half of ctx's time.
func (a *App) finishAnswers(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	if err := a.worker.Drain(ctx); err != nil {
		a.log.Info("answers are interrupted", "error", err)
	}
}

// settle lets the ends of answers reach those who listen: what is committed gets
// its place in the log, and the hub applies it.
func (a *App) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	told, done := context.WithCancel(ctx)
	defer done()
	// Two relays at once are harmless; this one ends when nothing is left to tell.
	_ = relay.New(relay.Config{Store: untilEmpty{a.store, done}, Bus: a.bus, Logger: a.log}).Run(told)
	a.hub.Settle(ctx)
}

// untilEmpty is a log that says when every event in it has been handed out.
type untilEmpty struct {
	parley.Log
	empty func()
}

func (l untilEmpty) Sequence(ctx context.Context, limit int) ([]*parley.Event, error) {
	events, err := l.Log.Sequence(ctx, limit)
	if err == nil && len(events) == 0 {
		l.empty()
	}
	return events, err
}

const settleTime = time.Second

// close ends what is open, the users of a thing before the thing. What was never
// opened is passed over.
func (a *App) close(ctx context.Context) {
	for _, d := range a.doors {
		_ = d.server.Close()
		_ = d.Listener.Close() // where it was never served
	}
	for _, stop := range []context.CancelFunc{a.stopWorker, a.stopPresence, a.stopEngine} {
		if stop != nil {
			stop()
		}
	}
	if a.conns != nil {
		a.conns.Close()
	}
	if a.hub != nil {
		a.hub.Close()
	}
	if a.engine != nil {
		_ = a.engine.Stop(ctx)
	}
	if a.stopRelay != nil {
		a.stopRelay()
	}
	a.wg.Wait()
	if c, ok := a.blobs.(io.Closer); ok {
		_ = c.Close()
	}
	if a.stopSharing != nil {
		a.stopSharing()
	}
	if a.bus != nil {
		_ = a.bus.Close()
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Error("close the store", "error", err)
		}
	}
}
