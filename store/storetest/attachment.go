package storetest

import (
	"time"

	"github.com/parley-chat/parley"
)

var attachmentCases = group{"attachments", []testCase{
	{"all fields come back", func(e *env) {
		a := newAttachment(e.org, newConversationID(), "ann")
		a.SHA256, a.DueAt = []byte("0123456789abcdef0123456789abcdef"), at(9)
		plain := newAttachment(e.org, a.Conversation, "ann")
		plain.DueAt = time.Time{}
		e.insertAttachments(a, plain)
		for _, want := range []*parley.Attachment{a, plain} {
			e.same("by the reader", must(e.s.Attachment(e.ctx, e.org, want.ID))(e), want)
			e.same("in a transaction", e.attachment(want.ID), want)
		}
	}},
	{"an id is taken once in an org", func(e *env) {
		a := newAttachment(e.org, newConversationID(), "ann")
		e.insertAttachments(a)
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.InsertAttachment(a) })
	}},
	{"one that does not exist, or is another org's, is not found", func(e *env) {
		a := newAttachment(e.org, newConversationID(), "ann")
		e.insertAttachments(a)
		for org, id := range map[parley.OrgID]parley.AttachmentID{e.org: newAttachmentID(), e.other: a.ID} {
			_, err := e.s.Attachment(e.ctx, org, id)
			e.fails(err, parley.ErrNotFound)
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Attachment(org, id); return err })
			other := *a
			other.Org, other.ID = org, id
			e.refused(parley.ErrNotFound, func(tx parley.Tx) error { return tx.UpdateAttachment(&other) })
		}
	}},
	{"an update writes how far it has come", func(e *env) {
		a := newAttachment(e.org, newConversationID(), "ann")
		e.insertAttachments(a)
		a.State, a.SHA256, a.DueAt = parley.AttachmentSent, []byte("0123456789abcdef0123456789abcdef"), time.Time{}
		changed := *a
		changed.Name, changed.Size, changed.Uploader = "another", 9, "eve"
		e.update(func(tx parley.Tx) error { return tx.UpdateAttachment(&changed) })
		e.same("attachment", e.attachment(a.ID), a)
		e.update(func(tx parley.Tx) error { return tx.DeleteAttachment(e.other, a.ID) })
		e.same("after a delete in another org", e.attachment(a.ID), a)
		e.update(func(tx parley.Tx) error { return tx.DeleteAttachment(e.org, a.ID) })
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Attachment(e.org, a.ID); return err })
	}},
	{"those that were not sent are counted by uploader", func(e *env) {
		in := newConversationID()
		for _, state := range []parley.AttachmentState{
			parley.AttachmentWaiting, parley.AttachmentStored, parley.AttachmentSent, parley.AttachmentGone,
		} {
			a, b := newAttachment(e.org, in, "ann"), newAttachment(e.org, in, "ben")
			a.State, b.State = state, parley.AttachmentSent
			e.insertAttachments(a, b)
		}
		count := func(who parley.PrincipalID, most int) int {
			return inTx(e, func(tx parley.Tx) (int, error) { return tx.CountUnsent(e.org, who, most) })
		}
		e.same("of ann, ben, and ann up to 1", []int{count("ann", 9), count("ben", 9), count("ann", 1)}, []int{2, 0, 1})
	}},
	{"a message comes back with what it carries, until it is deleted", func(e *env) {
		c := e.conversation("ann")
		files := []parley.File{{ID: newAttachmentID(), Name: `ä "b".png`, ContentType: "image/png", Size: 1 << 40}, {ID: newAttachmentID(), Name: "c"}}
		m := e.postAs(c, "ann", func(m *parley.Message) { m.Attachments = files })
		plain := e.post(c, "ann")
		e.same("history", e.messages(c), []parley.Message{*m, *plain})
		e.change(m, func(m *parley.Message) { m.Content = "edited" })
		e.same("an edit leaves it", must(e.s.Message(e.ctx, e.org, m.ID))(e).Attachments, files)
		e.remove(m)
		e.same("deleted", len(must(e.s.Message(e.ctx, e.org, m.ID))(e).Attachments), 0)
	}},
	{"who is or was in a carrier's conversation finds the carrier", func(e *env) {
		here, there := e.conversation("ann", "ben"), e.conversation("ann", "cyd")
		a := newAttachment(e.org, here.ID, "ann")
		e.insertAttachments(a)
		first, second := e.carry(here, a), e.carry(there, a)
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, there.ID, "cyd", 9, 9) })
		for who, want := range map[parley.PrincipalID][]parley.MessageID{
			"ann": {second, first}, "ben": {first}, "cyd": {second}, "eve": nil,
		} {
			var walked []parley.MessageID
			for after := (parley.MessageID{}); ; after = walked[len(walked)-1] {
				page := must(e.s.Carriers(e.ctx, e.org, a.ID, who, after, 1))(e)
				if walked = append(walked, page...); len(page) == 0 {
					break
				}
			}
			e.same("carriers for "+string(who), walked, want)
		}
		e.same("in another org", len(must(e.s.Carriers(e.ctx, e.other, a.ID, "ann", parley.MessageID{}, 9))(e)), 0)
		e.refused(parley.ErrConflict, func(tx parley.Tx) error { return tx.CarryAttachment(e.org, a.ID, here.ID, first) })
	}},
	{"the last message that is deleted releases it", func(e *env) {
		c := e.conversation("ann")
		a, b := newAttachment(e.org, c.ID, "ann"), newAttachment(e.org, c.ID, "ann")
		e.insertAttachments(a, b)
		first, second := e.carry(c, a, b), e.carry(c, a)
		e.tombstone(first)
		e.same("due", []time.Time{e.attachment(a.ID).DueAt, e.attachment(b.ID).DueAt}, []time.Time{{}, parley.Released})
		e.same("carriers", must(e.s.Carriers(e.ctx, e.org, a.ID, "ann", parley.MessageID{}, 9))(e), []parley.MessageID{second})
		e.tombstone(second)
		e.same("due", e.attachment(a.ID).DueAt, parley.Released)
	}},
	{"a conversation lets go of all that nothing elsewhere carries", func(e *env) {
		here, there := e.conversation("ann"), e.conversation("ann")
		a, b := newAttachment(e.org, here.ID, "ann"), newAttachment(e.org, here.ID, "ann")
		e.insertAttachments(a, b)
		e.carry(here, a)
		e.carry(here, a, b)
		e.carry(there, b)
		e.update(func(tx parley.Tx) error { return tx.ReleaseAttachments(e.org, here.ID) })
		e.same("due", []time.Time{e.attachment(a.ID).DueAt, e.attachment(b.ID).DueAt}, []time.Time{parley.Released, {}})
		e.update(func(tx parley.Tx) error { return tx.ReleaseAttachments(e.org, there.ID) })
		e.same("due", e.attachment(b.ID).DueAt, parley.Released)
	}},
	{"those that are due are listed, the longest due first", func(e *env) {
		var all []*parley.Attachment
		for i := range 4 {
			a := newAttachment(e.org, newConversationID(), "ann")
			a.DueAt = time.Date(1980, 1, 1, 0, 0, i, 0, time.UTC) // before all that other cases leave, but for Released
			all = append(all, a)
		}
		all[3].DueAt = time.Time{}
		e.insertAttachments(all[2], all[0], all[3], all[1])
		due := func(before time.Time, limit int) (got []parley.Attachment) {
			list := inTx(e, func(tx parley.Tx) ([]parley.Attachment, error) { return tx.DueAttachments(before, limit) })
			for _, a := range list {
				if a.DueAt != parley.Released {
					got = append(got, a)
				}
			}
			return got
		}
		e.same("due", due(all[1].DueAt, 1000), []parley.Attachment{*all[0], *all[1]})
		e.same("at most one", len(inTx(e, func(tx parley.Tx) ([]parley.Attachment, error) { return tx.DueAttachments(at(0), 1) })), 1)
	}},
}}

func newAttachment(org parley.OrgID, in parley.ConversationID, who parley.PrincipalID) *parley.Attachment {
	return &parley.Attachment{
		Org: org, ID: newAttachmentID(), Conversation: in, Uploader: who, Name: "ä.png", ContentType: "image/png", Size: 1 << 40,
		State: parley.AttachmentWaiting, CreatedAt: at(1),
	}
}

func (e *env) insertAttachments(all ...*parley.Attachment) {
	e.Helper()
	e.update(func(tx parley.Tx) error {
		for _, a := range all {
			if err := tx.InsertAttachment(a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) attachment(id parley.AttachmentID) *parley.Attachment {
	e.Helper()
	return inTx(e, func(tx parley.Tx) (*parley.Attachment, error) { return tx.Attachment(e.org, id) })
}

// carry says something that carries attachments.
func (e *env) carry(c *parley.Conversation, all ...*parley.Attachment) parley.MessageID {
	e.Helper()
	m := e.postAs(c, "ann", func(m *parley.Message) {
		for _, a := range all {
			m.Attachments = append(m.Attachments, a.File())
		}
	})
	e.update(func(tx parley.Tx) error {
		for _, a := range all {
			if err := tx.CarryAttachment(e.org, a.ID, c.ID, m.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return m.ID
}

// tombstone deletes a message for everyone.
func (e *env) tombstone(id parley.MessageID) {
	e.Helper()
	e.remove(must(e.s.Message(e.ctx, e.org, id))(e))
}
