package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

func (e *Engine) publishEvent(ctx context.Context, p *parley.Principal, cmd parley.PublishEvent) (parley.Result, error) {
	pub, err := e.checkPublish(p, cmd)
	if err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.published(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	if e.ephemeral[pub.Type] {
		return e.publishLive(ctx, p, pub)
	}
	var result parley.Result
	err = e.update(ctx, p, func(w *write) (err error) {
		result, err = w.publish(pub)
		return err
	})
	return result, err
}

// hash tells whether the same was published before under the same key.
func (pub *publishing) hash() []byte {
	h := sha256.New()
	part := func(s string) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	part(string(pub.Type))
	part(pub.Channel)
	part(string(pub.Data))
	for _, t := range pub.Targets {
		part(string(t))
	}
	return h.Sum(nil)
}

// event makes the event, still without audience.
func (pub *publishing) event(e *Engine, p *parley.Principal, class parley.Class) *parley.Event {
	return &parley.Event{
		ID: e.cfg.IDs.NewID(), Org: p.Org, Type: pub.Type, Class: class, Time: e.now(),
		Actor: p.ID, ActorKind: p.Kind, Channel: pub.Channel,
		Body: &parley.PublishedBody{Data: pub.Data, ResourceID: pub.resource},
	}
}

// address sets whom the event concerns: those targets who are among the members
// of the conversation, where both are named; its members; the targets; or else
// the channel.
func (pub *publishing) address(ev *parley.Event, c *parley.Conversation, isMember func(parley.PrincipalID) bool) {
	switch {
	case len(pub.Targets) == 0 && c != nil:
		ev.Conversation, ev.ChangeSeq = c.ID, c.ChangeSeq
	case c != nil:
		ev.Targets = []parley.PrincipalID{}
		for _, t := range pub.Targets {
			if isMember(t) {
				ev.Targets = append(ev.Targets, t)
			}
		}
	default:
		ev.Targets = pub.Targets
	}
}

// publish stores the event; under a key that is known already it answers with
// what was published first. What it refuses, with an *Error, it refuses before it
// has written anything.
func (w *write) publish(pub *publishing) (parley.Result, error) {
	ev := pub.event(w.engine, w.caller, parley.Durable)
	ev.Time = w.now
	c, members, err := w.audience(pub)
	if err != nil {
		return parley.Result{}, err
	}
	repeated, hash, err := w.published(pub, ev)
	if err != nil {
		return parley.Result{}, err
	}
	if !repeated && c != nil && len(pub.Targets) == 0 {
		c.ChangeSeq++
		c.LastActivity = w.now
	}
	pub.address(ev, c, func(id parley.PrincipalID) bool { return members[id] })
	result := parley.Result{Event: ev, Repeated: repeated}
	if repeated {
		return result, nil
	}
	if c != nil && len(ev.Targets) == 0 && len(pub.Targets) > 0 {
		return parley.Result{}, errNoTarget()
	}
	if hash != nil {
		if err := w.RecordPublished(ev.Org, ev.Actor, pub.IdempotencyKey, ev.ID, ev.Time, hash); err != nil {
			return parley.Result{}, fmt.Errorf("record published event: %w", err)
		}
	}
	if err := w.append(ev); err != nil {
		return parley.Result{}, err
	}
	if ev.Conversation.IsZero() {
		return result, nil
	}
	return result, w.save(c)
}

// audience reads the conversation the data names, nil for none, and its members
// where targets are to be found among them.
func (w *write) audience(pub *publishing) (*parley.Conversation, map[parley.PrincipalID]bool, error) {
	if pub.conversation.IsZero() {
		return nil, nil, nil
	}
	c, _, err := w.conversation(pub.conversation)
	if err != nil && w.caller.Can(parley.ScopeSystemPublish) && errors.Is(err, parley.ErrNotFound) {
		c, err = w.Conversation(w.caller.Org, pub.conversation)
		if err == nil && c.Status == parley.StatusDeleted {
			err = parley.ErrNotFound
		}
		if errors.Is(err, parley.ErrNotFound) {
			err = errNoConversation(err)
		}
	}
	if err != nil || len(pub.Targets) == 0 {
		return c, nil, err
	}
	stays, err := w.Members(c.Org, c.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("read members of %s: %w", c.ID, err)
	}
	members := make(map[parley.PrincipalID]bool, len(stays))
	for i := range stays {
		members[stays[i].Principal] = true
	}
	return c, members, nil
}

// published looks for what was published under the idempotency key: where it was
// the same request it gives ev the id and time of that event, where there was none
// it returns the hash to remember it by, nil without a key.
func (w *write) published(pub *publishing, ev *parley.Event) (repeated bool, hash []byte, err error) {
	if pub.IdempotencyKey == "" {
		return false, nil, nil
	}
	hash = pub.hash()
	id, at, before, err := w.Published(ev.Org, ev.Actor, pub.IdempotencyKey)
	switch {
	case err == nil && !bytes.Equal(hash, before):
		return false, nil, parley.Errorf(parley.CodeConflict, "another event was published under this idempotency_key")
	case err == nil:
		ev.ID, ev.Time = id, at
		return true, nil, nil
	case !errors.Is(err, parley.ErrNotFound):
		return false, nil, fmt.Errorf("find published event: %w", err)
	}
	return false, hash, nil
}

// publishLive tells an event of an ephemeral type. It is not stored, so an
// idempotency key means nothing.
func (e *Engine) publishLive(ctx context.Context, p *parley.Principal, pub *publishing) (parley.Result, error) {
	ev := pub.event(e, p, parley.Ephemeral)
	c, members, err := e.liveAudience(ctx, p, pub)
	if err != nil {
		return parley.Result{}, err
	}
	pub.address(ev, c, func(id parley.PrincipalID) bool { return members[id] })
	if c != nil && len(ev.Targets) == 0 && len(pub.Targets) > 0 {
		return parley.Result{}, errNoTarget()
	}
	e.tellLive(ev)
	return parley.Result{Event: ev}, nil
}

// liveAudience is audience outside of a transaction.
func (e *Engine) liveAudience(ctx context.Context, p *parley.Principal, pub *publishing) (*parley.Conversation, map[parley.PrincipalID]bool, error) {
	if pub.conversation.IsZero() {
		return nil, nil, nil
	}
	a, err := e.audience(ctx, p.Org, pub.conversation)
	if err != nil {
		return nil, nil, err
	}
	if !a.members[p.ID] && !p.Can(parley.ScopeSystemPublish) {
		return nil, nil, errNoConversation(nil)
	}
	return a.Conversation, a.members, nil
}

func errNoTarget() error {
	return invalid("targets", "none of the targets is a member of the conversation")
}
