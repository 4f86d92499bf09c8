package storetest

import "github.com/parley-chat/parley"

var memberCases = group{"members", []testCase{
	{"all fields come back", func(e *env) {
		c := e.conversation()
		m := &parley.Membership{
			Org: e.org, Conversation: c.ID, Principal: "bot|7", Kind: parley.KindAgent, Name: "Bö", Role: parley.RoleAgent,
			AutoRespond: true, JoinedAt: at(3), From: 5, FromSeq: 4,
		}
		e.update(func(tx parley.Tx) error { return tx.InsertMember(m) })
		one := inTx(e, func(tx parley.Tx) (*parley.Membership, error) { return tx.Member(e.org, c.ID, "bot|7") })
		e.same("Member", one, m)
		all := inTx(e, func(tx parley.Tx) ([]parley.Membership, error) { return tx.Members(e.org, c.ID) })
		e.same("Members", all, []parley.Membership{*m})
		e.same("Stays", must(e.s.Stays(e.ctx, e.org, c.ID))(e), []parley.Membership{*m})
		e.same("StaysOf", must(e.s.StaysOf(e.ctx, e.org, c.ID, "bot|7"))(e), []parley.Membership{*m})
		e.same("StaysOf another", len(must(e.s.StaysOf(e.ctx, e.org, c.ID, "bot|8"))(e)), 0)
	}},
	{"they are listed in the order their stays began", func(e *env) {
		c := e.conversation()
		for i, who := range []parley.PrincipalID{"zoe", "ann", "max"} {
			e.update(func(tx parley.Tx) error { return tx.InsertMember(newStay(c, who, uint64(i+1))) })
		}
		all := inTx(e, func(tx parley.Tx) ([]parley.Membership, error) { return tx.Members(e.org, c.ID) })
		e.same("order", principals(all), []parley.PrincipalID{"zoe", "ann", "max"})
	}},
	{"a stay that does not exist is not found", func(e *env) {
		c := e.conversation("ann")
		for _, where := range []struct {
			org parley.OrgID
			id  parley.ConversationID
			who parley.PrincipalID
		}{{e.org, c.ID, "ben"}, {e.org, newConversationID(), "ann"}, {e.other, c.ID, "ann"}} {
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Member(where.org, where.id, where.who); return err })
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.EndMember(where.org, where.id, where.who, 2, 0) })
		}
		e.same("of another org", len(inTx(e, func(tx parley.Tx) ([]parley.Membership, error) { return tx.Members(e.other, c.ID) })), 0)
	}},
	{"nobody has two open stays", func(e *env) {
		c := e.conversation("ann")
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertMember(newStay(c, "ann", 2)) })
	}},
	{"an ended stay is no member's, and stays in the list", func(e *env) {
		c := e.conversation("ann", "ben")
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ann", 4, 2) })
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Member(e.org, c.ID, "ann"); return err })
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ann", 5, 3) })
		all := inTx(e, func(tx parley.Tx) ([]parley.Membership, error) { return tx.Members(e.org, c.ID) })
		e.same("members", principals(all), []parley.PrincipalID{"ben"})
		for _, stay := range must(e.s.Stays(e.ctx, e.org, c.ID))(e) {
			want := *newStay(c, stay.Principal, 1)
			if stay.Principal == "ann" {
				want.To, want.ToSeq = 4, 2
			}
			e.same("stay", stay, want)
		}
	}},
	{"who comes back has two stays", func(e *env) {
		c := e.conversation("ann")
		e.update(func(tx parley.Tx) error {
			if err := tx.EndMember(e.org, c.ID, "ann", 2, 1); err != nil {
				return err
			}
			return tx.InsertMember(newStay(c, "ann", 3))
		})
		first, second := newStay(c, "ann", 1), newStay(c, "ann", 3)
		first.To, first.ToSeq = 2, 1
		e.same("stays", must(e.s.Stays(e.ctx, e.org, c.ID))(e), []parley.Membership{*first, *second})
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ann", 9, 8) })
		second.To, second.ToSeq = 9, 8
		e.same("stays", must(e.s.Stays(e.ctx, e.org, c.ID))(e), []parley.Membership{*first, *second})
	}},
	{"the stays of one are told from the others'", func(e *env) {
		c := e.conversation("ann", "ben")
		e.update(func(tx parley.Tx) error {
			if err := tx.EndMember(e.org, c.ID, "ann", 2, 1); err != nil {
				return err
			}
			return tx.InsertMember(newStay(c, "ann", 2))
		})
		first, second := newStay(c, "ann", 1), newStay(c, "ann", 2)
		first.To, first.ToSeq = 2, 1
		of := func(org parley.OrgID, who parley.PrincipalID) []parley.Membership {
			return inTx(e, func(tx parley.Tx) ([]parley.Membership, error) { return tx.StaysOf(org, c.ID, who) })
		}
		e.same("of ann", of(e.org, "ann"), []parley.Membership{*first, *second})
		e.same("of nobody", len(of(e.org, "cleo")), 0)
		e.same("of another org's", len(of(e.other, "ann")), 0)
	}},
	{"members are counted up to a number", func(e *env) {
		c := e.conversation("ann", "ben", "cleo")
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ben", 4, 2) })
		for most, want := range []int{0, 1, 2, 2} {
			e.same("count", inTx(e, func(tx parley.Tx) (int, error) { return tx.CountMembers(e.org, c.ID, most) }), want)
		}
		e.same("of another org", inTx(e, func(tx parley.Tx) (int, error) { return tx.CountMembers(e.other, c.ID, 9) }), 0)
	}},
	{"a conversation that does not exist, or is another org's, has no stays", func(e *env) {
		c := e.conversation("ann")
		e.same("stays", len(must(e.s.Stays(e.ctx, e.org, newConversationID()))(e)), 0)
		e.same("stays", len(must(e.s.Stays(e.ctx, e.other, c.ID))(e)), 0)
	}},
}}

func principals(list []parley.Membership) (ids []parley.PrincipalID) {
	for _, m := range list {
		ids = append(ids, m.Principal)
	}
	return ids
}
