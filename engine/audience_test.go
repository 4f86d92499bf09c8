package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// countingStore counts the reads of conversations.
type countingStore struct {
	parley.Store
	reads atomic.Int64
}

func (s *countingStore) Conversation(ctx context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	s.reads.Add(1)
	return s.Store.Conversation(ctx, org, id)
}

func counted(s *countingStore) func(*Config) {
	return func(c *Config) { s.Store, c.Store = c.Store, s }
}

func moved(id parley.ConversationID, targets ...parley.PrincipalID) parley.PublishEvent {
	return parley.PublishEvent{Type: "cursor.moved", Channel: "doc", Data: data(`{"conversation_id":"%s"}`, id), Targets: targets}
}

// Who publishes live into a conversation does not read the store each time, and
// what is committed here is known to the next one.
func TestALivePublishKnowsWhatIsCommitted(t *testing.T) {
	store := new(countingStore)
	w := newWorld(t, counted(store), func(c *Config) { c.Solo = true })
	id := w.group("ben")
	w.must(ann, moved(id))
	before := store.reads.Load()
	for range 10 {
		w.must(ann, moved(id))
		w.must(ben, moved(id))
	}
	w.must(ben, parley.SetTyping{Conversation: id, On: true})
	if n := store.reads.Load() - before; n != 0 {
		t.Errorf("the conversation was read %d times though nothing had changed", n)
	}
	at := w.must(ann, parley.PostMessage{Conversation: id, Content: "x"}).Event.ChangeSeq
	if ev := w.must(ben, moved(id)).Event; ev.ChangeSeq != at {
		t.Errorf("after a message at %d the event is told at %d", at, ev.ChangeSeq)
	}
	w.must(ann, parley.RemoveMember{Conversation: id, Member: "ben"})
	w.refused(ben, moved(id), parley.CodeNotFound)
	w.refused(ben, parley.SetTyping{Conversation: id, On: false}, parley.CodeNotFound)
	w.refused(ann, moved(id, "ben"), parley.CodeInvalidArgument)
	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"ben"}})
	w.must(ben, moved(id))
	w.must(ann, parley.CloseConversation{Conversation: id})
	w.refused(ben, parley.SetTyping{Conversation: id, On: false}, parley.CodeClosed)
	w.refused(cleo, moved(id), parley.CodeNotFound)
}

// What another node commits is known within audienceTTL.
func TestALivePublishHearsOfOtherNodes(t *testing.T) {
	w := newWorld(t)
	other := w.node("node-2")
	id := w.group("ben")
	w.must(ben, moved(id))
	if _, err := other.Do(t.Context(), ann, parley.RemoveMember{Conversation: id, Member: "ben"}); err != nil {
		t.Fatal(err)
	}
	k := conversationKey{org, id}
	known, commits := w.audiences.get(k)
	aged := *known
	aged.read = time.Now().Add(-audienceTTL)
	w.audiences.keep(k, &aged, commits)
	w.refused(ben, moved(id), parley.CodeNotFound)
}

// What was read before a commit is not kept after it.
func TestAStaleReadIsNotKept(t *testing.T) {
	var a audiences
	k := conversationKey{org, parley.ConversationID{15: 1}}
	_, commits := a.get(k)
	a.changed(k)
	a.keep(k, &audience{}, commits)
	if known, _ := a.get(k); known != nil {
		t.Error("it was")
	}
}

func TestAudiencesAreBounded(t *testing.T) {
	var a audiences
	members := map[parley.PrincipalID]bool{}
	for i := range 1000 {
		members[parley.PrincipalID(rune(i))] = true
	}
	for i := range 1000 {
		k := conversationKey{org, parley.ConversationID{0: byte(i), 1: byte(i >> 8), 15: 1}}
		_, commits := a.get(k)
		a.keep(k, &audience{members: members}, commits)
	}
	if n := len(a.young) + len(a.old); n*len(members) > 2*audienceMembers+2*len(members) {
		t.Errorf("%d conversations of %d members are remembered", n, len(members))
	}
}

// BenchmarkPublishLive is one ephemeral event of 256 bytes into one of 1,000
// conversations, told to a bus on which nobody listens.
func BenchmarkPublishLive(b *testing.B) {
	w := newWorld(b, func(c *Config) { c.Limits.ServicePublishes, c.Solo = 1<<30, true })
	svc := backend("svc")
	var cmds []parley.PublishEvent
	for range 1000 {
		cmd := moved(w.group())
		cmd.Data = data(`{"text":"%0200d",%s`, 1, cmd.Data[1:])
		cmds = append(cmds, cmd)
		w.must(svc, cmd)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Do(b.Context(), svc, cmds[n%len(cmds)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
