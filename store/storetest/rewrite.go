package storetest

import "github.com/parley-chat/parley"

var rewriteCases = group{"events that are emptied", []testCase{
	{"what is kept instead has the same place, and the others stay", func(e *env) {
		c, other := e.conversation("ann"), e.conversation("ann")
		first, second := e.post(c, "ann"), e.post(c, "ann")
		e.post(other, "ann")
		before := e.sequenced()
		e.update(func(tx parley.Tx) error {
			return tx.RewriteChanges(e.org, c.ID, []uint64{first.ChangeSeq, 99}, func(ev *parley.Event) *parley.Event {
				return parley.ForgetMessage(ev, first.ID)
			})
		})
		for i, ev := range before {
			before[i] = parley.ForgetMessage(ev, first.ID)
		}
		e.same("log", e.log(), before)
		e.same("changes", must(e.s.Changes(e.ctx, e.org, c.ID, 0, 99, 0))(e)[1].Body, before[2].Body)
		if b := before[2].Body.(*parley.MessageBody); b.Content != "" || !b.Deleted {
			e.Errorf("nothing was emptied: %+v", b)
		}
		if b := before[3].Body.(*parley.MessageBody); b.ID != second.ID || b.Content == "" {
			e.Errorf("another was emptied: %+v", b)
		}
	}},
	{"an event that has no Position yet is emptied too", func(e *env) {
		c := e.conversation("ann")
		m := e.post(c, "ann")
		e.update(func(tx parley.Tx) error {
			return tx.RewriteChanges(e.org, c.ID, []uint64{m.ChangeSeq}, func(ev *parley.Event) *parley.Event {
				return parley.ForgetMessage(ev, m.ID)
			})
		})
		e.sequence()
		if b := e.log()[1].Body.(*parley.MessageBody); b.Content != "" || !b.Deleted {
			e.Errorf("the log has %+v", b)
		}
	}},
	{"a part of the log is gone through for those that name somebody", func(e *env) {
		c := e.conversation(`an"n`)
		for _, who := range []parley.PrincipalID{`an"n`, "ann", `an"n`, `an"n`} {
			e.post(c, who)
		}
		e.sequence()
		var met []uint64
		e.update(func(tx parley.Tx) error {
			met = nil
			return tx.RewriteLog(e.org, 1, 4, parley.NameInEvents(`an"n`), func(ev *parley.Event) *parley.Event {
				met = append(met, ev.Position.Offset)
				emptied := *ev
				emptied.Actor = "nobody"
				return &emptied
			})
		})
		e.same("met", met, []uint64{2, 4})
		log := e.log()
		for i, want := range []parley.PrincipalID{"ann", "nobody", "ann", "nobody", `an"n`} {
			if log[i].Actor != want || log[i].Position.Offset != uint64(i+1) {
				e.Errorf("event %d is %s's, at %d", i+1, log[i].Actor, log[i].Position.Offset)
			}
		}
	}},
	{"what was given up is not kept", func(e *env) {
		c := e.conversation("ann")
		m := e.post(c, "ann")
		before := e.sequenced()
		e.refused(errBoom, func(tx parley.Tx) error {
			err := tx.RewriteChanges(e.org, c.ID, []uint64{m.ChangeSeq}, func(ev *parley.Event) *parley.Event {
				return parley.ForgetMessage(ev, m.ID)
			})
			if err != nil {
				return err
			}
			return errBoom
		})
		e.same("log", e.log(), before)
	}},
}}

// sequenced gives Positions to all that was committed, and reads the log.
func (e *env) sequenced() []*parley.Event {
	e.Helper()
	e.sequence()
	return e.log()
}
