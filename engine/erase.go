package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

// Bounds of one step of an erasure: what others wait for is a step.
const (
	eraseUnits  = 50   // messages, reactions or conversations
	eraseEvents = 1000 // events of a log that are looked through
	// eraseInterval is how often a node looks for erasures that nobody told it of.
	eraseInterval = 5 * time.Second
	eraseJobs     = 16 // read at once
	// eraseDelay is as long as a node goes by what it knows of revocations.
	eraseDelay = 5 * time.Second
)

// eraseUser begins an erasure. What is erased is carried out by keepErasing, of any
// node, from the row that is stored here.
func (e *Engine) eraseUser(ctx context.Context, p *parley.Principal, cmd parley.EraseUser) (parley.Result, error) {
	if _, err := checkPrincipals("user_id", []parley.PrincipalID{cmd.Principal}, 1); err != nil {
		return parley.Result{}, err
	}
	if cmd.Principal != p.ID && !p.Can(parley.ScopeAdmin) {
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "the scope %s is needed to erase somebody else", parley.ScopeAdmin)
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		who, err := w.principal(cmd.Principal)
		if err != nil {
			return err
		}
		if who.Kind != parley.KindUser {
			return invalid("user_id", "only users are erased")
		}
		job, err := w.ErasureOf(p.Org, cmd.Principal)
		if err == nil {
			result = parley.Result{Erasure: job, Repeated: true}
			return nil
		}
		if !errors.Is(err, parley.ErrNotFound) {
			return fmt.Errorf("find erasure: %w", err)
		}
		job = &parley.Erasure{
			Org: p.Org, ID: e.cfg.IDs.NewID(), Principal: cmd.Principal, By: p.ID,
			Phase: parley.EraseAccount, RequestedAt: w.now,
		}
		result = parley.Result{Erasure: job}
		return w.InsertErasure(job)
	})
	if err != nil {
		return parley.Result{}, err
	}
	wake(e.erasing)
	return result, nil
}

// keepErasing carries out erasures until ctx ends. Nodes that do so at once take
// turns: each step holds the job's row and goes on from what it says.
func (e *Engine) keepErasing(ctx context.Context) {
	e.keep(ctx, eraseInterval, e.erasing, "erase", e.eraseAll)
}

// eraseAll carries out the erasures that are under way, as far as they can go on now.
// One that fails is tried again the next time, after the others.
func (e *Engine) eraseAll(ctx context.Context) error {
	open, err := e.cfg.Store.OpenErasures(ctx, eraseJobs)
	if err != nil {
		return fmt.Errorf("list erasures: %w", err)
	}
	for i := range open {
		err = errors.Join(err, e.erase(ctx, &open[i]))
	}
	return err
}

// erase carries out one erasure to its end, or until it has to wait.
func (e *Engine) erase(ctx context.Context, job *parley.Erasure) error {
	for done := false; !done; {
		var running *stillRunning
		var err error
		done, err = e.eraseStep(ctx, job)
		if errors.Is(err, errLoginsLast) {
			return nil
		}
		if errors.As(err, &running) {
			err = e.cancelRun(ctx, &running.run)
			if errors.Is(err, parley.ErrFenced) { // it ended by itself
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("erasure %s: %w", job.ID, err)
		}
	}
	return nil
}

// errLoginsLast stops a step while some node may still let the user in: what it says
// then would come when nobody looks for it any more.
var errLoginsLast = errors.New("a login of the user may still be good")

// stillRunning stops a step at an answer that has to end first.
type stillRunning struct{ run parley.Run }

func (r *stillRunning) Error() string { return "run " + r.run.ID.String() + " is still running" }

// eraseStep does a bounded part of an erasure in one transaction; done says that
// nothing is left.
func (e *Engine) eraseStep(ctx context.Context, job *parley.Erasure) (done bool, err error) {
	now, err := e.cfg.Store.Erasure(ctx, job.Org, job.ID)
	if err != nil {
		return false, fmt.Errorf("read the job: %w", err)
	}
	if now.Phase != parley.EraseAccount && e.cfg.Now().Before(now.LoginsEnd) {
		return false, errLoginsLast
	}
	var log logPart
	switch now.Phase {
	case parley.EraseLog:
		if log, err = e.logAfter(ctx, now.Org, now.Seq); err != nil {
			return false, err
		}
	case parley.EraseTraces:
		if err := e.eraseTraces(ctx, now); err != nil {
			return false, err
		}
	}
	system := &parley.Principal{Org: job.Org}
	err = e.transact(ctx, system, func(w *write) error {
		job, err := w.Erasure(job.Org, job.ID)
		if err != nil {
			return fmt.Errorf("hold the job: %w", err)
		}
		if done = job.Phase == parley.EraseDone; done || job.Phase != now.Phase {
			return nil // another node went on
		}
		if err := (&erasing{w, job}).next(log); err != nil {
			return err
		}
		done = job.Phase == parley.EraseDone
		return w.UpdateErasure(job)
	})
	return done, err
}

// logPart is a range of a log that is to be looked through.
type logPart struct{ after, upTo, head uint64 }

// logAfter is the next part of an org's log; empty at its end.
func (e *Engine) logAfter(ctx context.Context, org parley.OrgID, after uint64) (part logPart, err error) {
	head, err := e.cfg.Store.Head(ctx, org)
	if err != nil {
		return part, fmt.Errorf("read the head: %w", err)
	}
	first, err := e.cfg.Store.ReadLog(ctx, org, after, head.Offset, 1)
	if err != nil {
		return part, fmt.Errorf("read the log: %w", err)
	}
	part = logPart{after: head.Offset, upTo: head.Offset, head: head.Offset}
	if len(first) > 0 { // what is before it was trimmed
		part.after = first[0].Position.Offset - 1
		part.upTo = min(part.after+eraseEvents, head.Offset)
	}
	return part, nil
}

// eraseTraces clears what is not in the store's tables: the run log, but for what
// runs that are open need, and what deleted rows left in the store's files.
func (e *Engine) eraseTraces(ctx context.Context, job *parley.Erasure) error {
	if x, ok := e.cfg.RunLog.(parley.Expunger); ok {
		before := e.cfg.Now()
		open, err := e.cfg.Store.OpenRuns(ctx, "")
		if err != nil {
			return fmt.Errorf("list open runs: %w", err)
		}
		for i := range open {
			// The clock of the node that began it may be behind.
			if at := open[i].StartedAt.Add(-time.Minute); at.Before(before) {
				before = at
			}
		}
		if err := x.Expunge(ctx, before); err != nil {
			return fmt.Errorf("expunge the run log: %w", err)
		}
	}
	if s, ok := e.cfg.Store.(parley.Scrubber); ok {
		if err := s.Scrub(ctx); err != nil {
			return fmt.Errorf("scrub the store: %w", err)
		}
	}
	return nil
}
