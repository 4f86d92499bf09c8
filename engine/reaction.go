package engine

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/parley-chat/parley"
)

const (
	maxEmoji  = 64 // bytes
	maxEmojis = 50 // different ones under a message
)

func checkEmoji(s string) error {
	if s == "" || len(s) > maxEmoji {
		return invalid("emoji", "emoji must have 1 to %d bytes", maxEmoji)
	}
	if strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return invalid("emoji", "emoji holds a control character")
	}
	return checkText("emoji", s, maxEmoji)
}

func (e *Engine) react(ctx context.Context, p *parley.Principal, cmd parley.React) (parley.Result, error) {
	if err := checkEmoji(cmd.Emoji); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		m, err := w.message(cmd.Message)
		if err == nil && !cmd.Conversation.IsZero() && cmd.Conversation != m.Conversation {
			err = noMessage(nil)
		}
		if err != nil {
			return err
		}
		switch {
		case m.Deleted:
			return errDeleted()
		case m.in.Status != parley.StatusActive:
			return errClosed()
		}
		result, err = w.react(m, cmd.Emoji, cmd.On)
		return err
	})
	return result, err
}

// react puts the caller's emoji under a message or takes it away; on nil turns what
// is into its opposite.
func (w *write) react(m *heard, emoji string, on *bool) (parley.Result, error) {
	r := &parley.Reaction{
		Conversation: m.Conversation, Message: m.ID, Seq: m.Seq, Principal: w.caller.ID, Emoji: emoji, At: w.now,
	}
	if on == nil {
		there, err := w.HasReaction(m.in.Org, r)
		if err != nil {
			return parley.Result{}, fmt.Errorf("find reaction under %s: %w", m.ID, err)
		}
		there = !there
		on = &there
	}
	result := parley.Result{Conversation: m.in, Message: m.Message, Reacted: *on}
	changed, err := w.SetReaction(m.in.Org, r, *on)
	if err != nil {
		return parley.Result{}, fmt.Errorf("set reaction under %s: %w", m.ID, err)
	}
	if !changed {
		return result, nil
	}
	if *on {
		n, err := w.CountReactions(m.in.Org, m.Conversation, m.ID)
		if err != nil {
			return parley.Result{}, fmt.Errorf("count reactions under %s: %w", m.ID, err)
		}
		if n > maxEmojis {
			return parley.Result{}, parley.Errorf(parley.CodeConflict, "a message has at most %d different emoji", maxEmojis)
		}
	}
	hidden, err := w.hiddenFrom(m)
	if err != nil {
		return parley.Result{}, err
	}
	result.Event = w.event(m.in, parley.ReactionChanged, &parley.ReactionBody{
		Message: m.ID, Seq: m.Seq, Principal: r.Principal, Emoji: emoji, Added: *on, HiddenFrom: hidden,
	})
	result.Event.Internal = m.Internal
	return result, firstError(w.append(result.Event), w.save(m.in))
}
