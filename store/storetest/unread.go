package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/parley-chat/parley"
)

var unreadCases = group{"unread counts", []testCase{
	{"what others said beyond the read place counts", func(e *env) {
		c := e.conversation("ann", "ben")
		e.say(c, "ben", "ann", "ben", "ben")
		e.same("at first", e.unread("ann", c), 3)
		e.read(c, "ann", 1)
		e.same("after reading one", e.unread("ann", c), 2)
		e.read(c, "ann", 4)
		e.same("after reading all", e.unread("ann", c), 0)
		e.same("of ben", e.unread("ben", c), 1)
	}},
	{"what was deleted, for everyone or for oneself, does not count", func(e *env) {
		c := e.conversation("ann", "ben")
		all := e.say(c, "ben", "ben", "ben", "ben")
		e.remove(all[0])
		e.hide(c, "ann", 2)
		e.hide(c, "ben", 3)
		e.same("of ann", e.unread("ann", c), 2)
	}},
	{"nothing up to where the conversation was deleted for oneself counts", func(e *env) {
		c := e.conversation("ann", "ben")
		e.say(c, "ben", "ben", "ben")
		e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: "ann", ReadSeq: 1, DeliveredSeq: 1, HiddenSeq: 2})
		e.same("of ann", e.unread("ann", c), 1)
	}},
	{"whom one blocks does not count, and counts again without the block", func(e *env) {
		c := e.conversation("ann", "ben", "cat")
		e.say(c, "ben", "cat", "ben")
		for _, on := range []bool{true, false} {
			e.update(func(tx parley.Tx) error {
				_, err := tx.SetBlock(&parley.Block{Org: e.org, Owner: "ann", Blocked: "ben", At: at(1)}, on)
				return err
			})
			e.same(fmt.Sprint("of ann, ben is blocked: ", on), e.unread("ann", c), map[bool]int{true: 1, false: 3}[on])
			e.same("of ben", e.unread("ben", c), 1)
		}
	}},
	{"internal messages count for those who hear them, or are asked to", func(e *env) {
		c := e.conversation("ann", "ben")
		boss := newStay(c, "boss", 2)
		boss.Role = parley.RoleOwner
		e.update(func(tx parley.Tx) error { return tx.InsertMember(boss) })
		e.internal(c, "ben")
		e.say(c, "ben")
		e.same("of a member", e.unread("ann", c), 1)
		e.same("of an owner", e.unread("boss", c), 2)
		got, _, err := e.s.Unread(e.ctx, parley.UnreadQuery{
			Org: e.org, Principal: "ann", Conversations: []parley.ConversationID{c.ID}, Internal: true,
		})
		e.ok(err)
		e.same("of a member who may", got[0].Count, 2)
	}},
	{"a message with several reasons not to count is left out once", func(e *env) {
		c := e.conversation("ann", "ben")
		own, hidden, internal := e.say(c, "ann")[0], e.say(c, "ben")[0], e.internal(c, "ben")
		e.say(c, "ben", "ben")
		for _, m := range []*parley.Message{own, hidden, internal} {
			e.remove(m)
			e.hide(c, "ann", m.Seq)
		}
		e.same("of ann", e.unread("ann", c), 2)
	}},
	{"only what a stay covers counts, of older stays too", func(e *env) {
		c := e.conversation("ben")
		e.say(c, "ben", "ben")
		stay := newStay(c, "ann", 4)
		stay.FromSeq = 3
		e.update(func(tx parley.Tx) error { return tx.InsertMember(stay) })
		e.say(c, "ben", "ben", "ben")
		e.same("since the join", e.unread("ann", c), 3)
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ann", 8, 5) })
		e.say(c, "ben", "ben")
		e.same("after leaving", e.unread("ann", c), 3)
		back := newStay(c, "ann", 11)
		back.FromSeq, back.Role = 8, parley.RoleOwner
		e.update(func(tx parley.Tx) error { return tx.InsertMember(back) })
		e.internal(c, "ben")
		e.same("after coming back", e.unread("ann", c), 4)
		e.read(c, "ann", 4)
		e.same("after reading", e.unread("ann", c), 2)
	}},
	{"where two stays cover a message it counts once, and either may hear what is internal", func(e *env) {
		c := e.conversation("ann", "ben")
		e.internal(c, "ben")
		e.say(c, "ben")
		e.update(func(tx parley.Tx) error {
			if err := tx.EndMember(e.org, c.ID, "ann", 3, 2); err != nil {
				return err
			}
			again := newStay(c, "ann", 4)
			again.Role = parley.RoleOwner
			return tx.InsertMember(again)
		})
		e.internal(c, "ben")
		e.same("of ann", e.unread("ann", c), 3)
	}},
	{"those asked for come in their order, without those one was never in", func(e *env) {
		first, second, left, never := e.conversation("ann"), e.conversation("ann", "ben"), e.conversation("ann"), e.conversation("ben")
		e.say(second, "ben", "ben")
		e.read(second, "ann", 1)
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, left.ID, "ann", 2, 0) })
		e.say(left, "ben")
		ids := []parley.ConversationID{second.ID, never.ID, left.ID, newConversationID(), first.ID}
		got, next, err := e.s.Unread(e.ctx, parley.UnreadQuery{Org: e.org, Principal: "ann", Conversations: ids})
		e.ok(err)
		e.same("counts", got, []parley.Unread{{Conversation: second.ID, Count: 1, ReadSeq: 1}, {Conversation: left.ID}, {Conversation: first.ID}})
		e.same("next", next, "")
		got, _, err = e.s.Unread(e.ctx, parley.UnreadQuery{Org: e.other, Principal: "ann", Conversations: ids})
		e.ok(err)
		e.same("in another org", len(got), 0)
	}},
	{"of all, those that are listed and have any, the latest activity first", unreadOfAll},
	{"pages follow one another without gap or repeat", unreadPages},
	{"they are equal to a count of every message, whatever happens", unreadModel},
}}

func unreadOfAll(e *env) {
	none, mine := e.conversation("ann", "ben"), e.conversation("ann", "ben")
	hidden, left, deleted := e.conversation("ann", "ben"), e.conversation("ann", "ben"), e.conversation("ann", "ben")
	first, second := e.conversation("ann", "ben"), e.conversation("ann", "ben")
	e.say(mine, "ann")
	for _, c := range []*parley.Conversation{hidden, left, deleted, none, second} {
		e.say(c, "ben")
	}
	e.say(first, "ben", "ben")
	e.read(none, "ann", 1)
	e.setState(parley.MemberState{Org: e.org, Conversation: hidden.ID, Principal: "ann", HiddenAt: at(1), HiddenSeq: 1})
	e.update(func(tx parley.Tx) error {
		gone, err := tx.Conversation(e.org, deleted.ID)
		if err != nil {
			return err
		}
		gone.Status = parley.StatusDeleted
		if err := tx.UpdateConversation(gone); err != nil {
			return err
		}
		return tx.EndMember(e.org, left.ID, "ann", 3, 1)
	})
	got, next, err := e.s.Unread(e.ctx, parley.UnreadQuery{Org: e.org, Principal: "ann"})
	e.ok(err)
	e.same("counts", got, []parley.Unread{{Conversation: first.ID, Count: 2}, {Conversation: second.ID, Count: 1}})
	e.same("next", next, "")
}

// unreadPages walks lists of up to 5 counts between as many that come to 0, in
// pages of 1 to 6.
func unreadPages(e *env) {
	for n := range 6 {
		if n > 0 {
			e.say(e.conversation("ann", "ben"), "ben")
			e.say(e.conversation("ann", "ben"), "ann")
		}
		for limit := 1; limit <= 6; limit++ {
			seen := map[parley.ConversationID]bool{}
			pages := 0
			for page := (parley.Page{Limit: limit}); ; pages++ {
				got, next, err := e.s.Unread(e.ctx, parley.UnreadQuery{Org: e.org, Principal: "ann", Page: page})
				e.ok(err)
				for _, u := range got {
					e.same("count", u.Count, 1)
					e.same("seen before", seen[u.Conversation], false)
					seen[u.Conversation] = true
				}
				if page.Cursor = next; next == "" || pages > n {
					break
				}
			}
			e.same(fmt.Sprintf("conversations of %d by %d", n, limit), len(seen), n)
			e.same("pages", pages+1, max(1, (n+limit-1)/limit))
		}
	}
	_, _, err := e.s.Unread(e.ctx, parley.UnreadQuery{Org: e.org, Principal: "ann", Page: parley.Page{Cursor: "?"}})
	e.same("a cursor from elsewhere is refused", errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}), true)
}

// unreadModel does many things at random in one conversation and counts what is
// left one by one.
func unreadModel(e *env) {
	const steps = 300
	random := rand.New(rand.NewPCG(7, 11))
	c := e.conversation("ann", "ben", "cat")
	var said []*parley.Message
	hidden, blocked, read := map[uint64]bool{}, map[parley.PrincipalID]bool{}, uint64(0)
	who := []parley.PrincipalID{"ann", "ben", "cat"}
	for range steps {
		switch n := random.IntN(10); {
		case n < 5 || len(said) == 0:
			m := e.say(c, who[random.IntN(3)])[0]
			said = append(said, m)
		case n < 6:
			said = append(said, e.internal(c, who[random.IntN(3)]))
		case n < 7:
			e.remove(said[random.IntN(len(said))])
		case n < 8:
			m := said[random.IntN(len(said))]
			hidden[m.Seq] = true
			e.hide(c, "ann", m.Seq)
		case n < 9:
			p := who[1+random.IntN(2)]
			blocked[p] = !blocked[p]
			e.update(func(tx parley.Tx) error {
				_, err := tx.SetBlock(&parley.Block{Org: e.org, Owner: "ann", Blocked: p, At: at(1)}, blocked[p])
				return err
			})
		default:
			read += uint64(random.IntN(len(said)+1-int(read))) / 4
			e.read(c, "ann", read)
		}
		want := 0
		for _, m := range said {
			if m.Seq > read && m.Sender != "ann" && !m.Deleted && !m.Internal && !hidden[m.Seq] && !blocked[m.Sender] {
				want++
			}
		}
		e.same("unread", e.unread("ann", c), want)
	}
}

// unread is the count of one conversation.
func (e *env) unread(who parley.PrincipalID, c *parley.Conversation) int {
	e.Helper()
	got, _, err := e.s.Unread(e.ctx, parley.UnreadQuery{
		Org: e.org, Principal: who, Conversations: []parley.ConversationID{c.ID},
	})
	e.ok(err)
	e.same("conversations counted", len(got), 1)
	return got[0].Count
}

// say posts a message of each of the senders.
func (e *env) say(c *parley.Conversation, senders ...parley.PrincipalID) (all []*parley.Message) {
	e.Helper()
	for _, who := range senders {
		all = append(all, e.post(c, who))
	}
	return all
}

// internal posts an internal message.
func (e *env) internal(c *parley.Conversation, sender parley.PrincipalID) *parley.Message {
	e.Helper()
	return e.postAs(c, sender, func(m *parley.Message) { m.Internal = true })
}

func (e *env) read(c *parley.Conversation, who parley.PrincipalID, seq uint64) {
	e.Helper()
	e.setState(parley.MemberState{Org: e.org, Conversation: c.ID, Principal: who, ReadSeq: seq, DeliveredSeq: seq})
}

func (e *env) hide(c *parley.Conversation, who parley.PrincipalID, seq uint64) {
	e.Helper()
	e.update(func(tx parley.Tx) error { _, err := tx.HideMessage(e.org, c.ID, who, seq); return err })
}
