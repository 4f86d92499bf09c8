package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-chat/parley"
)

// contentTypes are those that a sender may say; none is told by what is sent.
var contentTypes = []string{"", "text", "image", "audio", "video", "file", "task", "result", "system"}

func errClosed() error {
	return parley.Errorf(parley.CodeClosed, "the conversation is closed")
}

func (e *Engine) postMessage(ctx context.Context, p *parley.Principal, cmd parley.PostMessage) (parley.Result, error) {
	if err := e.checkPost(&cmd); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.message(p, e.cfg.Now(), 1); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) (err error) {
		c, m, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		result, err = w.earlier(c, &cmd)
		if err != nil || result.Repeated {
			return err
		}
		if c.Status != parley.StatusActive {
			return errClosed()
		}
		do := toPost
		if cmd.Internal {
			do = toPostInternal
		}
		if err := may(do, c, m, false); err != nil {
			return err
		}
		thread, err := w.thread(c, m, &cmd)
		if err != nil {
			return err
		}
		message := messageOf(w, m, &cmd)
		message.ThreadID = thread
		if err := w.attach(message, &cmd); err != nil {
			return err
		}
		result, err = w.post(c, message)
		return err
	})
	if err != nil {
		return parley.Result{}, err
	}
	if !result.Repeated {
		e.typing.posted(result.Conversation, p)
	}
	return result, nil
}

func (e *Engine) checkPost(cmd *parley.PostMessage) error {
	var content error
	if cmd.Content != "" || len(cmd.Attachments) == 0 { // a picture needs no words
		content = e.checkContent(cmd.Content, nil)
	}
	return firstError(
		content,
		checkText("content_meta", cmd.ContentMeta, e.cfg.Limits.FrameBytes),
		e.checkAttachments(cmd.Attachments),
		checkText("client_msg_id", cmd.ClientMsgID, maxID),
		checkText("task_id", cmd.TaskID, maxID),
		checkOneOf("content_type", cmd.ContentType, contentTypes...),
		checkOneOf("thread_role", cmd.ThreadRole, "", "main", "aside"))
}

// checkContent refuses what a message may not say; meta nil is none.
func (e *Engine) checkContent(content string, meta *string) error {
	if content == "" {
		return invalid("content", "content is empty")
	}
	err := checkText("content", content, e.cfg.Limits.FrameBytes)
	if err == nil && meta != nil {
		err = checkText("content_meta", *meta, e.cfg.Limits.FrameBytes)
	}
	return err
}

// thread returns the thread that a message joins. A reply_to_id alone is a
// quotation and joins none. With a thread_role the message is part of the thread
// that the other is in, or else begins: the thread's id is that of the message it
// hangs on. What is replied to must be there for the caller, in the same
// conversation; that it was deleted meanwhile loses no answer.
func (w *write) thread(c *parley.Conversation, stay *parley.Membership, cmd *parley.PostMessage) (parley.MessageID, error) {
	if cmd.ReplyTo.IsZero() {
		return parley.MessageID{}, nil
	}
	m, err := w.heard(cmd.ReplyTo, c, stay)
	if errors.Is(err, &parley.Error{Code: parley.CodeNotFound}) {
		return parley.MessageID{}, invalid("reply_to_id", "reply_to_id names no message of this conversation")
	}
	switch {
	case err != nil || cmd.ThreadRole == "":
		return parley.MessageID{}, err
	case !m.ThreadID.IsZero():
		return m.ThreadID, nil
	}
	return m.ID, nil
}

// earlier finds what the caller sent under the same client_msg_id: the answer is
// the same for ever, whatever became of the conversation. The zero Result is
// "nothing".
func (w *write) earlier(c *parley.Conversation, cmd *parley.PostMessage) (parley.Result, error) {
	if cmd.ClientMsgID == "" {
		return parley.Result{}, nil
	}
	m, err := w.MessageByClientID(c.Org, c.ID, w.caller.ID, cmd.ClientMsgID)
	if errors.Is(err, parley.ErrNotFound) {
		return parley.Result{}, nil
	}
	if err != nil {
		return parley.Result{}, fmt.Errorf("find message by client_msg_id: %w", err)
	}
	// What was edited or deleted since no longer tells what was sent.
	changed := m.EditCount > 0 || m.Deleted
	contentType := cmd.ContentType
	if contentType == "" && !m.Deleted { // a deleted one carries nothing that would tell
		contentType = contentTypeOf(m.Attachments)
	}
	same := (changed || m.Content == cmd.Content && m.ContentMeta == cmd.ContentMeta) &&
		(m.Deleted || slices.EqualFunc(m.Attachments, cmd.Attachments, isFile)) &&
		(contentType == "" || m.ContentType == contentType) && m.ReplyTo == cmd.ReplyTo && m.ThreadRole == cmd.ThreadRole &&
		m.TaskID == cmd.TaskID && m.Internal == cmd.Internal && !m.Forwarded
	if !same {
		return parley.Result{}, errOtherUnder()
	}
	return parley.Result{Conversation: c, Message: m, Repeated: true}, nil
}

func isFile(f parley.File, id parley.AttachmentID) bool { return f.ID == id }

// attach has a message carry what its command names, and tells by that what the
// message is where the command does not.
func (w *write) attach(m *parley.Message, cmd *parley.PostMessage) error {
	if len(cmd.Attachments) > 0 {
		if err := w.send(m, cmd.Attachments); err != nil {
			return err
		}
	}
	if m.ContentType == "" {
		m.ContentType = contentTypeOf(m.Attachments)
	}
	return nil
}

func errOtherUnder() error {
	return parley.Errorf(parley.CodeConflict, "another message was sent under this client_msg_id")
}

func messageOf(w *write, sender *parley.Membership, cmd *parley.PostMessage) *parley.Message {
	name := w.caller.Name
	if name == "" {
		name = sender.Name
	}
	return &parley.Message{
		ID: w.engine.cfg.IDs.NewID(), Conversation: cmd.Conversation,
		Sender: w.caller.ID, SenderKind: w.caller.Kind, SenderName: name,
		Content: cmd.Content, ContentType: cmd.ContentType, ContentMeta: cmd.ContentMeta,
		ReplyTo: cmd.ReplyTo, ThreadRole: cmd.ThreadRole, TaskID: cmd.TaskID, ClientMsgID: cmd.ClientMsgID,
		CreatedAt: w.now, Internal: cmd.Internal, Origin: cmd.Origin,
	}
}

// post stores a message under the conversation's next seq, with its event.
func (w *write) post(c *parley.Conversation, m *parley.Message) (parley.Result, error) {
	ev, err := w.insertMessage(c, m)
	if err != nil {
		return parley.Result{}, err
	}
	return parley.Result{Conversation: c, Message: m, Event: ev}, w.save(c)
}

// insertMessage stores a message and its event; the conversation is still to be
// saved.
func (w *write) insertMessage(c *parley.Conversation, m *parley.Message) (*parley.Event, error) {
	c.Seq++
	m.Seq = c.Seq
	ev := w.event(c, parley.MessageCreated, &parley.MessageBody{Message: *m})
	ev.Internal = m.Internal
	m.ChangeSeq = ev.ChangeSeq
	if err := w.InsertMessage(m, c.Org); err != nil {
		return nil, fmt.Errorf("insert message %s: %w", m.ID, err)
	}
	return ev, w.append(ev)
}
