package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

var contentTypes = []string{"text", "image", "audio", "video", "file", "task", "result", "system"}

func errClosed() error {
	return parley.Errorf(parley.CodeClosed, "the conversation is closed")
}

func (e *Engine) postMessage(ctx context.Context, p *parley.Principal, cmd parley.PostMessage) (parley.Result, error) {
	if cmd.ContentType == "" {
		cmd.ContentType = "text"
	}
	if err := e.checkPost(&cmd); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.message(p, e.cfg.Now()); err != nil {
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
		if cmd.Internal && !m.HearsInternal(c.Kind) {
			return parley.Errorf(parley.CodeForbidden, "internal messages are for those who run the conversation")
		}
		result, err = w.post(c, messageOf(w, m, &cmd))
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
	if cmd.Content == "" {
		return invalid("content", "content is empty")
	}
	return firstError(
		checkText("content", cmd.Content, e.cfg.Limits.FrameBytes),
		checkText("content_meta", cmd.ContentMeta, e.cfg.Limits.FrameBytes),
		checkText("client_msg_id", cmd.ClientMsgID, maxID),
		checkText("task_id", cmd.TaskID, maxID),
		checkOneOf("content_type", cmd.ContentType, contentTypes...),
		checkOneOf("thread_role", cmd.ThreadRole, "", "main", "aside"))
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
	same := (changed || m.Content == cmd.Content && m.ContentMeta == cmd.ContentMeta) &&
		m.ContentType == cmd.ContentType && m.ReplyTo == cmd.ReplyTo && m.ThreadRole == cmd.ThreadRole &&
		m.TaskID == cmd.TaskID && m.Internal == cmd.Internal
	if !same {
		return parley.Result{}, parley.Errorf(parley.CodeConflict, "another message was sent under this client_msg_id")
	}
	return parley.Result{Conversation: c, Message: m, Repeated: true}, nil
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
	if err := w.InsertMessage(m, c.Org); err != nil {
		return nil, fmt.Errorf("insert message %s: %w", m.ID, err)
	}
	return ev, w.append(ev)
}
