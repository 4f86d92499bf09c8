package engine

import (
	"context"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// typingInterval bounds how often one person's typing in one conversation is told
// again while nothing changes.
const typingInterval = time.Second

// typists knows who types, as far as this node was told: typing ends by itself
// Limits.TypingTTL after it was last said, and with the typist's message.
type typists struct {
	engine *Engine

	mu sync.Mutex
	m  map[typingKey]*typist
}

type typingKey struct {
	org          parley.OrgID
	conversation parley.ConversationID
	principal    parley.PrincipalID
}

type typist struct {
	on        bool
	body      parley.TypingBody
	changeSeq uint64
	told      time.Time // when it was last told
	timer     *time.Timer
}

func (e *Engine) setTyping(ctx context.Context, p *parley.Principal, cmd parley.SetTyping) (parley.Result, error) {
	if err := e.limits.typed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	k := typingKey{p.Org, cmd.Conversation, p.ID}
	if e.typing.refresh(k, cmd.On) {
		return parley.Result{}, nil
	}
	c, err := e.audience(ctx, p.Org, cmd.Conversation)
	if err != nil {
		return parley.Result{}, err
	}
	if !c.members[p.ID] {
		return parley.Result{}, errNoConversation(nil)
	}
	if c.Status != parley.StatusActive {
		return parley.Result{}, errClosed()
	}
	body := parley.TypingBody{Principal: p.ID, Kind: p.Kind, Name: p.Name, Origin: cmd.Origin}
	return parley.Result{Event: e.typing.set(k, cmd.On, c.ChangeSeq, body)}, nil
}

// refresh reports whether there is nothing to tell: the same was told within the
// last second. Typing that goes on lives on by it.
func (t *typists) refresh(k typingKey, on bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.m[k]
	if s == nil || s.on != on || time.Since(s.told) >= typingInterval {
		return false
	}
	if on {
		s.timer.Reset(t.engine.cfg.Limits.TypingTTL)
	}
	return true
}

// set records what was said and tells it.
func (t *typists) set(k typingKey, on bool, changeSeq uint64, body parley.TypingBody) *parley.Event {
	t.mu.Lock()
	s := t.m[k]
	if s == nil {
		if t.m == nil {
			t.m = map[typingKey]*typist{}
		}
		s = &typist{}
		t.m[k] = s
		s.timer = time.AfterFunc(t.engine.cfg.Limits.TypingTTL, func() { t.expire(k, s) })
	}
	s.timer.Reset(t.engine.cfg.Limits.TypingTTL)
	s.on, s.body, s.changeSeq, s.told = on, body, changeSeq, time.Now()
	ev := t.event(k, s)
	t.mu.Unlock()
	t.engine.tellLive(ev)
	return ev
}

func (t *typists) event(k typingKey, s *typist) *parley.Event {
	kind := parley.TypingStopped
	if s.on {
		kind = parley.TypingStarted
	}
	body := s.body
	return t.engine.liveEvent(k.org, k.conversation, s.changeSeq, kind, body.Principal, body.Kind, &body)
}

// expire forgets a typist and, where the typing lasted until now, tells its end.
func (t *typists) expire(k typingKey, s *typist) { t.end(k, s, 0) }

// posted ends the typing of who posted a message, after that message.
func (t *typists) posted(c *parley.Conversation, p *parley.Principal) {
	t.end(typingKey{c.Org, c.ID, p.ID}, nil, c.ChangeSeq)
}

// end forgets the typist of k, if it is s or s is nil, and tells the end of its
// typing, not before changeSeq.
func (t *typists) end(k typingKey, s *typist, changeSeq uint64) {
	t.mu.Lock()
	now := t.m[k]
	if now == nil || s != nil && s != now {
		t.mu.Unlock()
		return
	}
	now.timer.Stop()
	delete(t.m, k)
	if !now.on {
		t.mu.Unlock()
		return
	}
	now.on, now.changeSeq = false, max(now.changeSeq, changeSeq)
	ev := t.event(k, now)
	t.mu.Unlock()
	t.engine.tellLive(ev)
}

// stop forgets everybody without a word.
func (t *typists) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.m {
		s.timer.Stop()
	}
	t.m = nil
}
