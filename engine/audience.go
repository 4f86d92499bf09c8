package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// audienceTTL bounds how long another node's change to a conversation may be
	// unknown here to who types or publishes into it live. What is told is checked
	// against each listener's own membership where it is delivered (P6).
	audienceTTL = time.Second
	// audienceMembers is how many members are remembered at least, over all
	// conversations; at most twice as many.
	audienceMembers = 1 << 17
)

// audience is a conversation and the principals that have an open stay in it, as
// they were read. It is immutable.
type audience struct {
	*parley.Conversation
	members map[parley.PrincipalID]bool
	read    time.Time
}

type conversationKey struct {
	org parley.OrgID
	id  parley.ConversationID
}

// audiences remembers the conversations that are typed and published into live,
// so that not every keystroke reads the store. What this engine commits is known
// at once: nothing outlives a commit to its conversation.
type audiences struct {
	mu         sync.Mutex
	young, old map[conversationKey]*audience // two generations, as in recent
	size       int                           // members in young
	// commits counts those to the conversations whose id ends in a byte: what was
	// read before one and comes after it is not kept.
	commits [256]uint64
}

// get returns what is remembered of a conversation, nil for nothing, and what keep
// wants to know of a read that begins now.
func (a *audiences) get(k conversationKey) (known *audience, commits uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	commits = a.commits[k.id[15]]
	if known = a.young[k]; known != nil {
		return known, commits
	}
	if known = a.old[k]; known != nil {
		a.add(k, known)
	}
	return known, commits
}

// keep remembers what was read since get.
func (a *audiences) keep(k conversationKey, it *audience, commits uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.commits[k.id[15]] == commits {
		a.add(k, it)
	}
}

// add remembers. Called with mu held.
func (a *audiences) add(k conversationKey, it *audience) {
	if a.young == nil || a.size > audienceMembers {
		a.old, a.young, a.size = a.young, map[conversationKey]*audience{}, 0
	}
	a.young[k] = it
	a.size += 1 + len(it.members)
}

// changed forgets a conversation that was committed to.
func (a *audiences) changed(k conversationKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commits[k.id[15]]++
	delete(a.young, k)
	delete(a.old, k)
}

// audience returns a conversation that is not deleted with its members, outside of
// a transaction: as the store has it or, where other nodes write to that too, had
// it within the last second.
func (e *Engine) audience(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*audience, error) {
	k := conversationKey{org, id}
	known, commits := e.audiences.get(k)
	if known != nil && (e.cfg.Solo || time.Since(known.read) < audienceTTL) {
		return known, nil
	}
	it := &audience{members: map[parley.PrincipalID]bool{}, read: time.Now()}
	var err error
	it.Conversation, err = e.cfg.Store.Conversation(ctx, org, id)
	if err == nil && it.Status == parley.StatusDeleted {
		err = parley.ErrNotFound
	}
	if errors.Is(err, parley.ErrNotFound) {
		return nil, errNoConversation(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read conversation %s: %w", id, err)
	}
	stays, err := e.cfg.Store.Stays(ctx, org, id)
	if err != nil {
		return nil, fmt.Errorf("read stays of %s: %w", id, err)
	}
	for i := range stays {
		if stays[i].Open() {
			it.members[stays[i].Principal] = true
		}
	}
	e.audiences.keep(k, it, commits)
	return it, nil
}
