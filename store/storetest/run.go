package storetest

import (
	"slices"

	"github.com/parley-chat/parley"
)

var runCases = group{"runs", []testCase{
	{"all fields come back", func(e *env) {
		r := newRun(e.org, "bot")
		r.Status, r.EndedAt = parley.RunFailed, at(9)
		e.update(func(tx parley.Tx) error { return tx.InsertRun(r) })
		e.same("by the reader", must(e.s.Run(e.ctx, e.org, r.ID))(e), r)
		e.same("in a transaction", inTx(e, func(tx parley.Tx) (*parley.Run, error) { return tx.Run(e.org, r.ID) }), r)
	}},
	{"one that does not exist, or is another org's, is not found", func(e *env) {
		r := newRun(e.org, "bot")
		e.update(func(tx parley.Tx) error { return tx.InsertRun(r) })
		_, err := e.s.Run(e.ctx, e.other, r.ID)
		e.fails(err, parley.ErrNotFound)
		_, err = e.s.Run(e.ctx, e.org, newRunID())
		e.fails(err, parley.ErrNotFound)
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Run(e.org, newRunID()); return err })
	}},
	{"a trigger starts one run of an agent", func(e *env) {
		first, again, other := newRun(e.org, "bot"), newRun(e.org, "bot"), newRun(e.org, "bot2")
		again.Trigger, other.Trigger = first.Trigger, first.Trigger
		e.update(func(tx parley.Tx) error { return tx.InsertRun(first) })
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertRun(again) })
		e.update(func(tx parley.Tx) error { return tx.InsertRun(other) })
	}},
	{"runs without a trigger are no conflict", func(e *env) {
		for range 2 {
			r := newRun(e.org, "bot")
			r.Trigger = parley.MessageID{}
			e.update(func(tx parley.Tx) error { return tx.InsertRun(r) })
			e.same("run", must(e.s.Run(e.ctx, e.org, r.ID))(e), r)
		}
	}},
	{"an update writes status, owner, epoch and end, and nothing else", func(e *env) {
		r := newRun(e.org, "bot")
		e.update(func(tx parley.Tx) error { return tx.InsertRun(r) })
		r.Status, r.Owner, r.Epoch, r.EndedAt = parley.RunInterrupted, "node-2", 1<<63+5, at(20)
		e.update(func(tx parley.Tx) error {
			got, err := tx.Run(e.org, r.ID)
			if err != nil {
				return err
			}
			got.Status, got.Owner, got.Epoch, got.EndedAt = r.Status, r.Owner, r.Epoch, r.EndedAt
			return tx.UpdateRun(got)
		})
		e.same("run", must(e.s.Run(e.ctx, e.org, r.ID))(e), r)
	}},
	{"the open ones are listed, of one org or of all", func(e *env) {
		mine, ended, theirs := newRun(e.org, "bot"), newRun(e.org, "bot"), newRun(e.other, "bot")
		ended.Status = parley.RunCompleted
		e.update(func(tx parley.Tx) error {
			for _, r := range []*parley.Run{mine, ended, theirs} {
				if err := tx.InsertRun(r); err != nil {
					return err
				}
			}
			return nil
		})
		e.same("of the org", must(e.s.OpenRuns(e.ctx, e.org))(e), []parley.Run{*mine})
		all := must(e.s.OpenRuns(e.ctx, ""))(e)
		has := func(id parley.RunID) bool {
			return slices.ContainsFunc(all, func(r parley.Run) bool { return r.ID == id })
		}
		e.same("of all orgs", []bool{has(mine.ID), has(ended.ID), has(theirs.ID)}, []bool{true, false, true})
	}},
}}

func newRun(org parley.OrgID, agent parley.PrincipalID) *parley.Run {
	return &parley.Run{
		Org: org, ID: newRunID(), Conversation: newConversationID(), Message: newMessageID(), Agent: agent, Name: "Bot",
		Trigger: newMessageID(), Status: parley.RunRunning, Owner: "node-1", Epoch: 1, After: 17, ChangeSeq: 4, StartedAt: at(3),
	}
}
