package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/parley-chat/parley"
)

var errBoom = errors.New("boom")

var updateCases = group{"update", []testCase{
	{"what a function wrote can be read once Update returns", func(e *env) {
		c := e.conversation()
		e.same("seq", must(e.s.Conversation(e.ctx, e.org, c.ID))(e).ChangeSeq, uint64(1))
	}},
	{"a transaction reads its own writes", func(e *env) {
		c := newConversation(e.org)
		got := inTx(e, func(tx parley.Tx) (*parley.Conversation, error) {
			if err := tx.InsertConversation(c); err != nil {
				return nil, err
			}
			return tx.Conversation(e.org, c.ID)
		})
		e.same("conversation", got, c)
	}},
	{"an error is returned as it is and takes everything back", func(e *env) {
		c := e.conversation("ann")
		e.sequence()
		err := e.s.Update(e.ctx, func(tx parley.Tx) error {
			if _, err := post(tx, e.org, c.ID, "ann"); err != nil {
				return err
			}
			return errBoom
		})
		if err != errBoom { //nolint:errorlint // as it is
			e.Fatalf("error is %v, want the function's own", err)
		}
		e.same("messages", len(must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 10, false))(e)), 0)
		e.same("handed out", len(e.sequence()), 0)
		e.same("log", offsets(e.log()), upTo(1))
		e.same("the next seq", e.post(c, "ann").Seq, uint64(1))
	}},
	{"a context that has ended runs nothing", func(e *env) {
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		ran := false
		err := e.s.Update(ctx, func(parley.Tx) error { ran = true; return nil })
		e.fails(err, context.Canceled)
		e.same("the function ran", ran, false)
	}},
	{"a conflict leaves the transaction usable", func(e *env) {
		c := e.conversation("ann")
		e.update(func(tx parley.Tx) error {
			for _, conflict := range []error{
				tx.InsertConversation(c),
				tx.InsertMember(newStay(c, "ann", 2)),
			} {
				if !errors.Is(conflict, parley.ErrConflict) {
					return errors.Join(errBoom, conflict)
				}
			}
			_, err := post(tx, e.org, c.ID, "ann")
			return err
		})
		e.same("messages", len(must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 10, false))(e)), 1)
	}},
	{"one that fails among many takes nothing of the others", someFail},
	{"numbers taken at the same time have no gap and no repeat", concurrentNumbers},
	{"rows handed out are the caller's own", func(e *env) {
		c := e.conversation("ann")
		e.update(func(tx parley.Tx) error {
			got, err := tx.Conversation(e.org, c.ID)
			if err != nil {
				return err
			}
			got.Title = "scribbled"
			members, err := tx.Members(e.org, c.ID)
			members[0].Name = "scribbled"
			return err
		})
		e.same("conversation", must(e.s.Conversation(e.ctx, e.org, c.ID))(e), c)
		e.same("name", must(e.s.Stays(e.ctx, e.org, c.ID))(e)[0].Name, "N. ann")
	}},
}}

// someFail runs many updates of different conversations at once, every third of
// which fails after it has written.
func someFail(e *env) {
	const n = 48
	list := make([]*parley.Conversation, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		list[i] = newConversation(e.org)
		wg.Go(func() {
			errs[i] = e.s.Update(e.ctx, func(tx parley.Tx) error {
				if err := tx.InsertConversation(list[i]); err != nil {
					return err
				}
				if _, err := post(tx, e.org, list[i].ID, "ann"); err != nil {
					return err
				}
				if i%3 == 0 {
					return errBoom
				}
				return nil
			})
		})
	}
	wg.Wait()
	for i, c := range list {
		_, err := e.s.Conversation(e.ctx, e.org, c.ID)
		if i%3 == 0 {
			e.fails(errs[i], errBoom)
			e.fails(err, parley.ErrNotFound)
			continue
		}
		e.ok(errs[i])
		e.ok(err)
	}
	e.same("offsets", offsets(e.sequence()), upTo(n-n/3))
}

// concurrentNumbers posts to one conversation from many goroutines.
func concurrentNumbers(e *env) {
	const writers, each = 8, 12
	c := e.conversation("ann")
	errs := make(chan error, writers*each)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				errs <- e.s.Update(e.ctx, func(tx parley.Tx) error {
					_, err := post(tx, e.org, c.ID, "ann")
					return err
				})
			}
		})
	}
	wg.Wait()
	for range writers * each {
		e.ok(<-errs)
	}
	var seqs, changes []uint64
	for _, m := range must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 1000, false))(e) {
		seqs = append(seqs, m.Seq)
	}
	for _, ev := range e.sequence() {
		changes = append(changes, ev.ChangeSeq)
	}
	e.same("seq", seqs, upTo(writers*each))
	e.same("change_seq", changes, upTo(writers*each+1))
}
