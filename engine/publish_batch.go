package engine

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
)

// publishBatch carries out a PublishBatch: the durable events in one transaction,
// then those that are not stored, so that a failure has told nothing.
func (e *Engine) publishBatch(ctx context.Context, p *parley.Principal, cmd parley.PublishBatch) (parley.Result, error) {
	if n := len(cmd.Events); n == 0 || n > parley.MaxPublishBatch {
		return parley.Result{}, invalid("events", "events must hold 1 to %d events", parley.MaxPublishBatch)
	}
	batch := make([]parley.Outcome, len(cmd.Events))
	admitted := e.admitBatch(p, cmd.Events, batch)
	if err := e.storeBatch(ctx, p, admitted, batch); err != nil {
		return parley.Result{}, err
	}
	for i, pub := range admitted {
		if pub == nil || !e.ephemeral[pub.Type] {
			continue
		}
		result, err := e.publishLive(ctx, p, pub)
		batch[i] = parley.Outcome{Event: result.Event, Err: parley.AsError(err)}
	}
	return parley.Result{Batch: batch}, nil
}

// admitBatch validates the events and counts them. What is refused has its Outcome
// then, and is nil in the list.
func (e *Engine) admitBatch(p *parley.Principal, events []parley.PublishEvent, batch []parley.Outcome) []*publishing {
	admitted := make([]*publishing, len(events))
	var limited error
	for i, cmd := range events {
		pub, err := (*publishing)(nil), limited
		if err == nil {
			pub, err = e.checkPublish(p, cmd)
		}
		if err == nil {
			limited = e.limits.published(p, e.cfg.Now())
			err = limited
		}
		if err != nil {
			batch[i].Err = parley.AsError(err)
			continue
		}
		admitted[i] = pub
	}
	return admitted
}

// storeBatch stores the durable ones of the events. An event that is refused in
// the transaction has written nothing, and the others go on; any other failure is
// that of all.
func (e *Engine) storeBatch(ctx context.Context, p *parley.Principal, admitted []*publishing, batch []parley.Outcome) error {
	durable := 0
	for _, pub := range admitted {
		if pub != nil && !e.ephemeral[pub.Type] {
			durable++
		}
	}
	if durable == 0 {
		return nil
	}
	return e.update(ctx, p, func(w *write) error { // it may run again: each outcome is set anew
		for i, pub := range admitted {
			if pub == nil || e.ephemeral[pub.Type] {
				continue
			}
			result, err := w.publish(pub)
			refused, isRefused := errors.AsType[*parley.Error](err)
			if err != nil && !isRefused {
				return err
			}
			batch[i] = parley.Outcome{Event: result.Event, Repeated: result.Repeated, Err: refused}
		}
		return nil
	})
}
