package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley"
)

// What a store makes of words beyond letters and digits of one case and script
// (accents, scripts without spaces) is its own.
var searchCases = group{"search", []testCase{
	{"messages that hold all words are found, the newest first", func(e *env) {
		c := e.conversation("ann")
		all := e.write(c, "ben", "the quick brown fox", "a brown dog", "Quick! Foxes are BROWN.", "nothing")
		e.found(parley.SearchQuery{Principal: "ann", Text: "quick brown"}, all[2], all[0])
		e.found(parley.SearchQuery{Principal: "ann", Text: "BROWN"}, all[2], all[1], all[0])
		e.found(parley.SearchQuery{Principal: "ann", Text: "brown cat"})
	}},
	{"the last word may be the beginning of one, the others may not", func(e *env) {
		c := e.conversation("ann")
		all := e.write(c, "ben", "parley with the others", "parleys", "par")
		e.found(parley.SearchQuery{Principal: "ann", Text: "parl"}, all[1], all[0])
		e.found(parley.SearchQuery{Principal: "ann", Text: "oth parley"})
		e.found(parley.SearchQuery{Principal: "ann", Text: "with par"}, all[0])
	}},
	{"what is no word is a space, and no query is an error", func(e *env) {
		c := e.conversation("ann")
		m := e.write(c, "ben", "say well-known, don't AND OR NOT it 100%")[0]
		for _, text := range []string{"well known", "well-known", `"well"`, "don't", "known*", "(say", "it:100", "AND", "or not", "100%", `it' OR '1'='1`} {
			if strings.Contains(text, "1'='1") {
				e.found(parley.SearchQuery{Principal: "ann", Text: text})
				continue
			}
			e.found(parley.SearchQuery{Principal: "ann", Text: text}, m)
		}
		for _, text := range []string{"", " ", "?!", "\x00", `"`, "*", "' \\ ; --", "\u00a7"} {
			e.found(parley.SearchQuery{Principal: "ann", Text: text})
		}
	}},
	{"letters of every script are words", func(e *env) {
		c := e.conversation("ann")
		m := e.write(c, "ben", "Ёлка über straße")[0]
		for _, text := range []string{"ёлка", "über", "ÜBER STRASS", "stra"} {
			want := []*parley.Message{m}
			if text == "ÜBER STRASS" { // ß is a letter of its own
				want = nil
			}
			e.found(parley.SearchQuery{Principal: "ann", Text: text}, want...)
		}
	}},
	{"one conversation may be asked for, up to a place", func(e *env) {
		c, d := e.conversation("ann"), e.conversation("ann")
		var mine []*parley.Message
		for range 3 {
			mine = append(mine, e.write(c, "ben", "needle")...)
			e.write(d, "ben", "needle")
		}
		ask := func(before uint64, want ...*parley.Message) {
			e.Helper()
			e.found(parley.SearchQuery{Principal: "ann", Text: "needle", Conversation: c.ID, BeforeSeq: before}, want...)
		}
		ask(0, mine[2], mine[1], mine[0])
		ask(3, mine[1], mine[0])
		ask(1)
		ask(9, mine[2], mine[1], mine[0])
		e.found(parley.SearchQuery{Principal: "ann", Text: "needle", Conversation: newConversationID()})
	}},
	{"only what a stay covers is found, an ended one too", func(e *env) {
		c, theirs := e.conversation("ben"), e.conversation("ben")
		e.write(theirs, "ben", "needle")
		e.write(c, "ben", "needle")
		stay := newStay(c, "ann", 3)
		stay.FromSeq = 2
		e.update(func(tx parley.Tx) error { return tx.InsertMember(stay) })
		heard := e.write(c, "ben", "needle")[0]
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, c.ID, "ann", 5, 2) })
		e.write(c, "ben", "needle")
		for _, id := range []parley.ConversationID{c.ID, {}} {
			e.found(parley.SearchQuery{Principal: "ann", Text: "needle", Conversation: id}, heard)
			e.found(parley.SearchQuery{Principal: "eve", Text: "needle", Conversation: id})
		}
		back := newStay(c, "ann", 7)
		back.FromSeq = 4
		e.update(func(tx parley.Tx) error { return tx.InsertMember(back) })
		e.found(parley.SearchQuery{Principal: "ann", Text: "needle"}, e.write(c, "ben", "needle")[0], heard)
	}},
	{"another org's are not found", func(e *env) {
		c := e.conversation("ann")
		e.write(c, "ben", "needle")
		got, next, err := e.s.Search(e.ctx, parley.SearchQuery{Org: e.other, Principal: "ann", Text: "needle"})
		e.ok(err)
		e.same("found", []any{len(got), next}, []any{0, ""})
	}},
	{"what was edited is found by what it says now", func(e *env) {
		c := e.conversation("ann")
		m := e.write(c, "ben", "before")[0]
		e.change(m, func(m *parley.Message) { m.Content = "after" })
		e.found(parley.SearchQuery{Principal: "ann", Text: "before"})
		e.found(parley.SearchQuery{Principal: "ann", Text: "after"}, m)
	}},
	{"what was deleted is not found, what is empty neither", func(e *env) {
		c := e.conversation("ann")
		m := e.write(c, "ben", "needle", "")[0]
		e.remove(m)
		e.found(parley.SearchQuery{Principal: "ann", Text: "needle"})
	}},
	{"what one transaction stored and changed is found as it is in the end", func(e *env) {
		c := e.conversation("ann")
		m := newMessage(c.ID, 1, "ben")
		gone := newMessage(c.ID, 2, "ben")
		e.update(func(tx parley.Tx) error {
			m.Content, gone.Content = "one", "one"
			if err := errors.Join(tx.InsertMessage(m, e.org), tx.InsertMessage(gone, e.org)); err != nil {
				return err
			}
			m.Content, gone.Content, gone.Deleted = "two", "", true
			return errors.Join(tx.UpdateMessage(m, e.org), tx.UpdateMessage(gone, e.org))
		})
		e.found(parley.SearchQuery{Principal: "ann", Text: "one"})
		e.found(parley.SearchQuery{Principal: "ann", Text: "two"}, m)
	}},
	{"what was taken back is not found", func(e *env) {
		c := e.conversation("ann")
		m := e.write(c, "ben", "needle")[0]
		err := e.s.Update(e.ctx, func(tx parley.Tx) error {
			changed := *m
			changed.Content = "thread"
			if err := tx.UpdateMessage(&changed, e.org); err != nil {
				return err
			}
			if _, err := postAs(tx, e.org, c.ID, "ben", func(m *parley.Message) { m.Content = "thread" }); err != nil {
				return err
			}
			return errBoom
		})
		e.fails(err, errBoom)
		e.found(parley.SearchQuery{Principal: "ann", Text: "thread"})
		e.found(parley.SearchQuery{Principal: "ann", Text: "needle"}, m)
		e.found(parley.SearchQuery{Principal: "ann", Text: "e"}, e.write(c, "ben", "else")[0])
	}},
	{"a snippet marks the words found", func(e *env) {
		c := e.conversation("ann")
		e.write(c, "ben", "The Quick brown foxes.", strings.Repeat("word ", 200)+"needle "+strings.Repeat("word ", 200))
		snippet := func(text string) string {
			got, _, err := e.s.Search(e.ctx, parley.SearchQuery{Org: e.org, Principal: "ann", Text: text})
			e.ok(err)
			e.same("hits", len(got), 1)
			return got[0].Snippet
		}
		e.same("of two words", snippet("quick fox"), "The \x02Quick\x03 brown \x02foxes\x03.")
		long := snippet("needle")
		e.same("of a long text, marks it", strings.Contains(long, "\x02needle\x03"), true)
		e.same("of a long text, is short", len(long) < 500, true)
	}},
	{"pages follow one another without gap or repeat", searchPages},
}}

// searchPages walks hits in many conversations, half of them another's, by pages of
// 1 to 4.
func searchPages(e *env) {
	var want []uint64
	for i := range 140 { // more than are asked for one by one
		who := []parley.PrincipalID{"ann", "eve"}[i%2]
		c := e.conversation(who)
		m := e.postAs(c, "ben", func(m *parley.Message) { m.Content, m.TaskID = "needle", fmt.Sprint(i) })
		if who == "ann" {
			want = append([]uint64{uint64(i)}, want...)
		}
		e.same("seq", m.Seq, uint64(1))
	}
	for limit := 1; limit <= 4; limit++ {
		var got []uint64
		for page := (parley.Page{Limit: limit}); ; {
			hits, next, err := e.s.Search(e.ctx, parley.SearchQuery{Org: e.org, Principal: "ann", Text: "needle", Page: page})
			e.ok(err)
			if len(hits) > limit || len(got) > len(want) {
				e.Fatalf("%d hits by %d, %d so far", len(hits), limit, len(got))
			}
			for _, h := range hits {
				var n uint64
				_, err := fmt.Sscan(h.Message.TaskID, &n)
				e.ok(err)
				got = append(got, n)
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			e.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	_, _, err := e.s.Search(e.ctx, parley.SearchQuery{Org: e.org, Principal: "ann", Text: "needle", Page: parley.Page{Cursor: "?"}})
	e.same("a cursor from elsewhere is refused", errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}), true)
}

// write posts texts.
func (e *env) write(c *parley.Conversation, sender parley.PrincipalID, texts ...string) (all []*parley.Message) {
	e.Helper()
	for _, text := range texts {
		all = append(all, e.postAs(c, sender, func(m *parley.Message) { m.Content = text }))
	}
	return all
}

// found asserts what a query finds, in order.
func (e *env) found(q parley.SearchQuery, want ...*parley.Message) {
	e.Helper()
	q.Org = e.org
	var got []parley.Message
	for {
		hits, next, err := e.s.Search(e.ctx, q)
		if err != nil {
			e.Fatalf("search of %q: %v", q.Text, err)
		}
		for _, h := range hits {
			got = append(got, h.Message)
		}
		if q.Page.Cursor = next; next == "" {
			break
		}
	}
	e.same(fmt.Sprintf("messages found by %q", q.Text), len(got), len(want))
	for i := range want {
		e.same(fmt.Sprintf("message %d found by %q", i, q.Text), &got[i], want[i])
	}
}
