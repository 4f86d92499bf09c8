package storetest

import (
	"time"

	"github.com/parley-chat/parley"
)

var cursorCases = group{"cursors", []testCase{
	{"the zero Position is of every log", func(e *env) {
		e.ok(e.check(parley.Position{}))
		e.publish(published(e.org, "ci"))
		e.sequence()
		e.ok(e.check(parley.Position{}))
	}},
	{"the Position of every event is of its log", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		for _, ev := range e.sequence() {
			e.ok(e.check(ev.Position))
		}
	}},
	{"a Position that no event has is not", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		head := e.sequence()[1].Position
		for what, at := range map[string]parley.Position{
			"an offset beyond the head": {Epoch: head.Epoch, Offset: 3},
			"an unknown epoch":          {Epoch: head.Epoch + 1, Offset: 1},
			"no epoch":                  {Offset: 1},
			"an epoch without offset":   {Epoch: head.Epoch},
			"the largest offset":        {Epoch: head.Epoch, Offset: 1<<64 - 1},
		} {
			e.Log(what)
			e.fails(e.check(at), parley.ErrCursor)
		}
	}},
	{"a Position of one org means nothing in another", func(e *env) {
		e.publish(published(e.org, "ci"))
		head := e.sequence()[0].Position
		elsewhere := func() error { return e.s.CheckCursor(e.ctx, parley.ReplayQuery{Org: e.other}, head) }
		e.fails(elsewhere(), parley.ErrCursor)
		e.publish(published(e.other, "ci")) // the other has an event at this offset too
		e.sequence()
		e.fails(elsewhere(), parley.ErrCursor)
	}},
}}

// check asks about a cursor of a listener who named no keys.
func (e *env) check(at parley.Position) error {
	return e.s.CheckCursor(e.ctx, parley.ReplayQuery{Org: e.org}, at)
}

// old is long before everything else in the tests.
func old(n int) time.Time { return at(n).AddDate(-20, 0, 0) }

// trimmedLog is a log of which the events up to offset 4 are gone: 1 is c's, 2 is
// told on ci, 3 on cd, 4 to ben; 5 is c's and 6 is told on ci.
func (e *env) trimmedLog() (c *parley.Conversation, told []*parley.Event) {
	e.Helper()
	c = newConversation(e.org)
	begin := messageEvent(e.org, newMessage(c.ID, 1, "ann"), 1)
	ci, cd, ben := published(e.org, "ci"), published(e.org, "cd"), published(e.org, "", "ben")
	begin.Time, ci.Time, cd.Time, ben.Time = old(1), old(2), old(3), old(4)
	e.update(func(tx parley.Tx) error {
		if err := tx.InsertConversation(c); err != nil {
			return err
		}
		if err := tx.InsertMember(newStay(c, "ann", 1)); err != nil {
			return err
		}
		kept := []*parley.Event{messageEvent(e.org, newMessage(c.ID, 2, "ann"), 2), published(e.org, "ci")}
		return appendAll(tx, append([]*parley.Event{begin, ci, cd, ben}, kept...))
	})
	told = e.sequence()
	e.same("deleted", must(e.s.TrimLog(e.ctx, old(5)))(e), 4)
	return c, told
}

var trimCases = group{"trimming", []testCase{
	{"the events before a time are deleted, that time excluded", func(e *env) {
		var list []*parley.Event
		for i := range 4 {
			list = append(list, published(e.org, "ci"))
			list[i].Time = old(i)
		}
		e.publish(list...)
		e.sequence()
		e.same("deleted", must(e.s.TrimLog(e.ctx, old(2)))(e), 2)
		e.same("log", offsets(e.log()), []uint64{3, 4})
		e.same("deleted again", must(e.s.TrimLog(e.ctx, old(2)))(e), 0)
		e.same("deleted later", must(e.s.TrimLog(e.ctx, old(4)))(e), 2)
	}},
	{"heads and numbers stay, also where all events are gone", func(e *env) {
		ev := published(e.org, "ci")
		ev.Time = old(1)
		e.publish(ev)
		head := e.sequence()[0].Position
		e.same("deleted", must(e.s.TrimLog(e.ctx, old(2)))(e), 1)
		e.same("head", must(e.s.Head(e.ctx, e.org))(e), head)
		e.same("last offset", must(e.s.LastOffset(e.ctx, e.org, parley.ChannelKey("ci")))(e), uint64(1))
		e.same("Position", must(e.s.Locate(e.ctx, e.org, 1))(e), head)
		e.publish(published(e.org, "ci"))
		e.same("the next offset", e.sequence()[0].Position.Offset, uint64(2))
	}},
	{"a replay returns what is left", func(e *env) {
		c, _ := e.trimmedLog()
		keys := []string{parley.ConversationKey(c.ID), parley.ChannelKey("ci"), parley.ChannelKey("cd")}
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 6, Limit: 10, Keys: keys}, []uint64{5, 6}, 6)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 6, Limit: 10, Member: "ann"}, []uint64{5}, 6)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 6, Limit: 10, All: true}, []uint64{5, 6}, 6)
	}},
	{"a cursor is gone where events of its listener are", goneCursors},
	{"conversations and messages stay", func(e *env) {
		c, _ := e.trimmedLog()
		e.same("conversation", must(e.s.Conversation(e.ctx, e.org, c.ID))(e), c)
		e.same("stays", len(must(e.s.Stays(e.ctx, e.org, c.ID))(e)), 1)
	}},
}}

// goneCursors asks for every cursor of a trimmed log whether it is gone.
func goneCursors(e *env) {
	c, told := e.trimmedLog()
	for _, l := range []struct {
		name string
		q    parley.ReplayQuery
		last int // the last offset of the listener's events that are gone
	}{
		{"who hears all", parley.ReplayQuery{All: true}, 4},
		{"who hears ci", parley.ReplayQuery{Keys: []string{parley.ChannelKey("ci")}}, 2},
		{"who hears ci and cd", parley.ReplayQuery{Keys: []string{parley.ChannelKey("ci"), parley.ChannelKey("cd")}}, 3},
		{"who hears the conversation", parley.ReplayQuery{Keys: []string{parley.ConversationKey(c.ID)}}, 1},
		{"who is a member", parley.ReplayQuery{Member: "ann"}, 1},
		{"who is a target", parley.ReplayQuery{Member: "ben", Keys: []string{parley.PrincipalKey("ben")}}, 4},
		{"who hears nothing", parley.ReplayQuery{Member: "cat", Keys: []string{parley.ChannelKey("else")}}, 0},
	} {
		l.q.Org = e.org
		for offset := range len(told) + 1 {
			var at parley.Position
			if offset > 0 {
				at = told[offset-1].Position
			}
			e.Logf("%s, at %d", l.name, offset)
			if err := e.s.CheckCursor(e.ctx, l.q, at); offset < l.last {
				e.fails(err, parley.ErrGone)
			} else {
				e.ok(err)
			}
		}
	}
}

var checkpointCases = group{"checkpoints", []testCase{
	{"a worker begins at 0 and moves forward only", func(e *env) {
		for _, step := range []struct{ set, want uint64 }{{0, 0}, {5, 5}, {3, 5}, {5, 5}, {9, 9}} {
			e.ok(e.s.SetCheckpoint(e.ctx, "webhooks", e.org, step.set))
			e.same("checkpoint", must(e.s.Checkpoint(e.ctx, "webhooks", e.org))(e), step.want)
		}
	}},
	{"each worker has its own in each org", func(e *env) {
		e.ok(e.s.SetCheckpoint(e.ctx, "webhooks", e.org, 5))
		e.same("of another worker", must(e.s.Checkpoint(e.ctx, "agents", e.org))(e), uint64(0))
		e.same("in another org", must(e.s.Checkpoint(e.ctx, "webhooks", e.other))(e), uint64(0))
	}},
}}
