package conn

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/dialect/sniff"
	"github.com/parley-chat/parley/hub"
)

// decide settles which dialect a Conn on the shared path /ws speaks by a frame
// (contracts.md section 6). It reports false where that frame is dealt with.
func (c *Conn) decide(frame []byte) bool {
	tongue, err := sniff.First(frame)
	switch tongue {
	case sniff.Chat:
		c.speak(&c.srv.chat)
	case sniff.Bot:
		c.speak(&c.srv.bot)
	case sniff.Pages:
		// The pages' dialect needs visitors without tokens, which are off.
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeInvalidFormat, "frames need a type")})
		return false
	default:
		if err == nil {
			c.say(parley.Pong{Time: time.Now()})
		} else {
			c.fail(parley.Failure{Err: parley.AsError(err)})
		}
		return false
	}
	if p := c.principal.Load(); p != nil {
		if err := c.listen(p); err != nil {
			c.fail(parley.Failure{Err: parley.AsError(err)})
			c.close(parley.CodeUnavailable, "not available")
			return false
		}
	}
	return true
}

// speak gives the Conn its surface.
func (c *Conn) speak(s *surface) {
	c.surface = s
	c.dialectID.Store(int32(c.srv.dialects[s.dialect.Name()]))
}

// attach makes the Conn a listener.
func (c *Conn) attach(p *parley.Principal, interest parley.Interest, complete bool) error {
	origin := ""
	if !c.surface.echoSelf {
		origin = c.id()
	}
	l, err := c.srv.cfg.Hub.Attach(hub.ListenerConfig{
		Principal: p, Dialect: c.surface.dialect.Name(), Origin: origin, Writer: c, Interest: interest,
		Resume: c.hasCursor, Cursor: c.cursor, Complete: complete,
		AckCursors: c.surface.acks, TellCursors: c.hasCursor,
	})
	if errors.Is(err, hub.ErrClosed) {
		return errDraining
	}
	if err != nil {
		return err
	}
	c.cursor = "" // nobody asks for it again
	c.listener.Store(l)
	c.Wake()
	return nil
}

// listen attaches a Conn that has begun, without an interest yet.
func (c *Conn) listen(p *parley.Principal) error {
	if err := c.attach(p, parley.Interest{}, false); err != nil {
		return err
	}
	c.live(p)
	return nil
}

// act carries a command out. Commands of one Conn are carried out one after the
// other.
func (c *Conn) act(ctx context.Context, cmd parley.Command) {
	if a, ok := cmd.(parley.Authenticate); ok {
		c.authenticate(ctx, a)
		return
	}
	l := c.listener.Load()
	if l == nil {
		if _, ok := cmd.(parley.Ping); ok {
			c.say(parley.Pong{Time: time.Now()})
			return
		}
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeUnauthenticated, "authenticate first"), Command: cmd})
		return
	}
	switch cmd.(type) {
	case parley.Resume, parley.Ping:
	default:
		c.giveUp(l)
	}
	switch cmd := cmd.(type) {
	case parley.Ping:
		c.say(parley.Pong{Time: time.Now()})
	case parley.Ignore:
	case parley.Subscribe:
		c.subscribe(ctx, l, cmd)
	case parley.Unsubscribe:
		l.Unsubscribe(&cmd, parley.Unsubscribed{Request: cmd})
	case parley.Resume:
		c.resume(ctx, l, cmd)
	default:
		c.do(ctx, l, cmd)
	}
}

// giveUp gives an announced cursor up: a first frame came that is not resume
// (contracts.md section 10).
func (c *Conn) giveUp(l *hub.Listener) {
	if !l.Held() {
		return
	}
	c.schedule(func() { c.clock[dueResume] = 0 })
	l.GiveUp()
}

// authenticate takes a first-frame token, or refreshes one in band: same subject
// and org, else it is refused and the Conn keeps what it had. The code of such a
// refusal is none that a dialect spells like those that close the socket.
func (c *Conn) authenticate(ctx context.Context, cmd parley.Authenticate) {
	token := cmd.Token
	cmd.Token = "" // nothing that tells of the command tells the token
	p, err := c.srv.named(ctx, c.addr, token, c.surface)
	old := c.principal.Load()
	switch {
	case err != nil && old != nil:
		e := *parley.AsError(err)
		if e.Code == parley.CodeUnauthenticated {
			e.Code, e.Message = parley.CodeInvalidArgument, "the new token is not valid; the old one stays"
		}
		c.fail(parley.Failure{Err: &e, Command: cmd})
	case err != nil:
		c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
	case old == nil:
		c.first(p, cmd)
	case old.Org != p.Org || old.ID != p.ID:
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeInvalidArgument, "the new token is of another subject; the old one stays"), Command: cmd})
	default:
		c.principal.Store(p)
		c.listener.Load().Refresh(p)
		c.live(p)
		c.welcome(p)
	}
}

// first admits a Conn that came without a token.
func (c *Conn) first(p *parley.Principal, cmd parley.Authenticate) {
	if err := c.srv.admit(c, p, c.surface); err != nil {
		c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
		c.close(parley.AsError(err).Code, "refused")
		return
	}
	if cmd.HasCursor {
		c.cursor, c.hasCursor = cmd.Cursor, true
	}
	if err := c.listen(p); err != nil {
		c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
		c.close(parley.CodeUnavailable, "not available")
		return
	}
	c.welcome(p)
}

// welcome acknowledges a token.
func (c *Conn) welcome(p *parley.Principal) {
	if c.surface.acksAuth || c.hasCursor {
		c.say(parley.Authenticated{ExpiresAt: p.ExpiresAt})
	}
	c.srv.recheck(c)
}

// do hands a command to the engine and answers with what the surface says to it.
func (c *Conn) do(ctx context.Context, l *hub.Listener, cmd parley.Command) {
	post, posts := cmd.(parley.PostMessage)
	if posts {
		post.Origin = c.id()
		cmd = post
		if c.surface.posts {
			// Who speaks in a session hears it: the answer must not be missed because
			// the subscription comes after it.
			if err := c.join(ctx, l, post.Conversation); err != nil {
				c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
				return
			}
		}
	}
	if typing, ok := cmd.(parley.SetTyping); ok {
		typing.Origin = c.id()
		cmd = typing
	}
	result, err := c.srv.cfg.Engine.Do(ctx, c.principal.Load(), cmd)
	if err != nil {
		c.fail(parley.Failure{Err: parley.AsError(err), Command: cmd})
		return
	}
	if posts {
		c.say(parley.Accepted{Message: result.Message})
	}
	if publish, ok := cmd.(parley.PublishEvent); ok && publish.Ref != "" {
		c.say(parley.Published{Ref: publish.Ref, Event: result.Event})
	}
}

// join subscribes to a conversation without an acknowledgement, where the
// principal may hear it and has not asked already. The error says that it asks too
// often.
func (c *Conn) join(ctx context.Context, l *hub.Listener, id parley.ConversationID) error {
	if l.Names(id) || l.Interests() >= c.srv.cfg.Limits.Subscriptions {
		return nil
	}
	if err := c.spend(1); err != nil {
		return err
	}
	if c.inquire(ctx).mayHear(id) == nil {
		l.Subscribe(&parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{id}}}, nil)
	}
	return nil
}

// subscribe grants what of an interest the principal may hear, and refuses the
// rest by name.
func (c *Conn) subscribe(ctx context.Context, l *hub.Listener, cmd parley.Subscribe) {
	granted, refusals := c.inquire(ctx).grant(cmd, l.Interests())
	if granted != nil {
		ack := parley.Subscribed{Request: *granted}
		if granted.HasAfterSeq && len(granted.Interest.Conversations) == 1 {
			c.subscribeFrom(ctx, l, granted, ack)
		} else {
			l.Subscribe(granted, ack)
		}
	}
	for _, f := range refusals {
		c.fail(f)
	}
}

// subscribeFrom subscribes to one conversation with its earlier messages. Where
// they are too many to be told here, the client is told to fetch them.
func (c *Conn) subscribeFrom(ctx context.Context, l *hub.Listener, sub *parley.Subscribe, ack parley.Reply) {
	err := l.SubscribeWithHistory(sub, ack, func() ([]parley.Message, error) { return c.history(ctx, sub) })
	switch {
	case errors.Is(err, errLongHistory):
		c.say(parley.Reload{Time: time.Now(), Reason: errLongHistory.Error(), Conversation: sub.Interest.Conversations[0]})
	case err != nil:
		c.fail(parley.Failure{Err: parley.AsError(err), Command: *sub})
	}
}

// resume grants the whole set at once; the replay begins with what was granted.
func (c *Conn) resume(ctx context.Context, l *hub.Listener, cmd parley.Resume) {
	c.schedule(func() { c.clock[dueResume] = 0 })
	have, ask := l.Interests(), c.inquire(ctx)
	ask.returning = l.Held()
	var subs []parley.Subscribe
	var replies []parley.Reply
	for _, sub := range cmd.Subscriptions {
		granted, refusals := ask.grant(sub, have)
		if granted != nil {
			have += granted.Interest.Size()
			subs = append(subs, *granted)
			replies = append(replies, parley.Subscribed{Request: *granted})
		}
		for _, f := range refusals {
			replies = append(replies, f)
		}
	}
	l.Resume(subs, replies)
}
