package parley

import (
	"context"
	"time"
)

// Message is what someone said. Content is UTF-8 text.
//
// The json tags are those of the canonical body kept in the store and told over
// the bus; every dialect spells its own.
type Message struct {
	ID           MessageID      `json:"id"`
	Conversation ConversationID `json:"conversation"`
	// Seq is the message's place in its conversation, 1, 2, 3, … kept for ever:
	// deleted and hidden messages keep theirs.
	Seq         uint64        `json:"seq"`
	Sender      PrincipalID   `json:"sender"`
	SenderKind  PrincipalKind `json:"sender_kind"`
	SenderName  string        `json:"sender_name,omitempty"`
	Content     string        `json:"content"`
	ContentType string        `json:"content_type"` // text, image, audio, video, file, task, result, system
	// ContentMeta is the client's own string, stored and returned untouched.
	ContentMeta string `json:"content_meta,omitempty"`
	// Attachments are the files it carries, in the sender's order. Gone with the text
	// when it is deleted.
	Attachments []File    `json:"attachments,omitempty"`
	ReplyTo     MessageID `json:"reply_to,omitzero"`
	ThreadID    MessageID `json:"thread_id,omitzero"`
	ThreadRole  string    `json:"thread_role,omitempty"` // main, aside
	TaskID      string    `json:"task_id,omitempty"`
	// ClientMsgID makes the send idempotent for ever within (conversation, sender).
	ClientMsgID string    `json:"client_msg_id,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	EditedAt    time.Time `json:"edited_at,omitzero"`
	EditCount   int       `json:"edit_count,omitempty"`
	// Internal messages are heard by those for whom Membership.HearsInternal holds;
	// the others find {seq, hidden:true} in history and sync.
	Internal  bool `json:"internal,omitempty"`
	Forwarded bool `json:"forwarded,omitempty"`
	// Source is where a forwarded message was first said; nil where it was said here.
	Source  *Source `json:"source,omitempty"`
	Deleted bool    `json:"deleted,omitempty"`
	// Run is set on a message that an agent's run became.
	Run *RunRef `json:"run,omitempty"`
	// Origin is the Conn that sent it; that one socket is not told again on the
	// bot surface. Empty for messages that came over HTTP.
	Origin string `json:"origin,omitempty"`
	// ChangeSeq is the number of the event that stored it or changed it last. It is
	// the event's own, so it is not part of the body.
	ChangeSeq uint64 `json:"-"`
}

// AsOf makes the message what it was when its conversation had come to a change_seq, by
// what it said before (Reader.Edits). A message that was deleted stays so, and so becomes
// one of which that is not kept any more.
func (m *Message) AsOf(changeSeq uint64, edits []Edit) {
	if m.ChangeSeq <= changeSeq || m.Deleted {
		return
	}
	for i := len(edits) - 1; i >= 0; i-- {
		if e := &edits[i]; e.ChangeSeq <= changeSeq {
			m.Content, m.ContentMeta, m.ChangeSeq = e.Content, e.ContentMeta, e.ChangeSeq
			m.EditCount, m.EditedAt = e.Number, time.Time{}
			if e.Number > 0 {
				m.EditedAt = e.At
			}
			return
		}
	}
	m.Content, m.ContentMeta, m.Attachments, m.Source, m.Deleted = "", "", nil, nil, true
}

// ReadAsOf is AsOf that reads what the message said before, one of its versions at a
// time and few of them, however often it was edited.
func (m *Message) ReadAsOf(ctx context.Context, r Reader, org OrgID, changeSeq uint64) error {
	if m.ChangeSeq <= changeSeq || m.Deleted {
		return nil
	}
	var last []Edit // none after it was said by then
	for low, high := 0, m.EditCount; low < high; {
		middle := low + (high-low)/2
		edits, err := r.Edits(ctx, org, m.Conversation, m.ID, middle, 1)
		if err != nil {
			return err
		}
		if len(edits) > 0 && edits[0].ChangeSeq <= changeSeq {
			last, low = edits, middle+1
		} else { // or it was deleted meanwhile
			high = middle
		}
	}
	m.AsOf(changeSeq, last)
	return nil
}

// Source is where a forwarded message comes from. Of a message that was forwarded
// already it is the first one's.
type Source struct {
	Conversation ConversationID `json:"conversation"`
	Message      MessageID      `json:"message"`
	Sender       PrincipalID    `json:"sender"`
	SenderName   string         `json:"sender_name,omitempty"`
}

// Edit is what a message said before it was edited.
type Edit struct {
	Conversation ConversationID
	Message      MessageID
	Number       int // 0 for what was first said
	Content      string
	ContentMeta  string
	At           time.Time // when it was said
	ChangeSeq    uint64    // the number of the event that told it
}

// RunRef ties a message to the run it grew from.
type RunRef struct {
	ID     RunID     `json:"id"`
	Status RunStatus `json:"status"`
	// After is the org-log offset of the conversation's last event when the run
	// began: a Conn that resumed from there or later had heard its beginning.
	After uint64 `json:"after"`
}

// Message events, conversation scope.
const (
	MessageCreated EventType = "message.created"
	MessageUpdated EventType = "message.updated"
	MessageDeleted EventType = "message.deleted"
)

// MessageBody is the body of message.* events: the message as stored.
type MessageBody struct {
	Message
	// HiddenFrom are those who deleted the message for themselves, in the byte order of
	// their ids; of message.updated only. For nodes, not for clients: they are not told.
	HiddenFrom []PrincipalID `json:"hidden_from,omitempty"`
}

// HiddenFrom returns those who are not told an event because it changes a message that
// they deleted for themselves, in the byte order of their ids; nil for nobody.
func HiddenFrom(e *Event) []PrincipalID {
	switch b := e.Body.(type) {
	case *MessageBody:
		return b.HiddenFrom
	case *ReactionBody:
		return b.HiddenFrom
	}
	return nil
}

func messageSpecs() []EventSpec {
	body := func() Body { return new(MessageBody) }
	topic := func(event string) TopicName { return TopicName{"conversations", "conversation", event} }
	return []EventSpec{
		{MessageCreated, Durable, ConversationScope, ChannelConversation, topic("message_posted"), "a message was stored", body},
		{MessageUpdated, Durable, ConversationScope, ChannelConversation, topic("message_updated"), "a message's content changed", body},
		{MessageDeleted, Durable, ConversationScope, ChannelConversation, topic("message_deleted"), "a message was deleted for everyone; its seq stays", body},
	}
}
