package agent

import (
	"context"
	"sync"

	"github.com/parley-chat/parley"
)

// question is a message that one agent is to answer.
type question struct {
	tail    *tail
	offset  uint64
	message parley.Message
}

type laneKey struct {
	org          parley.OrgID
	conversation parley.ConversationID
	agent        parley.PrincipalID
}

// lane is the questions of one conversation to one agent: answered in order, one
// at a time. It has a goroutine while it holds any.
type lane struct {
	key    laneKey
	agent  Agent
	queue  []*question
	cancel context.CancelCauseFunc // of the answer at work; nil where there is none
}

// lanes are the lanes that hold questions.
type lanes struct {
	worker   *Worker
	busy     sync.WaitGroup
	draining chan struct{} // closed, under mu, once no answer is begun any more
	idle     chan struct{} // closed, under mu, once draining and no lane is left

	mu sync.Mutex
	m  map[laneKey]*lane
}

// add puts a question at the end of its lane. While draining it is left to
// whoever reads on from the checkpoint. ctx is the worker's.
func (ls *lanes) add(ctx context.Context, a Agent, q *question) {
	key := laneKey{q.tail.org, q.message.Conversation, a.Principal().ID}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if closed(ls.draining) {
		return
	}
	if l := ls.m[key]; l != nil {
		l.queue = append(l.queue, q)
		return
	}
	if ls.m == nil {
		ls.m = map[laneKey]*lane{}
	}
	l := &lane{key: key, agent: a, queue: []*question{q}}
	ls.m[key] = l
	ls.busy.Go(func() { ls.work(ctx, l) })
}

// work answers a lane's questions until none is left or the worker drains or
// stops.
func (ls *lanes) work(ctx context.Context, l *lane) {
	for q := ls.next(ctx, l); q != nil; q = ls.next(ctx, l) {
		select {
		case ls.worker.slots <- struct{}{}:
		case <-ls.draining:
			continue
		case <-ctx.Done():
			continue
		}
		ls.answer(ctx, l, q)
		<-ls.worker.slots
	}
}

func (ls *lanes) next(ctx context.Context, l *lane) *question {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	draining := closed(ls.draining)
	if len(l.queue) == 0 || draining || ctx.Err() != nil {
		delete(ls.m, l.key)
		if draining && len(ls.m) == 0 {
			close(ls.idle)
		}
		return nil
	}
	q := l.queue[0]
	l.queue = l.queue[1:]
	return q
}

// answer has one question answered, in a context that cancel can end.
func (ls *lanes) answer(ctx context.Context, l *lane, q *question) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ls.mu.Lock()
	l.cancel = cancel
	ls.mu.Unlock()
	ls.worker.answer(ctx, l.key, l.agent, q)
	ls.mu.Lock()
	l.cancel = nil
	ls.mu.Unlock()
}

// cancel ends the answers at work in a conversation, of one agent or, where it is
// empty, of all. Those still waiting find out by themselves.
func (ls *lanes) cancel(org parley.OrgID, id parley.ConversationID, agent parley.PrincipalID) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for key, l := range ls.m {
		concerned := key.org == org && key.conversation == id && (agent == "" || agent == key.agent)
		if concerned && l.cancel != nil {
			l.cancel(errCancelled)
		}
	}
}

// drain lets no further answer begin; idle is closed once none is at work.
func (ls *lanes) drain() (idle <-chan struct{}) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !closed(ls.draining) {
		close(ls.draining)
		if len(ls.m) == 0 {
			close(ls.idle)
		}
	}
	return ls.idle
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wait returns once no answer is at work.
func (ls *lanes) wait() { ls.busy.Wait() }
