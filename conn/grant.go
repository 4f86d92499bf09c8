package conn

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/hub"
)

// inquiry is what the store was asked for one frame: a name that the frame holds
// many times is looked up once.
type inquiry struct {
	*Conn
	ctx context.Context
	// returning lets a principal name what it has left meanwhile: its replay is
	// clipped to its stays, and ends with its leave.
	returning     bool
	conversations map[parley.ConversationID]error
	runs          map[parley.RunID]error
	tasks         map[parley.TaskID]error
}

func (c *Conn) inquire(ctx context.Context) *inquiry {
	return &inquiry{Conn: c, ctx: ctx, conversations: map[parley.ConversationID]error{}, runs: map[parley.RunID]error{}, tasks: map[parley.TaskID]error{}}
}

// grant checks every name of an interest (P6: at subscribe, and again at every
// delivery). have is how much is asked for already. granted is nil where nothing
// is left of it.
func (q *inquiry) grant(sub parley.Subscribe, have int) (granted *parley.Subscribe, refusals []parley.Failure) {
	refuse := func(err error, of parley.Subscribe, pattern string) {
		refusals = append(refusals, parley.Failure{Err: parley.AsError(err), Command: of, Ref: sub.Ref, Pattern: pattern})
	}
	if have+sub.Interest.Size() > q.srv.cfg.Limits.Subscriptions {
		refuse(parley.Errorf(parley.CodeRateLimited, "a connection may subscribe to at most %d things", q.srv.cfg.Limits.Subscriptions), sub, "")
		return nil, refusals
	}
	if err := q.spend(sub.Interest.Size()); err != nil {
		refuse(err, sub, "")
		return nil, refusals
	}
	wasEmpty := sub.Interest.Empty()
	out := sub
	out.Interest, out.Conversations = parley.Interest{}, nil
	for _, id := range sub.Interest.Conversations {
		if err := q.mayHear(id); err != nil {
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
		if err := q.mayHearRun(id); err != nil {
			refuse(err, parley.Subscribe{Interest: parley.Interest{Runs: []parley.RunID{id}}}, "")
			continue
		}
		out.Interest.Runs = append(out.Interest.Runs, id)
	}
	for _, id := range sub.Interest.Tasks {
		if err := q.mayHearTask(id); err != nil {
			refuse(err, parley.Subscribe{Interest: parley.Interest{Tasks: []parley.TaskID{id}}}, "")
			continue
		}
		out.Interest.Tasks = append(out.Interest.Tasks, id)
	}
	for i := range sub.Interest.Patterns {
		if err := q.mayMatch(&sub.Interest.Patterns[i]); err != nil {
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
func (q *inquiry) mayHear(id parley.ConversationID) error {
	if !q.principal.Load().Can(parley.ScopeConversationsRead) {
		return parley.Errorf(parley.CodeForbidden, "the token does not allow conversations:read")
	}
	err, known := q.conversations[id]
	if !known {
		err = q.isIn(id)
		q.conversations[id] = err
	}
	return err
}

// isIn asks the hub before the store, which has the members of a conversation that
// many ask for read once: each reading is as long as the conversation is large. What the
// hub knows may be a moment old, and is asked again at each delivery.
func (q *inquiry) isIn(id parley.ConversationID) error {
	if l := q.listener.Load(); l != nil && l.In(q.ctx, id, q.returning) {
		return nil
	}
	p := q.principal.Load()
	stays, err := q.srv.cfg.Store.Stays(q.ctx, p.Org, id)
	if err != nil {
		return err
	}
	for i := range stays {
		if stays[i].Principal == p.ID && (q.returning || stays[i].Open()) {
			return nil
		}
	}
	return errNoSession
}

func (q *inquiry) mayHearRun(id parley.RunID) error {
	err, known := q.runs[id]
	if !known {
		err = q.hearsRun(id)
		q.runs[id] = err
	}
	return err
}

func (q *inquiry) hearsRun(id parley.RunID) error {
	run, err := q.srv.cfg.Store.Run(q.ctx, q.principal.Load().Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return errNoSession
	}
	if err != nil {
		return err
	}
	return q.mayHear(run.Conversation)
}

func (q *inquiry) mayHearTask(id parley.TaskID) error {
	err, known := q.tasks[id]
	if !known {
		err = q.hearsTask(id)
		q.tasks[id] = err
	}
	return err
}

func (q *inquiry) hearsTask(id parley.TaskID) error {
	task, err := q.srv.cfg.Store.Task(q.ctx, q.principal.Load().Org, id)
	if errors.Is(err, parley.ErrNotFound) {
		return errNoSession
	}
	if err != nil {
		return err
	}
	return q.mayHear(task.Conversation)
}

// mayMatch checks a topic pattern: its org, its channel, and the one conversation
// it names. A wildcard needs no check of its own: without org:read it hears the
// principal's own conversations.
func (q *inquiry) mayMatch(p *parley.Pattern) error {
	const org, source, resourceID = 0, 1, 4
	who := q.principal.Load()
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
	return q.mayHear(id)
}
