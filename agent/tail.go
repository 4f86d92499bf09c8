package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// tail is the worker's place in one org's log. Only waiting is shared.
type tail struct {
	worker    *Worker
	org       parley.OrgID
	at        parley.Position // read up to here
	head      parley.Position // the log's, when it was last looked at
	saved     uint64          // the checkpoint in the store
	notBefore time.Time
	// answering are the agents that answer in a conversation, as far as is known;
	// the log itself says when that changes.
	answering map[parley.ConversationID][]Agent

	mu      sync.Mutex
	waiting map[uint64]int // offsets of messages whose runs are still to be started
}

// maxAnswering bounds what is remembered of who answers where.
const maxAnswering = 1 << 16

// lost reports whether the store went back to a time before what was read, by the
// restoring of a backup: what is committed then takes offsets that were read already.
func (t *tail) lost(ctx context.Context, head parley.Position) (bool, error) {
	before := t.head
	if head.Epoch == before.Epoch && head.Offset >= before.Offset {
		return false, nil
	}
	err := t.worker.cfg.Store.CheckCursor(ctx, parley.ReplayQuery{Org: t.org}, t.at)
	if errors.Is(err, parley.ErrCursor) {
		return true, nil
	}
	if err != nil && !errors.Is(err, parley.ErrGone) {
		return false, fmt.Errorf("check the place in the log of %s: %w", t.org, err)
	}
	return false, nil
}

// read goes on up to the log's head.
func (t *tail) read(ctx context.Context, head parley.Position) error {
	t.head = head
	for t.at.Offset < head.Offset {
		events, err := t.worker.cfg.Store.ReadLog(ctx, t.org, t.at.Offset, head.Offset, pageSize)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		for _, ev := range events {
			if err := t.see(ctx, ev); err != nil {
				return err
			}
			t.at = ev.Position
		}
		if len(events) == 0 {
			t.at = head // what is missing was erased or trimmed
		}
	}
	return nil
}

// see does what one event asks for.
func (t *tail) see(ctx context.Context, ev *parley.Event) error {
	switch body := ev.Body.(type) {
	case *parley.ConversationBody:
		if body.Status != parley.StatusActive {
			t.worker.lanes.cancel(t.org, ev.Conversation, "")
		}
	case *parley.MemberBody:
		delete(t.answering, ev.Conversation)
		if ev.Type == parley.MemberLeft {
			t.worker.lanes.cancel(t.org, ev.Conversation, body.Principal)
		}
	case *parley.MessageBody:
		wanted := ev.Type == parley.MessageCreated && !body.Internal &&
			body.SenderKind != parley.KindAgent && !ev.Time.Before(t.notBefore)
		if !wanted {
			return nil
		}
		agents, err := t.agentsOf(ctx, ev.Conversation)
		if err != nil {
			return err
		}
		for _, a := range agents {
			if a.Principal().ID == body.Sender {
				continue
			}
			t.wait(ev.Position.Offset, 1)
			t.worker.lanes.add(ctx, a, &question{tail: t, offset: ev.Position.Offset, message: body.Message})
		}
	}
	return nil
}

// agentsOf lists the agents of this process that answer in a conversation now.
func (t *tail) agentsOf(ctx context.Context, id parley.ConversationID) ([]Agent, error) {
	if agents, ok := t.answering[id]; ok {
		return agents, nil
	}
	stays, err := t.worker.cfg.Store.Stays(ctx, t.org, id)
	if err != nil {
		return nil, fmt.Errorf("read stays of %s: %w", id, err)
	}
	var agents []Agent
	for i := range stays {
		a := t.worker.agents[stays[i].Principal]
		if a != nil && stays[i].Open() && stays[i].AutoRespond {
			agents = append(agents, a)
		}
	}
	if len(t.answering) >= maxAnswering {
		clear(t.answering)
	}
	t.answering[id] = agents
	return agents, nil
}

// wait notes that n more runs for the message at an offset are still to be
// started, or -1 that one was.
func (t *tail) wait(offset uint64, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = map[uint64]int{}
	}
	if t.waiting[offset] += n; t.waiting[offset] <= 0 {
		delete(t.waiting, offset)
	}
}

// done is the offset up to which every run was started: where to go on after a
// crash.
func (t *tail) done() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	done := t.at.Offset
	for offset := range t.waiting {
		done = min(done, offset-1)
	}
	return done
}
