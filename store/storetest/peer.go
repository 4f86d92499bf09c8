package storetest

import (
	"cmp"
	"slices"

	"github.com/parley-chat/parley"
)

const anyNumber = 1 << 20 // of members

var peerCases = group{"peers", []testCase{
	{"those in the same conversations are listed once, with the newest of them", func(e *env) {
		e.conversation("ben", "ann", "cat")
		second := e.conversation("ann", "dan")
		third := e.conversation("ann", "ben")
		e.conversation("ben", "eve") // none of ann's
		got := e.peers("ann", anyNumber)
		e.same("peers", names(got), []parley.PrincipalID{"ben", "cat", "dan"})
		e.same("shared with ben", got[0].Shared, third.ID)
		e.same("shared with dan", got[2].Shared, second.ID)
	}},
	{"slices are whole conversations, from the newest to the oldest", func(e *env) {
		e.conversation("ann", "ben", "cat", "dan")
		deleted := e.conversation("ann", "fay", "gus")
		e.update(func(tx parley.Tx) error {
			deleted.Status = parley.StatusDeleted
			return tx.UpdateConversation(deleted)
		})
		e.conversation("ann", "ben", "eve")
		e.conversation("ann", "dan")
		slice, next := e.slice("ann", anyNumber, parley.ConversationID{}, 1)
		e.same("the newest", names(slice), []parley.PrincipalID{"dan"})
		slice, next = e.slice("ann", anyNumber, next, 2)
		e.same("the next", names(slice), []parley.PrincipalID{"ben", "eve"})
		e.same("there are more", next.IsZero(), false)
		slice, next = e.slice("ann", anyNumber, next, 1)
		e.same("the oldest", names(slice), []parley.PrincipalID{"ben", "cat", "dan"})
		e.same("there are no more", next.IsZero(), true)
		slice, next = e.slice("ann", anyNumber, parley.ConversationID{}, 10)
		e.same("all at once, each once", names(slice), []parley.PrincipalID{"ben", "cat", "dan", "eve"})
		e.same("there are no more", next.IsZero(), true)
		slice, next = e.slice("ann", 3, parley.ConversationID{}, 5)
		e.same("without the one that has too many", names(slice), []parley.PrincipalID{"ben", "dan", "eve"})
		e.same("there are no more", next.IsZero(), true)
	}},
	{"those asked about are found with the newest that is shared, however many somebody has", func(e *env) {
		first := e.conversation("ann", "ben", "cat")
		for range 101 { // more than are walked for each of the others
			e.conversation("ann", "eve")
		}
		e.conversation("ben", "eve")
		second := e.conversation("ann", "ben")
		e.conversation("ben", "cat")
		got := e.among("ann", anyNumber, "ben", "cat", "nobody", "ann")
		e.same("shared with ann, who has many", got, map[parley.PrincipalID]parley.ConversationID{"ben": second.ID, "cat": first.ID})
		got = e.among("cat", anyNumber, "ann", "eve")
		e.same("shared with cat, who has few", got, map[parley.PrincipalID]parley.ConversationID{"ann": first.ID})
		e.same("in no conversation of three", e.among("cat", 2, "ann"), map[parley.PrincipalID]parley.ConversationID{})
		e.same("about nobody", e.among("ann", anyNumber), map[parley.PrincipalID]parley.ConversationID{})
	}},
	{"only open stays on both sides count", func(e *env) {
		c := e.conversation("ann", "ben", "cat")
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "cat", 2, 0) })
		e.same("peers of ann", names(e.peers("ann", anyNumber)), []parley.PrincipalID{"ben"})
		e.same("peers of who left", len(e.peers("cat", anyNumber)), 0)
	}},
	{"a deleted conversation does not count, a closed one does", func(e *env) {
		deleted, closed := e.conversation("ann", "ben"), e.conversation("ann", "cat")
		e.update(func(tx parley.Tx) error {
			deleted.Status, closed.Status = parley.StatusDeleted, parley.StatusClosed
			if err := tx.UpdateConversation(deleted); err != nil {
				return err
			}
			return tx.UpdateConversation(closed)
		})
		e.same("peers", names(e.peers("ann", anyNumber)), []parley.PrincipalID{"cat"})
	}},
	{"a conversation with too many members does not count", func(e *env) {
		e.conversation("ann", "ben", "cat")
		e.conversation("ann", "dan")
		e.same("two at most", names(e.peers("ann", 2)), []parley.PrincipalID{"dan"})
		e.same("three at most", names(e.peers("ann", 3)), []parley.PrincipalID{"ben", "cat", "dan"})
	}},
	{"of nobody, or in another org, there are none", func(e *env) {
		e.conversation("ann", "ben")
		e.same("of nobody", len(e.peers("nobody", anyNumber)), 0)
		got, _, err := e.s.Peers(e.ctx, e.other, "ann", anyNumber, parley.ConversationID{}, 10)
		e.ok(err)
		e.same("elsewhere", len(got), 0)
		got, err = e.s.PeersAmong(e.ctx, e.other, "ann", anyNumber, []parley.PrincipalID{"ben"})
		e.ok(err)
		e.same("asked about elsewhere", len(got), 0)
	}},
}}

// peers are all of somebody, by their ids.
func (e *env) peers(of parley.PrincipalID, members int) []parley.Peer {
	e.Helper()
	list, next := e.slice(of, members, parley.ConversationID{}, 1000)
	e.same("there are more", !next.IsZero(), false)
	return list
}

func (e *env) slice(
	of parley.PrincipalID, members int, before parley.ConversationID, limit int,
) ([]parley.Peer, parley.ConversationID) {
	e.Helper()
	list, next, err := e.s.Peers(e.ctx, e.org, of, members, before, limit)
	e.ok(err)
	slices.SortFunc(list, func(a, b parley.Peer) int { return cmp.Compare(a.Principal, b.Principal) })
	return list, next
}

func (e *env) among(of parley.PrincipalID, members int, others ...parley.PrincipalID) map[parley.PrincipalID]parley.ConversationID {
	e.Helper()
	found := map[parley.PrincipalID]parley.ConversationID{}
	for _, p := range must(e.s.PeersAmong(e.ctx, e.org, of, members, others))(e) {
		found[p.Principal] = p.Shared
	}
	return found
}

func names(peers []parley.Peer) []parley.PrincipalID {
	list := []parley.PrincipalID{}
	for _, p := range peers {
		list = append(list, p.Principal)
	}
	return list
}
