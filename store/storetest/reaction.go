package storetest

import "github.com/parley-chat/parley"

var reactionCases = group{"reactions", []testCase{
	{"one is there once, and only a change is reported", func(e *env) {
		m := e.post(e.conversation(), "ann")
		r := reaction(m, "ann", "\U0001f44d")
		again := r
		again.At = at(30)
		e.same("at first", e.has(r), false)
		e.same("on", e.react(r, true), true)
		e.same("on again", e.react(again, true), false)
		e.same("then", e.has(again), true)
		e.same("reactions", e.reactions(m), []parley.Reaction{r})
		e.same("off", e.react(again, false), true)
		e.same("off again", e.react(r, false), false)
		e.same("in the end", e.has(r), false)
	}},
	{"they are listed by the message's place, then as they were made", func(e *env) {
		c := e.conversation()
		first, second, third := e.post(c, "ann"), e.post(c, "ann"), e.post(c, "ann")
		late, zoe, ann, again := reaction(second, "zoe", "b"), reaction(first, "zoe", "b"), reaction(first, "ann", "a"), reaction(first, "ann", "b")
		for _, r := range []parley.Reaction{late, again, zoe, ann, reaction(third, "ann", "a")} {
			e.react(r, true)
		}
		e.react(again, false)
		e.react(again, true)
		list := func(org parley.OrgID, from, to uint64) []parley.Reaction {
			return must(e.s.Reactions(e.ctx, org, c.ID, from, to, 0))(e)
		}
		e.same("of two messages", list(e.org, 1, 2), []parley.Reaction{zoe, ann, again, late})
		e.same("of one", list(e.org, 2, 2), []parley.Reaction{late})
		e.same("the first two", must(e.s.Reactions(e.ctx, e.org, c.ID, 1, 3, 2))(e), []parley.Reaction{zoe, ann})
		e.same("in another org", len(list(e.other, 1, 3)), 0)
	}},
	{"different emoji are counted", func(e *env) {
		c := e.conversation()
		m, other := e.post(c, "ann"), e.post(c, "ann")
		count := func() int {
			return inTx(e, func(tx parley.Tx) (int, error) { return tx.CountReactions(e.org, c.ID, m.ID) })
		}
		e.same("at first", count(), 0)
		for _, r := range []parley.Reaction{reaction(m, "ann", "a"), reaction(m, "ben", "a"), reaction(m, "ann", "A"), reaction(other, "ann", "c")} {
			e.react(r, true)
		}
		e.same("then", count(), 2)
	}},
	{"all are taken away from one message", func(e *env) {
		c := e.conversation()
		m, other := e.post(c, "ann"), e.post(c, "ann")
		kept := reaction(other, "ann", "a")
		for _, r := range []parley.Reaction{reaction(m, "ann", "a"), reaction(m, "ben", "b"), kept} {
			e.react(r, true)
		}
		e.update(func(tx parley.Tx) error { return tx.DeleteReactions(e.org, c.ID, m.ID) })
		e.same("reactions", must(e.s.Reactions(e.ctx, e.org, c.ID, 0, 1<<40, 0))(e), []parley.Reaction{kept})
	}},
}}

func reaction(m *parley.Message, who parley.PrincipalID, emoji string) parley.Reaction {
	return parley.Reaction{Conversation: m.Conversation, Message: m.ID, Seq: m.Seq, Principal: who, Emoji: emoji, At: at(20)}
}

func (e *env) react(r parley.Reaction, on bool) (changed bool) {
	e.Helper()
	return inTx(e, func(tx parley.Tx) (bool, error) { return tx.SetReaction(e.org, &r, on) })
}

func (e *env) has(r parley.Reaction) bool {
	e.Helper()
	return inTx(e, func(tx parley.Tx) (bool, error) { return tx.HasReaction(e.org, &r) })
}

func (e *env) reactions(m *parley.Message) []parley.Reaction {
	e.Helper()
	return must(e.s.Reactions(e.ctx, e.org, m.Conversation, m.Seq, m.Seq, 0))(e)
}
