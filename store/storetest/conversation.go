package storetest

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

var conversationCases = group{"conversations", []testCase{
	{"all fields come back", func(e *env) {
		c := &parley.Conversation{
			Org: e.org, ID: newConversationID(), Kind: parley.KindAgentDirect, Title: "Über uns", Description: "two\nlines",
			CreatedBy: "ann", Status: parley.StatusClosed, SharedHistory: true, PairKey: "ann|bot", Seq: 7, ChangeSeq: 9,
			CreatedAt: at(1), LastActivity: at(2),
		}
		e.update(func(tx parley.Tx) error { return tx.InsertConversation(c) })
		e.same("by the reader", must(e.s.Conversation(e.ctx, e.org, c.ID))(e), c)
		byID := inTx(e, func(tx parley.Tx) (*parley.Conversation, error) { return tx.Conversation(e.org, c.ID) })
		e.same("in a transaction", byID, c)
	}},
	{"one that does not exist, or is another org's, is not found", func(e *env) {
		c := e.conversation()
		_, err := e.s.Conversation(e.ctx, e.org, newConversationID())
		e.fails(err, parley.ErrNotFound)
		_, err = e.s.Conversation(e.ctx, e.other, c.ID)
		e.fails(err, parley.ErrNotFound)
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Conversation(e.org, newConversationID()); return err })
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Conversation(e.other, c.ID); return err })
	}},
	{"one is found by its pair in its own org", func(e *env) {
		c := newConversation(e.org)
		c.PairKey = "ann|ben"
		byPair := func(org parley.OrgID, pair string) func(parley.Tx) error {
			return func(tx parley.Tx) error {
				got, err := tx.ConversationByPair(org, pair)
				if err == nil && got.ID != c.ID {
					err = fmt.Errorf("found %s, want %s", got.ID, c.ID)
				}
				return err
			}
		}
		e.refused(parley.ErrNotFound, byPair(e.org, c.PairKey))
		e.update(func(tx parley.Tx) error { return tx.InsertConversation(c) })
		e.update(byPair(e.org, c.PairKey))
		e.refused(parley.ErrNotFound, byPair(e.org, "ann|cat"))
		e.refused(parley.ErrNotFound, byPair(e.other, c.PairKey))
	}},
	{"a pair is taken once in an org", func(e *env) {
		insert := func(org parley.OrgID, pair string) func(parley.Tx) error {
			c := newConversation(org)
			c.PairKey = pair
			return func(tx parley.Tx) error { return tx.InsertConversation(c) }
		}
		e.update(insert(e.org, "ann|ben"))
		e.refused(parley.ErrConflict, insert(e.org, "ann|ben"))
		e.update(insert(e.other, "ann|ben"))
	}},
	{"those without a pair are no conflict", func(e *env) {
		e.conversation()
		e.conversation()
	}},
	{"an update writes what may change and nothing else", func(e *env) {
		c := newConversation(e.org)
		c.PairKey = "ann|ben"
		e.update(func(tx parley.Tx) error { return tx.InsertConversation(c) })
		e.update(func(tx parley.Tx) error {
			got, err := tx.Conversation(e.org, c.ID)
			if err != nil {
				return err
			}
			got.Title, got.Description, got.Status = "t", "d", parley.StatusDeleted
			got.Seq, got.ChangeSeq, got.LastActivity = 1<<40, 1<<41, at(30)
			return tx.UpdateConversation(got)
		})
		c.Title, c.Description, c.Status = "t", "d", parley.StatusDeleted
		c.Seq, c.ChangeSeq, c.LastActivity = 1<<40, 1<<41, at(30)
		e.same("conversation", must(e.s.Conversation(e.ctx, e.org, c.ID))(e), c)
	}},
	{"one may be stored and updated in one transaction", func(e *env) {
		c := newConversation(e.org)
		e.update(func(tx parley.Tx) error {
			if err := tx.InsertConversation(c); err != nil {
				return err
			}
			c.ChangeSeq = 4
			return tx.UpdateConversation(c)
		})
		e.same("conversation", must(e.s.Conversation(e.ctx, e.org, c.ID))(e), c)
	}},
}}

var listCases = group{"conversations of a principal", []testCase{
	{"the latest activity comes first", func(e *env) {
		var want []parley.Conversation
		for i := range 3 {
			want = append([]parley.Conversation{*e.active(at(i), "ann")}, want...)
		}
		got, next, err := e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{})
		e.ok(err)
		e.same("list", got, want)
		e.same("next", next, "")
	}},
	{"only open stays count, and deleted conversations do not", func(e *env) {
		left, deleted, closed := e.active(at(1), "ann"), e.active(at(2), "ann"), e.active(at(3), "ann")
		e.active(at(4), "ben")
		e.update(func(tx parley.Tx) error {
			deleted.Status, closed.Status = parley.StatusDeleted, parley.StatusClosed
			if err := tx.UpdateConversation(deleted); err != nil {
				return err
			}
			if err := tx.UpdateConversation(closed); err != nil {
				return err
			}
			return tx.EndMember(e.org, left.ID, "ann", 2, 0)
		})
		got, _, err := e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{})
		e.ok(err)
		e.same("list", got, []parley.Conversation{*closed})
	}},
	{"who came back is listed once", func(e *env) {
		c := e.active(at(1), "ann")
		e.update(func(tx parley.Tx) error {
			if err := tx.EndMember(e.org, c.ID, "ann", 2, 0); err != nil {
				return err
			}
			return tx.InsertMember(newStay(c, "ann", 3))
		})
		got, _, err := e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{})
		e.ok(err)
		e.same("list", got, []parley.Conversation{*c})
	}},
	{"of nobody, or in another org, there are none", func(e *env) {
		e.active(at(1), "ann")
		for org, who := range map[parley.OrgID]parley.PrincipalID{e.org: "nobody", e.other: "ann"} {
			got, next, err := e.s.ConversationsOf(e.ctx, org, who, parley.Page{})
			e.ok(err)
			e.same("list", len(got), 0)
			e.same("next", next, "")
		}
	}},
	{"pages follow one another without gap or repeat", listPages},
	{"a page without a limit has 100", func(e *env) {
		e.update(func(tx parley.Tx) error {
			for range 101 {
				c := newConversation(e.org)
				if err := tx.InsertConversation(c); err != nil {
					return err
				}
				if err := tx.InsertMember(newStay(c, "ann", 1)); err != nil {
					return err
				}
			}
			return nil
		})
		got, next, err := e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{})
		e.ok(err)
		e.same("rows", len(got), 100)
		got, next, err = e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{Cursor: next})
		e.ok(err)
		e.same("rows of the second", len(got), 1)
		e.same("next", next, "")
	}},
}}

// active stores a conversation with one member and a time of last activity.
func (e *env) active(when time.Time, who parley.PrincipalID) *parley.Conversation {
	e.Helper()
	c := newConversation(e.org)
	c.LastActivity = when
	e.update(func(tx parley.Tx) error {
		if err := tx.InsertConversation(c); err != nil {
			return err
		}
		return tx.InsertMember(newStay(c, who, 1))
	})
	return c
}

// listPages walks lists of 0 to 6 conversations, some of the same moment, in pages
// of 1 to 4.
func listPages(e *env) {
	for n := range 7 {
		if n > 0 {
			e.active(at(n/2), "ann")
		}
		all, _, err := e.s.ConversationsOf(e.ctx, e.org, "ann", parley.Page{})
		e.ok(err)
		e.same("rows", len(all), n)
		for limit := 1; limit <= 4; limit++ {
			var walked []parley.Conversation
			pages, page := 0, parley.Page{Limit: limit}
			for done := false; !done; pages++ {
				got, next, err := e.s.ConversationsOf(e.ctx, e.org, "ann", page)
				e.ok(err)
				walked = append(walked, got...)
				page.Cursor, done = next, next == "" || pages > n
			}
			e.same(fmt.Sprintf("%d rows by %d", n, limit), walked, all)
			e.same("pages", pages, max(1, (n+limit-1)/limit))
		}
	}
}
