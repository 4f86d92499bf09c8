package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// retainUnits is how many messages one transaction looks at: others wait for it.
	retainUnits = 100
	// retainPage is how many conversations are looked for at once.
	retainPage = 100
	// retainInterval is how late a message expires at most, but for the time it takes.
	retainInterval = time.Hour
	// scrubInterval is how often at most the store's files are gone through for what
	// expired messages left there.
	scrubInterval = 24 * time.Hour
)

// setRetention says how long messages are kept. It works back as well: what is older
// than the new time goes with the next round.
func (e *Engine) setRetention(ctx context.Context, p *parley.Principal, cmd parley.SetRetention) (parley.Result, error) {
	if err := checkRetention(cmd); err != nil {
		return parley.Result{}, err
	}
	if cmd.Conversation.IsZero() && !p.Can(parley.ScopeAdmin) {
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "the scope %s is needed to say how long an org keeps messages", parley.ScopeAdmin)
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, err := w.retained(cmd.Conversation)
		if err != nil {
			return err
		}
		r, err := w.Retention(p.Org, cmd.Conversation)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: c, Retention: r}
		if same(r.Days, cmd.Days) {
			return nil
		}
		r.Days = cmd.Days
		if err := w.SetRetention(r); err != nil || c == nil {
			return err
		}
		body := conversationBody(c)
		body.RetentionDays = cmd.Days
		result.Event = w.event(c, parley.ConversationUpdated, &body)
		return firstError(w.append(result.Event), w.save(c))
	})
	if err != nil {
		return parley.Result{}, err
	}
	wake(e.retaining)
	return result, nil
}

func checkRetention(cmd parley.SetRetention) error {
	least := 1
	if !cmd.Conversation.IsZero() {
		least = 0
	}
	if cmd.Days != nil && (*cmd.Days < least || *cmd.Days > parley.MaxRetentionDays) {
		return invalid("days", "days must be %d to %d, or null", least, parley.MaxRetentionDays)
	}
	return nil
}

func same(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

// retained reads the conversation whose retention the caller may set, and holds it;
// nil for the org. An administrator need not be in it.
func (w *write) retained(id parley.ConversationID) (*parley.Conversation, error) {
	if id.IsZero() {
		return nil, nil
	}
	if w.caller.Can(parley.ScopeAdmin) {
		c, err := w.Conversation(w.caller.Org, id)
		if err == nil && c.Status == parley.StatusDeleted {
			err = parley.ErrNotFound
		}
		if errors.Is(err, parley.ErrNotFound) {
			return nil, errNoConversation(err)
		}
		if err != nil {
			return nil, fmt.Errorf("read conversation %s: %w", id, err)
		}
		return c, nil
	}
	c, m, err := w.conversation(id)
	if err != nil {
		return nil, err
	}
	return c, may(toSetRetention, c, m, false)
}

// keepRetaining empties messages whose time is over until ctx ends: at once, each hour,
// and when somebody has set a retention. Nodes that do so at once take turns: each
// step holds the conversation and goes on from what its row says.
func (e *Engine) keepRetaining(ctx context.Context) {
	var left traces
	e.keep(ctx, retainInterval, e.retaining, "expire messages", func(ctx context.Context) error { return e.retain(ctx, &left) })
}

// traces is what this node knows of what expired messages left in the store's files.
type traces struct {
	some     bool
	scrubbed time.Time
}

// retain empties all messages whose time is over.
func (e *Engine) retain(ctx context.Context, left *traces) error {
	orgs, err := e.cfg.Store.RetainingOrgs(ctx)
	if err != nil {
		return fmt.Errorf("list orgs: %w", err)
	}
	for _, org := range orgs {
		some, failed := e.retainOrg(ctx, org)
		left.some = left.some || some
		err = errors.Join(err, failed)
	}
	s, ok := e.cfg.Store.(parley.Scrubber)
	if now := e.cfg.Now(); ok && left.some && now.Sub(left.scrubbed) >= scrubInterval {
		if failed := s.Scrub(ctx); failed != nil {
			return errors.Join(err, fmt.Errorf("scrub the store: %w", failed))
		}
		*left = traces{scrubbed: now}
	}
	return err
}

// retainOrg goes through the conversations of an org; some says that a message was
// emptied. A conversation that fails is tried again in the next round.
func (e *Engine) retainOrg(ctx context.Context, org parley.OrgID) (some bool, err error) {
	var after parley.ConversationID
	for {
		list, failed := e.cfg.Store.Expiring(ctx, org, e.now(), after, retainPage)
		if failed != nil {
			return some, errors.Join(err, failed)
		}
		for _, id := range list {
			for done := false; !done; {
				var n int
				n, done, failed = e.expire(ctx, org, id)
				some = some || n > 0
				if failed != nil {
					err = errors.Join(err, fmt.Errorf("conversation %s: %w", id, failed))
					break
				}
			}
			after = id
		}
		if len(list) < retainPage {
			return some, err
		}
	}
}

// expire empties the next messages of a conversation whose time is over, in one
// transaction, and returns how many; done says that there are no more.
func (e *Engine) expire(ctx context.Context, org parley.OrgID, id parley.ConversationID) (n int, done bool, err error) {
	err = e.transact(ctx, &parley.Principal{Org: org}, func(w *write) error {
		n, done = 0, false
		c, err := w.Conversation(org, id)
		if err != nil {
			return fmt.Errorf("hold it: %w", err)
		}
		r, err := w.Retention(org, id)
		if err != nil {
			return err
		}
		general, err := w.Retention(org, parley.ConversationID{})
		if err != nil {
			return err
		}
		days := parley.DaysFor(r, general)
		if done = days == 0; done {
			return nil // said meanwhile
		}
		n, done, err = w.expire(c, r, w.now.Add(-time.Duration(days)*parley.RetentionDay))
		return err
	})
	return n, done, err
}

// expire empties messages from before a time, which one event tells.
func (w *write) expire(c *parley.Conversation, r *parley.Retention, before time.Time) (n int, done bool, err error) {
	list, err := w.MessagesBy(c.Org, c.ID, "", r.ExpiredTo, retainUnits)
	if err != nil {
		return 0, false, err
	}
	if done = len(list) < retainUnits; done {
		r.OldestAt = w.now // whatever comes now
	}
	over, words := list, []*parley.Message{}
	for i := range list {
		m := &list[i]
		if m.CreatedAt.After(before) {
			over, done, r.OldestAt = list[:i], true, m.CreatedAt
			break
		}
		if !m.Deleted {
			words = append(words, m)
		}
	}
	if len(over) > 0 {
		r.ExpiredTo = over[len(over)-1].Seq
	}
	if err := w.SetRetention(r); err != nil || len(words) == 0 {
		return 0, done, err
	}
	return len(words), done, w.emptyAll(c, words, r.ExpiredTo)
}

// emptyAll makes messages what a deletion makes of one.
func (w *write) emptyAll(c *parley.Conversation, all []*parley.Message, to uint64) error {
	ev := w.event(c, parley.MessagesExpired, &parley.ExpiredBody{Conversation: c.ID, From: all[0].Seq, To: to})
	for _, m := range all {
		w.released = w.released || len(m.Attachments) > 0
		if err := w.forget(c, m); err != nil {
			return err
		}
		m.Empty()
		m.ChangeSeq = ev.ChangeSeq
		if err := w.UpdateMessage(m, c.Org); err != nil {
			return fmt.Errorf("empty message %s: %w", m.ID, err)
		}
	}
	return firstError(w.append(ev), w.save(c))
}
