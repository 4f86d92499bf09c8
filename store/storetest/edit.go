package storetest

import "github.com/parley-chat/parley"

var editCases = group{"messages that change", []testCase{
	{"one is found by its id in its own org", func(e *env) {
		c := e.conversation()
		m := e.post(c, "ann")
		e.same("by the reader", must(e.s.Message(e.ctx, e.org, m.ID))(e), m)
		e.same("in a transaction", inTx(e, func(tx parley.Tx) (*parley.Message, error) { return tx.Message(e.org, m.ID) }), m)
		for org, id := range map[parley.OrgID]parley.MessageID{e.org: newMessageID(), e.other: m.ID} {
			_, err := e.s.Message(e.ctx, org, id)
			e.fails(err, parley.ErrNotFound)
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Message(org, id); return err })
		}
	}},
	{"an id is taken once in an org", func(e *env) {
		c := e.conversation()
		m := e.post(c, "ann")
		again := *m
		again.Seq++
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertMessage(&again, e.org) })
	}},
	{"an update writes what may change and nothing else", func(e *env) {
		c := e.conversation()
		m := e.post(c, "ann")
		other := e.post(c, "ben")
		e.update(func(tx parley.Tx) error {
			got, err := tx.Message(e.org, m.ID)
			if err != nil {
				return err
			}
			got.Content, got.ContentMeta, got.EditedAt, got.EditCount, got.ChangeSeq = "new", `{"k":2}`, at(9), 2, 1<<40
			got.Sender, got.ContentType = "eve", "image"
			return tx.UpdateMessage(got, e.org)
		})
		m.Content, m.ContentMeta, m.EditedAt, m.EditCount, m.ChangeSeq = "new", `{"k":2}`, at(9), 2, 1<<40
		e.same("messages", e.messages(c), []parley.Message{*m, *other})
	}},
	{"a deleted one keeps its place and loses what it said", func(e *env) {
		c := e.conversation()
		m := newMessage(c.ID, 1, "ann")
		m.Source = &parley.Source{Conversation: newConversationID(), Message: newMessageID(), Sender: "eve", SenderName: "Eve"}
		e.update(func(tx parley.Tx) error { return tx.InsertMessage(m, e.org) })
		m.Content, m.ContentMeta, m.Source, m.Deleted, m.ChangeSeq = "", "", nil, true, 5
		e.update(func(tx parley.Tx) error { return tx.UpdateMessage(m, e.org) })
		e.same("messages", e.messages(c), []parley.Message{*m})
		e.same("by its id", must(e.s.Message(e.ctx, e.org, m.ID))(e), m)
	}},
	{"one that does not exist, or is another org's, cannot be updated", func(e *env) {
		m := e.post(e.conversation(), "ann")
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.UpdateMessage(m, e.other) })
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.UpdateMessage(newMessage(m.Conversation, 9, "ann"), e.org) })
	}},
	{"what it said before is kept in order, until it is let go", func(e *env) {
		c := e.conversation()
		m, other := e.post(c, "ann"), e.post(c, "ann")
		first := parley.Edit{Conversation: c.ID, Message: m.ID, Number: 0, Content: "ä", ContentMeta: "{}", At: at(1), ChangeSeq: 2}
		second := parley.Edit{Conversation: c.ID, Message: m.ID, Number: 1, Content: "b", At: at(2), ChangeSeq: 1 << 40}
		theirs := parley.Edit{Conversation: c.ID, Message: other.ID, Content: "c", At: at(3), ChangeSeq: 3}
		for _, edit := range []*parley.Edit{&second, &first, &theirs} {
			e.update(func(tx parley.Tx) error { return tx.InsertEdit(e.org, edit) })
		}
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertEdit(e.org, &second) })
		e.same("edits", must(e.s.Edits(e.ctx, e.org, c.ID, m.ID, 0, 0))(e), []parley.Edit{first, second})
		e.update(func(tx parley.Tx) error {
			e.same("their changes", must(tx.EditChanges(e.org, c.ID, m.ID))(e), []uint64{2, 1 << 40})
			return nil
		})
		e.same("the first", must(e.s.Edits(e.ctx, e.org, c.ID, m.ID, 0, 1))(e), []parley.Edit{first})
		e.same("from the second on", must(e.s.Edits(e.ctx, e.org, c.ID, m.ID, 1, 5))(e), []parley.Edit{second})
		e.same("after the last", len(must(e.s.Edits(e.ctx, e.org, c.ID, m.ID, 2, 5))(e)), 0)
		e.same("in another org", len(must(e.s.Edits(e.ctx, e.other, c.ID, m.ID, 0, 0))(e)), 0)
		e.update(func(tx parley.Tx) error { return tx.DeleteEdits(e.org, c.ID, m.ID) })
		e.same("edits", len(must(e.s.Edits(e.ctx, e.org, c.ID, m.ID, 0, 0))(e)), 0)
		e.same("the other's", must(e.s.Edits(e.ctx, e.org, c.ID, other.ID, 0, 0))(e), []parley.Edit{theirs})
	}},
}}

// messages reads a whole conversation.
func (e *env) messages(c *parley.Conversation) []parley.Message {
	e.Helper()
	return must(e.s.Messages(e.ctx, e.org, c.ID, 0, 0, 1000, false))(e)
}

// change stores what fn makes of a message.
func (e *env) change(m *parley.Message, fn func(m *parley.Message)) {
	e.Helper()
	fn(m)
	e.update(func(tx parley.Tx) error { return tx.UpdateMessage(m, e.org) })
}

// remove deletes a message for everyone.
func (e *env) remove(m *parley.Message) {
	e.Helper()
	e.change(m, func(m *parley.Message) { m.Content, m.ContentMeta, m.Deleted = "", "", true })
}
