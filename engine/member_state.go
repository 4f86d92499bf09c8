package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

// personal makes an event of what is the caller's own: it is told to the caller's
// devices and takes no number of a conversation.
func (w *write) personal(t parley.EventType, body parley.Body) *parley.Event {
	return &parley.Event{
		ID: w.engine.cfg.IDs.NewID(), Org: w.caller.Org, Type: t, Class: parley.Durable, Time: w.now,
		Actor: w.caller.ID, ActorKind: w.caller.Kind,
		Targets: []parley.PrincipalID{w.caller.ID}, Channel: parley.ChannelConversation, Body: body,
	}
}

// state reads what a conversation, which is held, is to the caller.
func (w *write) state(c *parley.Conversation) (*parley.MemberState, error) {
	s, err := w.MemberState(c.Org, c.ID, w.caller.ID)
	if err != nil {
		return nil, fmt.Errorf("read state in %s: %w", c.ID, err)
	}
	return s, nil
}

func (w *write) setState(s *parley.MemberState) error {
	if err := w.SetMemberState(s); err != nil {
		return fmt.Errorf("store state in %s: %w", s.Conversation, err)
	}
	return nil
}

// changeState changes what a conversation is to the caller. change returns the
// event to tell, nil where nothing changes.
func (e *Engine) changeState(ctx context.Context, p *parley.Principal, id parley.ConversationID, change func(*write, *parley.Conversation, *parley.MemberState) *parley.Event) (parley.Result, error) {
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, _, err := w.conversation(id)
		if err != nil {
			return err
		}
		s, err := w.state(c)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: c, State: s, Event: change(w, c, s)}
		if result.Event == nil {
			return nil
		}
		return firstError(w.setState(s), w.append(result.Event))
	})
	return result, err
}

func (e *Engine) muteConversation(ctx context.Context, p *parley.Principal, cmd parley.MuteConversation) (parley.Result, error) {
	until := cmd.Until.UTC().Truncate(time.Millisecond)
	switch {
	case cmd.Until.IsZero():
		until = time.Time{}
	case until.After(parley.MutedForever):
		until = parley.MutedForever
	case !until.After(e.now()):
		return parley.Result{}, invalid("until", "until is in the past")
	}
	return e.changeState(ctx, p, cmd.Conversation, func(w *write, c *parley.Conversation, s *parley.MemberState) *parley.Event {
		if s.MutedUntil.Equal(until) {
			return nil
		}
		s.MutedUntil = until
		t := parley.MemberMuted
		if until.IsZero() {
			t = parley.MemberUnmuted
		}
		return w.personal(t, &parley.MemberStateBody{Conversation: c.ID, MutedUntil: until})
	})
}

func (e *Engine) archiveConversation(ctx context.Context, p *parley.Principal, cmd parley.ArchiveConversation) (parley.Result, error) {
	return e.changeState(ctx, p, cmd.Conversation, func(w *write, c *parley.Conversation, s *parley.MemberState) *parley.Event {
		if cmd.On != s.ArchivedAt.IsZero() {
			return nil
		}
		t := parley.MemberUnarchived
		if s.ArchivedAt = (time.Time{}); cmd.On {
			t, s.ArchivedAt = parley.MemberArchived, w.now
		}
		return w.personal(t, &parley.MemberStateBody{Conversation: c.ID, ArchivedAt: s.ArchivedAt})
	})
}

// hideConversation deletes a conversation for the caller: with all that was said in
// it until now it leaves the caller's list, until somebody says something.
func (e *Engine) hideConversation(ctx context.Context, p *parley.Principal, id parley.ConversationID) (parley.Result, error) {
	return e.changeState(ctx, p, id, func(w *write, c *parley.Conversation, s *parley.MemberState) *parley.Event {
		if !s.Listed(c.Seq) {
			return nil
		}
		s.HiddenAt, s.HiddenSeq = w.now, c.Seq
		return w.personal(parley.MemberHidden, &parley.MemberStateBody{Conversation: c.ID, Seq: c.Seq})
	})
}

// list puts a conversation that its principal had deleted for itself back on the
// list; what was said until then stays away.
func (w *write) list(c *parley.Conversation, who parley.PrincipalID) error {
	s, err := w.MemberState(c.Org, c.ID, who)
	if err != nil {
		return fmt.Errorf("read state in %s: %w", c.ID, err)
	}
	if s.HiddenAt.IsZero() {
		return nil
	}
	s.HiddenAt = time.Time{}
	return w.setState(s)
}
