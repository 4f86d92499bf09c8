package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley"
)

var messageCases = group{"messages", []testCase{
	{"all fields come back", func(e *env) {
		c := e.conversation()
		m := &parley.Message{
			ID: newMessageID(), Conversation: c.ID, Seq: 1, Sender: "ann", SenderKind: parley.KindUser, SenderName: "Änn",
			Content: "a\u2028b \"c\" \U0001f642", ContentType: "file", ContentMeta: `{"k":1}`, ReplyTo: newMessageID(),
			ThreadID: newMessageID(), ThreadRole: "aside", TaskID: "task_1", ClientMsgID: "c-1", CreatedAt: at(1),
			EditedAt: at(2), EditCount: 3, Internal: true, Forwarded: true, Deleted: true, Origin: "conn-1",
			Run: &parley.RunRef{ID: newRunID(), Status: parley.RunInterrupted, After: 12}, ChangeSeq: 1 << 40,
			Source: &parley.Source{Conversation: newConversationID(), Message: newMessageID(), Sender: "eve", SenderName: "Eve"},
		}
		plain := newMessage(c.ID, 2, "ben")
		e.update(func(tx parley.Tx) error {
			if err := tx.InsertMessage(m, e.org); err != nil {
				return err
			}
			return tx.InsertMessage(plain, e.org)
		})
		e.same("messages", must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 10, false))(e), []parley.Message{*m, *plain})
		got := inTx(e, func(tx parley.Tx) (*parley.Message, error) { return tx.MessageByClientID(e.org, c.ID, "ann", "c-1") })
		e.same("by client id", got, m)
	}},
	{"a long text comes back whole", func(e *env) {
		c := e.conversation()
		m := newMessage(c.ID, 1, "ann")
		m.Content = strings.Repeat("€", 64<<10/3)
		e.update(func(tx parley.Tx) error { return tx.InsertMessage(m, e.org) })
		e.same("messages", must(e.s.Messages(e.ctx, e.org, c.ID, 1, 1, 1, false))(e), []parley.Message{*m})
	}},
	{"a seq is taken once in a conversation", func(e *env) {
		c, d := e.conversation(), e.conversation()
		insert := func(id parley.ConversationID) func(parley.Tx) error {
			return func(tx parley.Tx) error { return tx.InsertMessage(newMessage(id, 1, "ann"), e.org) }
		}
		e.update(insert(c.ID))
		e.refused(parley.ErrConflict, insert(c.ID))
		e.update(insert(d.ID))
	}},
	{"a client id is taken once by a sender in a conversation", func(e *env) {
		c, d := e.conversation(), e.conversation()
		seq := uint64(0)
		insert := func(id parley.ConversationID, sender parley.PrincipalID, client string) func(parley.Tx) error {
			seq++
			m := newMessage(id, seq, sender)
			m.ClientMsgID = client
			return func(tx parley.Tx) error { return tx.InsertMessage(m, e.org) }
		}
		e.update(insert(c.ID, "ann", "x"))
		e.refused(parley.ErrConflict, insert(c.ID, "ann", "x"))
		e.update(insert(c.ID, "ann", "y"))
		e.update(insert(c.ID, "ben", "x"))
		e.update(insert(d.ID, "ann", "x"))
		e.update(insert(c.ID, "ann", ""))
		e.update(insert(c.ID, "ann", ""))
	}},
	{"what was not sent under a client id is not found", func(e *env) {
		c, d := e.conversation(), e.conversation()
		m := newMessage(c.ID, 1, "ann")
		m.ClientMsgID = "x"
		e.update(func(tx parley.Tx) error { return tx.InsertMessage(m, e.org) })
		find := func(org parley.OrgID, id parley.ConversationID, who parley.PrincipalID, client string) func(parley.Tx) error {
			return func(tx parley.Tx) error { _, err := tx.MessageByClientID(org, id, who, client); return err }
		}
		e.update(find(e.org, c.ID, "ann", "x"))
		e.refused(parley.ErrNotFound, find(e.org, c.ID, "ann", "y"))
		e.refused(parley.ErrNotFound, find(e.org, c.ID, "ben", "x"))
		e.refused(parley.ErrNotFound, find(e.org, d.ID, "ann", "x"))
		e.refused(parley.ErrNotFound, find(e.other, c.ID, "ann", "x"))
	}},
	{"ranges are inclusive, ascending and limited", messageRanges},
}}

func messageRanges(e *env) {
	c := e.conversation()
	e.update(func(tx parley.Tx) error {
		for seq := uint64(1); seq <= 9; seq++ {
			if err := tx.InsertMessage(newMessage(c.ID, seq, "ann"), e.org); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range []struct {
		from, to uint64
		limit    int
		newest   bool
		want     []uint64
	}{
		{0, 0, 20, false, upTo(9)},
		{1, 9, 20, false, upTo(9)},
		{3, 5, 20, false, []uint64{3, 4, 5}},
		{3, 0, 4, false, []uint64{3, 4, 5, 6}},
		{3, 0, 4, true, []uint64{6, 7, 8, 9}},
		{0, 5, 2, true, []uint64{4, 5}},
		{0, 5, 2, false, []uint64{1, 2}},
		{9, 20, 5, false, []uint64{9}},
		{10, 0, 5, false, nil},
		{10, 0, 5, true, nil},
		{5, 3, 5, false, nil},
	} {
		var got []uint64
		for _, m := range must(e.s.Messages(e.ctx, e.org, c.ID, r.from, r.to, r.limit, r.newest))(e) {
			got = append(got, m.Seq)
		}
		if !slices.Equal(got, r.want) {
			e.Errorf("from %d to %d limit %d newest %t: %v, want %v", r.from, r.to, r.limit, r.newest, got, r.want)
		}
	}
	e.same(fmt.Sprintf("messages in %s", e.other), len(must(e.s.Messages(e.ctx, e.other, c.ID, 0, 0, 9, false))(e)), 0)
}
