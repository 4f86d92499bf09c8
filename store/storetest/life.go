package storetest

import (
	"context"

	"github.com/parley-chat/parley"
)

// lifeCases have a store of their own each.
var lifeCases = []testCase{
	{"an open store answers a ping", func(e *env) { e.ok(e.s.Ping(e.ctx)) }},
	{"a closed store is unavailable", func(e *env) {
		c := e.conversation("ann")
		e.ok(e.s.Close())
		for what, call := range map[string]func(ctx context.Context) error{
			"Update":       func(ctx context.Context) error { return e.s.Update(ctx, func(parley.Tx) error { return nil }) },
			"Conversation": func(ctx context.Context) error { _, err := e.s.Conversation(ctx, e.org, c.ID); return err },
			"Stays":        func(ctx context.Context) error { _, err := e.s.Stays(ctx, e.org, c.ID); return err },
			"Head":         func(ctx context.Context) error { _, err := e.s.Head(ctx, e.org); return err },
			"Sequence":     func(ctx context.Context) error { _, err := e.s.Sequence(ctx, 1); return err },
			"KeyByHash":    func(ctx context.Context) error { _, err := e.s.KeyByHash(ctx, []byte{1}); return err },
			"Ping":         e.s.Ping,
		} {
			e.Log(what)
			e.fails(call(e.ctx), parley.ErrUnavailable)
		}
	}},
	{"what was acknowledged is there after a restart", func(e *env) {
		c := e.conversation("ann")
		m := e.post(c, "ann")
		e.ok(e.s.SetCheckpoint(e.ctx, "webhooks", e.org, 2))
		told := e.sequence()
		e.restart()
		e.same("message", must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 10, false))(e), []parley.Message{*m})
		e.same("members", principals(must(e.s.Stays(e.ctx, e.org, c.ID))(e)), []parley.PrincipalID{"ann"})
		e.same("checkpoint", must(e.s.Checkpoint(e.ctx, "webhooks", e.org))(e), uint64(2))
		e.same("head", must(e.s.Head(e.ctx, e.org))(e), told[1].Position)
		e.same("handed out again", len(e.sequence()), 0)
	}},
	{"offsets go on after a restart, in an epoch of their own", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		first := e.sequence()
		e.restart()
		e.publish(published(e.org, "ci"))
		second := e.sequence()
		e.same("offsets", offsets(second), []uint64{3})
		if second[0].Position.Epoch == first[0].Position.Epoch {
			e.Error("the epoch did not change")
		}
		for _, ev := range append(first, second...) {
			e.same("Position", must(e.s.Locate(e.ctx, e.org, ev.Position.Offset))(e), ev.Position)
			e.ok(e.check(ev.Position))
		}
		e.same("log", offsets(e.log()), upTo(3))
	}},
	{"a cursor is of its epoch's range only", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		before := e.sequence()[1].Position
		e.restart()
		e.ok(e.check(before)) // the head, also before anything new
		e.publish(published(e.org, "ci"))
		after := e.sequence()[0].Position
		e.fails(e.check(parley.Position{Epoch: before.Epoch, Offset: 3}), parley.ErrCursor)
		e.fails(e.check(parley.Position{Epoch: after.Epoch, Offset: 2}), parley.ErrCursor)
	}},
}

// restart closes the store and opens it again, or skips the case.
func (e *env) restart() {
	e.Helper()
	if e.reopen == nil {
		e.Skip("the store cannot be opened again")
	}
	e.s = e.reopen(e.T, e.s)
}
