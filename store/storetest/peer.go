package storetest

import "github.com/parley-chat/parley"

const anyNumber = 1 << 20 // of members

var peerCases = group{"peers", []testCase{
	{"those in the same conversations are listed once, in order, with the newest of them", func(e *env) {
		e.conversation("ben", "ann", "cat")
		second := e.conversation("ann", "dan")
		third := e.conversation("ann", "ben")
		e.conversation("ben", "eve") // none of ann's
		got := e.peers("ann", anyNumber, "", 10)
		e.same("peers", names(got), []parley.PrincipalID{"ben", "cat", "dan"})
		e.same("shared with ben", got[0].Shared, third.ID)
		e.same("shared with dan", got[2].Shared, second.ID)
	}},
	{"pages follow one another in the byte order of ids", func(e *env) {
		e.conversation("ann", "Zoe", "ben", "\u00e4rger", "b-1", "b_1", "bEn")
		var walked []parley.PrincipalID
		for after := parley.PrincipalID(""); ; after = walked[len(walked)-1] {
			page := e.peers("ann", anyNumber, after, 2)
			walked = append(walked, names(page)...)
			if len(page) < 2 {
				break
			}
		}
		e.same("peers", walked, []parley.PrincipalID{"Zoe", "b-1", "bEn", "b_1", "ben", "\u00e4rger"})
	}},
	{"only open stays on both sides count", func(e *env) {
		c := e.conversation("ann", "ben", "cat")
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "cat", 2, 0) })
		e.same("peers of ann", names(e.peers("ann", anyNumber, "", 10)), []parley.PrincipalID{"ben"})
		e.same("peers of who left", len(e.peers("cat", anyNumber, "", 10)), 0)
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
		e.same("peers", names(e.peers("ann", anyNumber, "", 10)), []parley.PrincipalID{"cat"})
	}},
	{"a conversation with too many members does not count", func(e *env) {
		e.conversation("ann", "ben", "cat")
		e.conversation("ann", "dan")
		e.same("two at most", names(e.peers("ann", 2, "", 10)), []parley.PrincipalID{"dan"})
		e.same("three at most", names(e.peers("ann", 3, "", 10)), []parley.PrincipalID{"ben", "cat", "dan"})
	}},
	{"of nobody, or in another org, there are none", func(e *env) {
		e.conversation("ann", "ben")
		e.same("of nobody", len(e.peers("nobody", anyNumber, "", 10)), 0)
		got, err := e.s.Peers(e.ctx, e.other, "ann", anyNumber, "", 10)
		e.ok(err)
		e.same("elsewhere", len(got), 0)
	}},
}}

func (e *env) peers(of parley.PrincipalID, members int, after parley.PrincipalID, limit int) []parley.Peer {
	e.Helper()
	return must(e.s.Peers(e.ctx, e.org, of, members, after, limit))(e)
}

func names(peers []parley.Peer) []parley.PrincipalID {
	list := []parley.PrincipalID{}
	for _, p := range peers {
		list = append(list, p.Principal)
	}
	return list
}
