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
	origin := c.id
	if c.surface.echoSelf {
		origin = ""
	}
	l, err := c.srv.cfg.Hub.Attach(hub.ListenerConfig{
		Principal: *p, Dialect: c.surface.dialect.Name(), Origin: origin, Wake: c.wake, Interest: interest,
		Resume: c.hasCursor, Cursor: c.cursor, Complete: complete,
		AckCursors: c.surface.acks, TellCursors: c.hasCursor,
	})
	if errors.Is(err, hub.ErrClosed) {
		return errDraining
	}
	if err != nil {
		return err
	}
	c.listener.Store(l)
	c.wake()
	return nil
}

// listen attaches a Conn that has begun, without an interest yet.
func (c *Conn) listen(p *parley.Principal) error {
	if err := c.attach(p, parley.Interest{}, false); err != nil {
		return err
	}
	c.schedule(func(now time.Duration) { c.admitted(p, now) })
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
	c.schedule(func(time.Duration) { c.clock[dueResume] = 0 })
	l.GiveUp()
}

// authenticate takes a first-frame token, or refreshes one in band: same subject
// and org, else it is refused and the Conn keeps what it had.
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
		c.fail(parley.Failure{Err: parley.Errorf(parley.CodeForbidden, "the new token is of another subject; the old one stays"), Command: cmd})
	default:
		c.principal.Store(p)
		c.listener.Load().Refresh(*p)
		c.schedule(func(now time.Duration) { c.admitted(p, now) })
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
		post.Origin = c.id
		cmd = post
		if c.surface.posts {
			// Who speaks in a session hears it: the answer must not be missed because
			// the subscription comes after it.
			c.join(ctx, l, post.Conversation)
		}
	}
	if typing, ok := cmd.(parley.SetTyping); ok {
		typing.Origin = c.id
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
}

// join subscribes to a conversation without an acknowledgement, where the
// principal may hear it and has not asked already.
func (c *Conn) join(ctx context.Context, l *hub.Listener, id parley.ConversationID) {
	if l.Names(id) || l.Interests() >= c.srv.cfg.Limits.Subscriptions || c.mayHear(ctx, id) != nil {
		return
	}
	l.Subscribe(&parley.Subscribe{Interest: parley.Interest{Conversations: []parley.ConversationID{id}}}, nil)
}

// subscribe grants what of an interest the principal may hear, and refuses the
// rest by name.
func (c *Conn) subscribe(ctx context.Context, l *hub.Listener, cmd parley.Subscribe) {
	granted, refusals := c.grant(ctx, cmd, l.Interests())
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
	c.schedule(func(time.Duration) { c.clock[dueResume] = 0 })
	have := l.Interests()
	var subs []parley.Subscribe
	var replies []parley.Reply
	for _, sub := range cmd.Subscriptions {
		granted, refusals := c.grant(ctx, sub, have)
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

// grant checks every name of an interest (P6: at subscribe, and again at every
// delivery). have is how much is asked for already. granted is nil where nothing
// is left of it.
func (c *Conn) grant(ctx context.Context, sub parley.Subscribe, have int) (granted *parley.Subscribe, refusals []parley.Failure) {
	refuse := func(err error, of parley.Subscribe, pattern string) {
		refusals = append(refusals, parley.Failure{Err: parley.AsError(err), Command: of, Ref: sub.Ref, Pattern: pattern})
	}
	if have+sub.Interest.Size() > c.srv.cfg.Limits.Subscriptions {
		refuse(parley.Errorf(parley.CodeRateLimited, "a connection may subscribe to at most %d things", c.srv.cfg.Limits.Subscriptions), sub, "")
		return nil, refusals
	}
	wasEmpty := sub.Interest.Empty()
	out := sub
	out.Interest, out.Conversations = parley.Interest{}, nil
	for _, id := range sub.Interest.Conversations {
		if err := c.mayHear(ctx, id); err != nil {
			named := []parley.ConversationID{id}
			refuse(err, parley.Subscribe{Interest: parley.Interest{Conversations: named}, Conversations: named}, "")
			continue
		}
		out.Interest.Conversations = append(out.Interest.Conversations, id)
		if len(sub.Conversations) > 0 {
			out.Conversations = append(out.Conversations, id)
		}
	}
	for _, id := range sub.Interest.Runs {
		if err := c.mayHearRun(ctx, id); err != nil {
			refuse(err, parley.Subscribe{Interest: parley.Interest{Runs: []parley.RunID{id}}}, "")
			continue
		}
		out.Interest.Runs = append(out.Interest.Runs, id)
	}
	for i := range sub.Interest.Patterns {
		if err := c.mayMatch(ctx, &sub.Interest.Patterns[i]); err != nil {
			refuse(err, parley.Subscribe{Ref: sub.Ref}, sub.Interest.Patterns[i].Text)
			continue
		}
		out.Interest.Patterns = append(out.Interest.Patterns, sub.Interest.Patterns[i])
	}
	if out.Interest.Empty() && !wasEmpty {
		return nil, refusals
	}
	return &out, refusals
}

// errNoSession is what a conversation that one may not hear looks like, whether it
// exists or not.
var errNoSession = parley.Errorf(parley.CodeNotFound, "there is no such conversation")

// mayHear reports nil where the principal is in the conversation.
func (c *Conn) mayHear(ctx context.Context, id parley.ConversationID) error {
	p := c.principal.Load()
	if !p.Can(parley.ScopeConversationsRead) {
		return parley.Errorf(parley.CodeForbidden, "the token does not allow conversations:read")
	}
	stays, err := c.srv.cfg.Store.Stays(ctx, p.Org, id)
	if err != nil {
		return err
	}
	for i := range stays {
		if stays[i].Principal == p.ID && stays[i].Open() {
			return nil
		}
	}
	return errNoSession
}

func (c *Conn) mayHearRun(ctx context.Context, id parley.RunID) error {
	run, err := c.srv.cfg.Store.Run(ctx, c.principal.Load().Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return errNoSession
	}
	if err != nil {
		return err
	}
	return c.mayHear(ctx, run.Conversation)
}

// mayMatch checks a topic pattern: its org, its channel, and the one conversation
// it names. A wildcard needs no check of its own: without org:read it hears the
// principal's own conversations.
func (c *Conn) mayMatch(ctx context.Context, p *parley.Pattern) error {
	const org, source, resourceID = 0, 1, 4
	who := c.principal.Load()
	if p.Segments == [5]string{} && p.Any == [5]bool{} {
		_, err := parley.ParsePattern(p.Text)
		return &parley.Error{Code: parley.CodeInvalidArgument, Message: "this is not a topic pattern", Err: err}
	}
	if p.Any[org] || p.Segments[org] != string(who.Org) {
		return parley.Errorf(parley.CodeForbidden, "the token is not of that organization")
	}
	if p.Any[source] {
		return nil
	}
	channel, ofConversations := hub.ChannelOf(p.Segments[source])
	if !hub.MayHear(who, channel) {
		return parley.Errorf(parley.CodeForbidden, "the token does not allow this topic")
	}
	if !ofConversations || p.Any[resourceID] || who.Can(parley.ScopeOrgRead) {
		return nil
	}
	id, err := parley.ParseConversationID(p.Segments[resourceID])
	if err != nil {
		return nil // not a conversation's id: nothing will ever match
	}
	return c.mayHear(ctx, id)
}

// history reads the messages after a subscription's AfterSeq, clipped to the
// principal's stays.
func (c *Conn) history(ctx context.Context, sub *parley.Subscribe) ([]parley.Message, error) {
	p := c.principal.Load()
	id := sub.Interest.Conversations[0]
	stays, err := c.srv.cfg.Store.Stays(ctx, p.Org, id)
	if err != nil {
		return nil, err
	}
	conversation, err := c.srv.cfg.Store.Conversation(ctx, p.Org, id)
	if err != nil {
		return nil, err
	}
	var out []parley.Message
	size := 0
	for from := sub.AfterSeq + 1; ; {
		page, err := c.srv.cfg.Store.Messages(ctx, p.Org, id, from, 0, historyPage, false)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if visible(stays, p.ID, &page[i], conversation.Kind) {
				out = append(out, page[i])
				size += len(page[i].Content) + len(page[i].ContentMeta)
			}
		}
		if len(out) > maxHistory || size > maxHistoryBytes {
			return nil, errLongHistory
		}
		if len(page) < historyPage {
			return out, nil
		}
		from = page[len(page)-1].Seq + 1
	}
}

// Bounds of the messages told by one subscription: a Conn holds them all at once.
const (
	historyPage     = 200
	maxHistory      = 2000
	maxHistoryBytes = 4 << 20
)

var errLongHistory = errors.New("the history is too long to be told here")

func visible(stays []parley.Membership, who parley.PrincipalID, m *parley.Message, kind parley.ConversationKind) bool {
	if m.Deleted {
		return false
	}
	for i := range stays {
		s := &stays[i]
		if s.Principal == who && m.Seq >= s.FromSeq && (s.ToSeq == 0 && s.Open() || m.Seq <= s.ToSeq) {
			return !m.Internal || s.HearsInternal(kind)
		}
	}
	return false
}
