package storetest

import (
	"fmt"

	"github.com/parley-chat/parley"
)

// newConversation is a group that nobody is in and nothing was said in.
func newConversation(org parley.OrgID) *parley.Conversation {
	return &parley.Conversation{
		Org: org, ID: newConversationID(), Kind: parley.KindGroup, CreatedBy: "ann", Status: parley.StatusActive,
		CreatedAt: at(0), LastActivity: at(0),
	}
}

// newStay is an open stay that began with the change from.
func newStay(c *parley.Conversation, who parley.PrincipalID, from uint64) *parley.Membership {
	return &parley.Membership{
		Org: c.Org, Conversation: c.ID, Principal: who, Kind: parley.KindUser, Name: "N. " + string(who),
		Role: parley.RoleMember, JoinedAt: at(int(from)), From: from, FromSeq: 1,
	}
}

// conversation stores a conversation with members, whose beginning is its first
// event.
func (e *env) conversation(members ...parley.PrincipalID) *parley.Conversation {
	e.Helper()
	c := newConversation(e.org)
	c.ChangeSeq = 1
	e.update(func(tx parley.Tx) error {
		if err := tx.InsertConversation(c); err != nil {
			return err
		}
		for _, m := range members {
			if err := tx.InsertMember(newStay(c, m, 1)); err != nil {
				return err
			}
		}
		return tx.AppendEvent(&parley.Event{
			ID: newEventID(), Org: e.org, Type: parley.ConversationCreated, Class: parley.Durable, Time: at(0),
			Actor: "ann", ActorKind: parley.KindUser, Conversation: c.ID, ChangeSeq: 1, Channel: parley.ChannelConversation,
			Body: &parley.ConversationBody{ID: c.ID, Kind: c.Kind, CreatedBy: "ann", Status: c.Status, CreatedAt: at(0)},
		})
	})
	return c
}

// newMessage is a plain text.
func newMessage(id parley.ConversationID, seq uint64, sender parley.PrincipalID) *parley.Message {
	return &parley.Message{
		ID: newMessageID(), Conversation: id, Seq: seq, Sender: sender, SenderKind: parley.KindUser,
		Content: fmt.Sprintf("this is no. %d", seq), ContentType: "text", CreatedAt: at(int(seq % 60)),
	}
}

// post says something within a transaction, as the engine does: the conversation's
// next numbers, the message and its event.
func post(tx parley.Tx, org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID) (*parley.Message, error) {
	return postAs(tx, org, id, sender, func(*parley.Message) {})
}

// postAs is post of a message that fn has a say in.
func postAs(tx parley.Tx, org parley.OrgID, id parley.ConversationID, sender parley.PrincipalID, fn func(m *parley.Message)) (*parley.Message, error) {
	c, err := tx.Conversation(org, id)
	if err != nil {
		return nil, err
	}
	c.Seq++
	c.ChangeSeq++
	m := newMessage(id, c.Seq, sender)
	m.ChangeSeq = c.ChangeSeq
	fn(m)
	c.LastActivity = m.CreatedAt
	if err := tx.InsertMessage(m, org); err != nil {
		return nil, err
	}
	if err := tx.AppendEvent(messageEvent(org, m, c.ChangeSeq)); err != nil {
		return nil, err
	}
	return m, tx.UpdateConversation(c)
}

func (e *env) post(c *parley.Conversation, sender parley.PrincipalID) *parley.Message {
	e.Helper()
	return inTx(e, func(tx parley.Tx) (*parley.Message, error) { return post(tx, e.org, c.ID, sender) })
}

func (e *env) postAs(c *parley.Conversation, sender parley.PrincipalID, fn func(m *parley.Message)) *parley.Message {
	e.Helper()
	return inTx(e, func(tx parley.Tx) (*parley.Message, error) { return postAs(tx, e.org, c.ID, sender, fn) })
}

func messageEvent(org parley.OrgID, m *parley.Message, changeSeq uint64) *parley.Event {
	return &parley.Event{
		ID: newEventID(), Org: org, Type: parley.MessageCreated, Class: parley.Durable, Time: m.CreatedAt,
		Actor: m.Sender, ActorKind: m.SenderKind, Conversation: m.Conversation, ChangeSeq: changeSeq,
		Channel: parley.ChannelConversation, Body: &parley.MessageBody{Message: *m},
	}
}

// published is an event of a channel, or of the targets where there are any.
func published(org parley.OrgID, channel string, targets ...parley.PrincipalID) *parley.Event {
	return &parley.Event{
		ID: newEventID(), Org: org, Type: "build.finished", Class: parley.Durable, Time: at(1),
		Actor: "ci", ActorKind: parley.KindService, Targets: targets, Channel: channel,
		Body: &parley.PublishedBody{Data: parley.RawJSON(`{"id":"b-7","ok":true}`), ResourceID: "b-7"},
	}
}

// publish stores events in one transaction.
func (e *env) publish(events ...*parley.Event) {
	e.Helper()
	e.update(func(tx parley.Tx) error { return appendAll(tx, events) })
}

func appendAll(tx parley.Tx, events []*parley.Event) error {
	for _, ev := range events {
		if err := tx.AppendEvent(ev); err != nil {
			return err
		}
	}
	return nil
}

// sequence has the store give Positions to all that was committed, and returns
// what it handed out of this case's org.
func (e *env) sequence() []*parley.Event {
	e.Helper()
	var all []*parley.Event
	for {
		events, err := e.s.Sequence(e.ctx, 64)
		e.ok(err)
		if len(events) == 0 {
			return all
		}
		for _, ev := range events {
			if ev.Org == e.org {
				all = append(all, ev)
			}
		}
	}
}

// log reads the org's whole log.
func (e *env) log() []*parley.Event {
	e.Helper()
	return must(e.s.ReadLog(e.ctx, e.org, 0, 1<<40, 1<<20))(e)
}

// offsets are the places of events.
func offsets(events []*parley.Event) []uint64 {
	list := []uint64{}
	for _, e := range events {
		list = append(list, e.Position.Offset)
	}
	return list
}

// upTo is 1, 2, … n.
func upTo(n int) []uint64 {
	list := []uint64{}
	for i := range n {
		list = append(list, uint64(i+1))
	}
	return list
}
