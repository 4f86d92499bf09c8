package storetest

import "github.com/parley-chat/parley"

var eraseCases = group{"erasures", []testCase{
	{"a job is kept, and there is one of a principal under way", func(e *env) {
		job := &parley.Erasure{
			Org: e.org, ID: parley.ErasureID(newTaskID()), Principal: "ben", By: "ann", Phase: parley.EraseAccount, RequestedAt: at(1),
		}
		e.update(func(tx parley.Tx) error { return tx.InsertErasure(job) })
		again := *job
		again.ID = parley.ErasureID(newTaskID())
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertErasure(&again) })
		e.same("job", must(e.s.Erasure(e.ctx, e.org, job.ID))(e), job)
		e.same("of ben", inTx(e, func(tx parley.Tx) (*parley.Erasure, error) { return tx.ErasureOf(e.org, "ben") }), job)
		_, err := e.s.Erasure(e.ctx, e.other, job.ID)
		e.fails(err, parley.ErrNotFound)

		job.Phase, job.At, job.Step, job.Whole, job.Seq, job.Messages = parley.EraseConversations, newConversationID(), 2, true, 7, 9
		e.update(func(tx parley.Tx) error { return tx.UpdateErasure(job) })
		e.same("held", inTx(e, func(tx parley.Tx) (*parley.Erasure, error) { return tx.Erasure(e.org, job.ID) }), job)
		e.same("under way", e.openErasures(), []parley.Erasure{*job})
		job.Phase, job.EndedAt = parley.EraseDone, at(2)
		e.update(func(tx parley.Tx) error { return tx.UpdateErasure(job) })
		e.same("under way", len(e.openErasures()), 0)
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.ErasureOf(e.org, "ben"); return err })
		e.update(func(tx parley.Tx) error { return tx.InsertErasure(&again) })
	}},
	{"an account goes with its logins, which are revoked", func(e *env) {
		u := newUser(e.org, "ben")
		e.ok(e.s.InsertUser(e.ctx, u, "Ben"))
		l := newLogin(e.org, "ben", 1)
		e.ok(e.s.InsertLogin(e.ctx, l, u.Password, 9))
		e.ok(e.s.UpdateProfile(e.ctx, &parley.Principal{Org: e.org, ID: u.ID, Kind: parley.KindUser}, func(p *parley.Profile) { p.Bio = "b" }))
		e.update(func(tx parley.Tx) error {
			_, err := tx.SetBlock(&parley.Block{Org: e.org, Owner: u.ID, Blocked: "ann", At: at(1)}, true)
			return err
		})
		e.update(func(tx parley.Tx) error { return tx.EraseAccount(e.org, u.ID, at(5)) })
		_, err := e.s.User(e.ctx, e.org, u.ID)
		e.fails(err, parley.ErrNotFound)
		_, err = e.s.Login(e.ctx, l.ID)
		e.fails(err, parley.ErrNotFound)
		revoked := false
		for _, r := range must(e.s.Revocations(e.ctx, at(5)))(e) {
			revoked = revoked || r.Org == e.org && r.Credential == l.ID
		}
		e.same("revoked", revoked, true)
		e.same("blocks", len(must(e.s.Blocks(e.ctx, e.org, u.ID))(e)), 0)
		persons := must(e.s.Persons(e.ctx, e.org, []parley.PrincipalID{u.ID}))(e)
		e.same("person", persons, []parley.Person{{Org: e.org, ID: u.ID, Kind: parley.KindUser}})
	}},
	{"what somebody left behind is found", func(e *env) {
		c, d := e.conversation("ann", "ben"), e.conversation("ben")
		e.conversation("ann")
		first := e.post(c, "ben")
		e.post(c, "ann")
		second := e.post(c, "ben")
		quoted := e.postAs(d, "ann", func(m *parley.Message) {
			m.Forwarded, m.Source = true, &parley.Source{Conversation: c.ID, Message: first.ID, Sender: "ben", SenderName: "B\x00"}
		})
		r := parley.Reaction{Conversation: c.ID, Message: first.ID, Seq: first.Seq, Principal: "ben", Emoji: "👍", At: at(3)}
		e.update(func(tx parley.Tx) error { _, err := tx.SetReaction(e.org, &r, true); return err })
		e.update(func(tx parley.Tx) error {
			ids := must(tx.ConversationsEver(e.org, "ben", parley.ConversationID{}, 9))(e)
			e.same("conversations", ids, []parley.ConversationID{c.ID, d.ID})
			e.same("after the first", must(tx.ConversationsEver(e.org, "ben", c.ID, 9))(e), []parley.ConversationID{d.ID})
			e.same("his", must(tx.MessagesBy(e.org, c.ID, "ben", 0, 9))(e), []parley.Message{*first, *second})
			e.same("his after", must(tx.MessagesBy(e.org, c.ID, "ben", first.Seq, 9))(e), []parley.Message{*second})
			e.same("everybody's", len(must(tx.MessagesBy(e.org, c.ID, "", first.Seq, 9))(e)), 2)
			e.same("first said by him", must(tx.MessagesFrom(e.org, "ben", 9))(e), []parley.Message{*quoted})
			e.same("reactions", must(tx.ReactionsBy(e.org, c.ID, "ben", 9))(e), []parley.Reaction{r})
			e.same("shared", must(tx.SharedWith(e.org, c.ID, "ben"))(e), true)
			e.same("alone", must(tx.SharedWith(e.org, d.ID, "ben"))(e), false)
			return nil
		})
		quoted.Empty()
		e.update(func(tx parley.Tx) error { return tx.UpdateMessage(quoted, e.org) })
		e.update(func(tx parley.Tx) error {
			e.same("first said by him", len(must(tx.MessagesFrom(e.org, "ben", 9))(e)), 0)
			return nil
		})
	}},
	{"a member is forgotten but for its stays", func(e *env) {
		c := e.conversation("ann", "ben")
		for _, who := range []parley.PrincipalID{"ann", "ben"} {
			e.update(func(tx parley.Tx) error {
				if _, err := tx.HideMessage(e.org, c.ID, who, 1); err != nil {
					return err
				}
				return tx.SetMemberState(&parley.MemberState{Org: e.org, Conversation: c.ID, Principal: who, ReadSeq: 3, DeliveredSeq: 3})
			})
		}
		e.update(func(tx parley.Tx) error { return tx.EraseMember(e.org, c.ID, "ben") })
		stays := must(e.s.Stays(e.ctx, e.org, c.ID))(e)
		e.same("names", []string{stays[0].Name, stays[1].Name}, []string{"N. ann", ""})
		e.same("receipts", len(must(e.s.Receipts(e.ctx, e.org, c.ID))(e)), 1)
		e.same("hidden from ben", len(must(e.s.Hidden(e.ctx, e.org, c.ID, "ben", 0, 9))(e)), 0)
		e.same("hidden from ann", len(must(e.s.Hidden(e.ctx, e.org, c.ID, "ann", 0, 9))(e)), 1)
	}},
}}

// openErasures lists those of this case's org.
func (e *env) openErasures() (list []parley.Erasure) {
	e.Helper()
	for _, job := range must(e.s.OpenErasures(e.ctx, 100))(e) {
		if job.Org == e.org {
			list = append(list, job)
		}
	}
	return list
}
