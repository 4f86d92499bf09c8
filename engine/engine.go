// Package engine decides what may happen and sees that it is kept: it is the only
// writer. A command is authorized, validated and limited, and then stored as rows
// and event in one transaction; what it answers is committed (design.md section
// 2, P1). It also keeps agents' runs: their text goes to the run log first and is
// told only once it is there (design.md section 7).
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// Config is what an Engine is made of. Store, Bus, RunLog, IDs, Limits and Node
// are needed.
type Config struct {
	Store  parley.Store
	Bus    parley.Bus
	RunLog parley.RunLog
	IDs    parley.IDs
	// Now tells the time; nil is time.Now. Stored times are its milliseconds, UTC.
	Now    func() time.Time
	Limits parley.Limits
	// Node is this process among those that share the store, unique while it lives.
	Node string
	// Solo says that no other process shares the store, so that every run of another
	// owner is an orphan at once.
	Solo bool
	// Blobs is where the bytes of attachments lie; nil: none are taken.
	Blobs parley.Blobs
	// AttachmentTypes are the content types that may be uploaded, spelled like
	// parley.DefaultAttachmentTypes; nil is those.
	AttachmentTypes []string
	// Committed is called after each commit that held an event, and must not block
	// (the relay's Poke); nil where nobody wants to know.
	Committed func()
	// EraseDelay is how long after the end of a user's logins the erasure of what it said
	// begins, by when every node knows of the former; zero is 5 s, less none.
	EraseDelay time.Duration
	// EphemeralTypes are the custom types that are never stored.
	EphemeralTypes []string
	// Agents are the agents that live in this process; Org is ignored: each is
	// known in every org.
	Agents []parley.Principal
	// Logger hears of trouble; nil discards.
	Logger *slog.Logger
}

// Engine carries out commands. All its methods may be called concurrently.
type Engine struct {
	cfg Config

	ephemeral map[parley.EventType]bool
	agents    map[parley.PrincipalID]parley.Principal
	seen      *recent[principalKey, parley.Principal]
	limits    limiters
	typing    typists
	audiences audiences
	tape      tape
	quiet     quiet         // of the live bus
	released  chan struct{} // wakes sweeping

	// ctx ends in Stop; what the engine does on its own account hangs on it.
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows; nothing is called under it
	stopping bool
	runs     map[parley.RunID]*RunWriter
	lease    time.Time // until when this node may tell what runs say

	recovering sync.Mutex // one Recover at a time

	erasing   chan struct{} // has a value where an erasure may be to do
	retaining chan struct{} // has a value where a retention was set
}

// New makes an Engine. It does nothing by itself until Run; Stop ends it.
func New(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Committed == nil {
		c.Committed = func() {}
	}
	if c.EraseDelay == 0 {
		c.EraseDelay = eraseDelay
	}
	if c.AttachmentTypes == nil {
		c.AttachmentTypes = parley.DefaultAttachmentTypes()
	}
	e := &Engine{
		cfg:       c,
		released:  make(chan struct{}, 1),
		ephemeral: map[parley.EventType]bool{},
		agents:    map[parley.PrincipalID]parley.Principal{},
		seen:      newRecent[principalKey, parley.Principal](cacheSize),
		limits:    newLimiters(c.Limits),
		runs:      map[parley.RunID]*RunWriter{},
		erasing:   make(chan struct{}, 1),
		retaining: make(chan struct{}, 1),
	}
	for _, t := range c.EphemeralTypes {
		e.ephemeral[parley.EventType(t)] = true
	}
	for _, a := range c.Agents {
		a.Kind = parley.KindAgent
		e.agents[a.ID] = a
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.typing.engine, e.tape.engine = e, e
	return e
}

// Do carries out a command on behalf of p. An error is an *Error; nothing was
// stored then. A conversation that does not exist, is another org's, or in which
// p has no open stay is CodeNotFound all the same.
func (e *Engine) Do(ctx context.Context, p *parley.Principal, cmd parley.Command) (parley.Result, error) {
	result, err := e.do(ctx, p, cmd)
	if err != nil {
		failure := parley.AsError(err)
		if failure.Code == parley.CodeInternal && ctx.Err() == nil { // a caller that went away is no news
			e.cfg.Logger.Error("engine: command failed", "command", fmt.Sprintf("%T", cmd), "org", p.Org, "err", err)
		}
		return parley.Result{}, failure
	}
	return result, nil
}

func (e *Engine) do(ctx context.Context, p *parley.Principal, cmd parley.Command) (parley.Result, error) {
	if a, ok := e.agents[p.ID]; ok && p.Kind != a.Kind {
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "this id belongs to an agent")
	}
	scope := parley.ScopeConversationsWrite
	switch cmd.(type) {
	case parley.PublishEvent, parley.PublishBatch:
		scope = parley.ScopeEventsPublish
	}
	if !p.Can(scope) {
		return parley.Result{}, parley.Errorf(parley.CodeForbidden, "the scope %s is needed", scope)
	}
	switch cmd := cmd.(type) {
	case parley.CreateConversation:
		return e.createConversation(ctx, p, cmd)
	case parley.CloseConversation:
		return e.closeConversation(ctx, p, cmd)
	case parley.AddMembers:
		return e.addMembers(ctx, p, cmd)
	case parley.RemoveMember:
		return e.removeMember(ctx, p, cmd)
	case parley.PostMessage:
		return e.postMessage(ctx, p, cmd)
	case parley.SetTyping:
		return e.setTyping(ctx, p, cmd)
	case parley.PublishEvent:
		return e.publishEvent(ctx, p, cmd)
	case parley.PublishBatch:
		return e.publishBatch(ctx, p, cmd)
	case parley.EditMessage:
		return e.editMessage(ctx, p, cmd)
	case parley.DeleteMessage:
		return e.deleteMessage(ctx, p, cmd)
	case parley.ForwardMessage:
		return e.forwardMessage(ctx, p, cmd)
	case parley.React:
		return e.react(ctx, p, cmd)
	case parley.MoveReceipts:
		return e.moveReceipts(ctx, p, cmd)
	}
	return e.doSeldom(ctx, p, cmd)
}

// doSeldom carries out the commands that are not the daily bread.
func (e *Engine) doSeldom(ctx context.Context, p *parley.Principal, cmd parley.Command) (parley.Result, error) {
	switch cmd := cmd.(type) {
	case parley.UpdateConversation:
		return e.updateConversation(ctx, p, cmd)
	case parley.DeleteConversation:
		if cmd.ForEveryone {
			return e.deleteConversation(ctx, p, cmd.Conversation)
		}
		return e.hideConversation(ctx, p, cmd.Conversation)
	case parley.SetRole:
		return e.setRole(ctx, p, cmd)
	case parley.MuteConversation:
		return e.muteConversation(ctx, p, cmd)
	case parley.ArchiveConversation:
		return e.archiveConversation(ctx, p, cmd)
	case parley.BlockPrincipal:
		return e.blockPrincipal(ctx, p, cmd)
	case parley.BeginUpload:
		return e.beginUpload(ctx, p, cmd)
	case parley.CreateTask:
		return e.createTask(ctx, p, cmd)
	case parley.UpdateTask:
		return e.updateTask(ctx, p, cmd)
	case parley.StreamTask:
		return e.streamTask(ctx, p, cmd)
	case parley.EraseUser:
		return e.eraseUser(ctx, p, cmd)
	case parley.SetRetention:
		return e.setRetention(ctx, p, cmd)
	}
	return parley.Result{}, fmt.Errorf("%T is not a command of the engine", cmd)
}

// now is the time as it is stored: whole milliseconds, so that what is read back
// equals what was answered.
func (e *Engine) now() time.Time { return e.cfg.Now().UTC().Truncate(time.Millisecond) }

// raceRetries bounds how often a write is begun again because another one took
// its unique key in between.
const raceRetries = 3

// update runs fn as one transaction of p's, in which the store also hears of p
// where it has not yet.
func (e *Engine) update(ctx context.Context, p *parley.Principal, fn func(w *write) error) error {
	if e.knows(p) {
		return e.transact(ctx, p, fn)
	}
	err := e.transact(ctx, p, func(w *write) error {
		if err := w.UpsertPrincipal(p); err != nil {
			return fmt.Errorf("remember principal: %w", err)
		}
		return fn(w)
	})
	if err == nil {
		e.remember(p)
	}
	return err
}

// transact runs fn as one transaction on behalf of p. Where a unique key was taken
// in between (ErrConflict) it runs again, and finds what took it.
func (e *Engine) transact(ctx context.Context, p *parley.Principal, fn func(w *write) error) error {
	var w *write
	attempt := func(tx parley.Tx) error {
		w = &write{Tx: tx, engine: e, caller: p, now: e.now()}
		return fn(w)
	}
	err := e.cfg.Store.Update(ctx, attempt)
	for range raceRetries {
		if !errors.Is(err, parley.ErrConflict) {
			break
		}
		err = e.cfg.Store.Update(ctx, attempt)
	}
	// A commit that failed may be one whose answer was lost.
	if w != nil {
		for _, id := range w.touched {
			e.audiences.changed(conversationKey{p.Org, id})
		}
	}
	if err == nil && w.appended {
		e.cfg.Committed()
	}
	if err == nil && w.released {
		e.wakeSweep()
	}
	return err
}

// write is one transaction of one caller.
type write struct {
	parley.Tx
	engine   *Engine
	caller   *parley.Principal
	now      time.Time
	appended bool
	touched  []parley.ConversationID // those that were written to
	released bool                    // attachments may have nobody left who carries them
}

// conversation reads a conversation and holds it, with the caller's stay.
func (w *write) conversation(id parley.ConversationID) (*parley.Conversation, *parley.Membership, error) {
	c, err := w.Conversation(w.caller.Org, id)
	if err == nil && c.Status == parley.StatusDeleted {
		err = parley.ErrNotFound
	}
	if errors.Is(err, parley.ErrNotFound) {
		return nil, nil, errNoConversation(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read conversation %s: %w", id, err)
	}
	m, err := w.Member(w.caller.Org, id, w.caller.ID)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, nil, errNoConversation(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read stay in %s: %w", id, err)
	}
	return c, m, nil
}

// errNoConversation is what every caller hears who may not know of a
// conversation, whether there is one or not.
func errNoConversation(cause error) error {
	return &parley.Error{Code: parley.CodeNotFound, Message: "there is no such conversation", Err: cause}
}

// event makes the next durable event of a conversation and takes its change_seq.
func (w *write) event(c *parley.Conversation, t parley.EventType, body parley.Body) *parley.Event {
	c.ChangeSeq++
	if isActivity(t) {
		c.LastActivity = w.now
	}
	return &parley.Event{
		ID: w.engine.cfg.IDs.NewID(), Org: c.Org, Type: t, Class: parley.Durable, Time: w.now,
		Actor: w.caller.ID, ActorKind: w.caller.Kind,
		Conversation: c.ID, ChangeSeq: c.ChangeSeq, Channel: parley.ChannelConversation, Body: body,
	}
}

// isActivity reports whether an event brings its conversation to the top of its
// members' lists: what is said, who comes and goes, what it is called. That somebody
// has read or likes something does not.
func isActivity(t parley.EventType) bool {
	switch t {
	case parley.MessageCreated, parley.RunEnded, parley.MemberJoined, parley.MemberLeft,
		parley.ConversationCreated, parley.ConversationUpdated, parley.ConversationClosed:
		return true
	}
	return false
}

// append stores an event.
func (w *write) append(ev *parley.Event) error {
	if err := w.AppendEvent(ev); err != nil {
		return fmt.Errorf("append %s: %w", ev.Type, err)
	}
	w.appended = true
	if !ev.Conversation.IsZero() {
		w.touched = append(w.touched, ev.Conversation)
	}
	return nil
}

// save writes the numbers a conversation took.
func (w *write) save(c *parley.Conversation) error {
	if err := w.UpdateConversation(c); err != nil {
		return fmt.Errorf("update conversation %s: %w", c.ID, err)
	}
	return nil
}
