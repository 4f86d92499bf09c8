package storetest

import (
	"slices"

	"github.com/parley-chat/parley"
)

var stateCases = group{"member states", []testCase{
	{"who has done nothing has the zero state, with its ids", func(e *env) {
		c := e.conversation("ann")
		zero := parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann"}
		got := inTx(e, func(tx parley.Tx) (*parley.MemberState, error) { return tx.MemberState(e.org, c.ID, "ann") })
		e.same("in a transaction", got, &zero)
		ids := []parley.ConversationID{c.ID}
		e.same("by the reader", must(e.s.MemberStates(e.ctx, e.org, "ann", ids))(e), []parley.MemberState{zero})
	}},
	{"all fields come back, and may be written again", func(e *env) {
		c := e.conversation("ann")
		s := parley.MemberState{
			Org: e.org, Conversation: c.ID, Principal: "ann", ReadSeq: 3, DeliveredSeq: 1 << 40,
			MutedUntil: parley.MutedForever, ArchivedAt: at(1), HiddenAt: at(2), HiddenSeq: 2,
		}
		for range 2 {
			e.setState(s)
			got := inTx(e, func(tx parley.Tx) (*parley.MemberState, error) { return tx.MemberState(e.org, c.ID, "ann") })
			e.same("in a transaction", got, &s)
			ids := []parley.ConversationID{c.ID}
			e.same("by the reader", must(e.s.MemberStates(e.ctx, e.org, "ann", ids))(e), []parley.MemberState{s})
			s = parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann", ReadSeq: 4, DeliveredSeq: 5, HiddenSeq: 2}
		}
	}},
	{"those asked for come in their order", func(e *env) {
		c, d, f := e.conversation("ann"), e.conversation("ann"), e.conversation("ann")
		read := parley.MemberState{Org: e.org, Conversation: f.ID, Principal: "ann", ReadSeq: 1, DeliveredSeq: 1}
		e.setState(read)
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ben", ReadSeq: 9, DeliveredSeq: 9})
		zero := func(c *parley.Conversation) parley.MemberState {
			return parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann"}
		}
		got := must(e.s.MemberStates(e.ctx, e.org, "ann", []parley.ConversationID{f.ID, c.ID, d.ID}))(e)
		e.same("states", got, []parley.MemberState{read, zero(c), zero(d)})
		e.same("of none", len(must(e.s.MemberStates(e.ctx, e.org, "ann", nil))(e)), 0)
	}},
	{"receipts are of those who read or received anything", func(e *env) {
		c := e.conversation("ann", "ben", "cat", "dan")
		state := func(who parley.PrincipalID, read, delivered uint64) parley.MemberState {
			return parley.MemberState{Org: e.org, Conversation: c.ID, Principal: who, ReadSeq: read, DeliveredSeq: delivered}
		}
		muted := state("cat", 0, 0)
		muted.MutedUntil = at(5)
		for _, s := range []parley.MemberState{state("dan", 0, 2), muted, state("Ben", 1, 1)} {
			e.setState(s)
		}
		e.same("receipts", must(e.s.Receipts(e.ctx, e.org, c.ID))(e), []parley.MemberState{state("Ben", 1, 1), state("dan", 0, 2)})
		e.same("in another org", len(must(e.s.Receipts(e.ctx, e.other, c.ID))(e)), 0)
	}},
	{"a message is hidden once, from one principal", func(e *env) {
		c := e.conversation("ann", "ben")
		hide := func(who parley.PrincipalID, seq uint64) bool {
			return inTx(e, func(tx parley.Tx) (bool, error) { return tx.HideMessage(e.org, c.ID, who, seq) })
		}
		e.same("changed", []bool{hide("ann", 7), hide("ann", 2), hide("ann", 7), hide("ben", 3), hide("ann", 9)}, []bool{true, true, false, true, true})
		hidden := func(who parley.PrincipalID, from, to uint64) []uint64 {
			return must(e.s.Hidden(e.ctx, e.org, c.ID, who, from, to))(e)
		}
		e.same("from ann", hidden("ann", 0, 1<<40), []uint64{2, 7, 9})
		e.same("within", hidden("ann", 2, 7), []uint64{2, 7})
		e.same("from ben", hidden("ben", 1, 9), []uint64{3})
		e.same("from cat", len(hidden("cat", 1, 9)), 0)
	}},
	{"who hid a message is found by it, alone or with all up to it", func(e *env) {
		c, other := e.conversation("ann", "ben"), e.conversation("ann")
		hide := func(who parley.PrincipalID, seqs ...uint64) {
			for _, seq := range seqs {
				inTx(e, func(tx parley.Tx) (bool, error) { return tx.HideMessage(e.org, c.ID, who, seq) })
			}
		}
		hide("ann", 2, 3)
		hide("dan", 3)
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "dan", HiddenSeq: 3})
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "Ben", HiddenAt: at(3), HiddenSeq: 2})
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "cat", ReadSeq: 9})
		e.setState(parley.MemberState{Org: e.org, Conversation: other.ID, Principal: "eve", HiddenSeq: 9})
		for seq, want := range map[uint64][]parley.PrincipalID{1: {"Ben", "dan"}, 2: {"Ben", "ann", "dan"}, 3: {"ann", "dan"}, 4: nil} {
			got := inTx(e, func(tx parley.Tx) ([]parley.PrincipalID, error) { return tx.HiddenFrom(e.org, c.ID, seq) })
			e.same("who hid it", append([]parley.PrincipalID(nil), got...), want)
		}
		got := inTx(e, func(tx parley.Tx) ([]parley.PrincipalID, error) { return tx.HiddenFrom(e.other, c.ID, 2) })
		e.same("in another org", len(got), 0)
	}},
	{"a conversation deleted for oneself is listed again with its next message", func(e *env) {
		c := e.conversation("ann", "ben")
		e.post(c, "ben")
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann", HiddenAt: at(3), HiddenSeq: 1})
		e.same("of ann", e.listed("ann"), 0)
		e.same("of ben", e.listed("ben"), 1)
		e.post(c, "ben")
		e.same("of ann, after a message", e.listed("ann"), 1)
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann", HiddenAt: at(4), HiddenSeq: 2})
		e.same("of ann, once more", e.listed("ann"), 0)
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann", HiddenSeq: 2})
		e.same("of ann, taken back", e.listed("ann"), 1)
	}},
}}

var blockCases = group{"blocks", []testCase{
	{"one is there once, and only a change is reported", func(e *env) {
		set := func(owner, blocked parley.PrincipalID, on bool) bool {
			return inTx(e, func(tx parley.Tx) (bool, error) {
				return tx.SetBlock(&parley.Block{Org: e.org, Owner: owner, Blocked: blocked, At: at(len(blocked))}, on)
			})
		}
		e.same("changed", []bool{
			set("ann", "zed", true), set("ann", "Zoe", true), set("ann", "zed", true), set("ben", "ann", true), set("ann", "cat", false),
		}, []bool{true, true, false, true, false})
		zoe := parley.Block{Org: e.org, Owner: "ann", Blocked: "Zoe", At: at(3)}
		zed := parley.Block{Org: e.org, Owner: "ann", Blocked: "zed", At: at(3)}
		e.same("in byte order", must(e.s.Blocks(e.ctx, e.org, "ann"))(e), []parley.Block{zoe, zed})
		e.same("off", []bool{set("ann", "zed", false), set("ann", "zed", false)}, []bool{true, false})
		e.same("then", must(e.s.Blocks(e.ctx, e.org, "ann"))(e), []parley.Block{zoe})
		e.same("in another org", len(must(e.s.Blocks(e.ctx, e.other, "ann"))(e)), 0)
		all := must(e.s.OrgBlocks(e.ctx, e.org, 10))(e)
		e.same("two in the org", len(all), 2)
		e.same("ann's is one of them", slices.ContainsFunc(all, func(b parley.Block) bool {
			return b.Org == e.org && b.Owner == "ann" && b.Blocked == "Zoe" && b.At.Equal(zoe.At)
		}), true)
		e.same("all of another org", len(must(e.s.OrgBlocks(e.ctx, e.other, 2))(e)), 0)
		e.update(func(tx parley.Tx) error {
			_, err := tx.SetBlock(&zed, true)
			return err
		})
		e.same("no more than asked for", len(must(e.s.OrgBlocks(e.ctx, e.org, 1))(e)), 1)
	}},
}}

func (e *env) setState(s parley.MemberState) {
	e.Helper()
	e.update(func(tx parley.Tx) error { return tx.SetMemberState(&s) })
}

// listed is how many conversations are on somebody's list.
func (e *env) listed(who parley.PrincipalID) int {
	e.Helper()
	all, _, err := e.s.ConversationsOf(e.ctx, e.org, who, parley.Page{})
	e.ok(err)
	return len(all)
}
