package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
)

// model is what a group should be after a number of commands, kept as simply as
// possible.
type model struct {
	id             parley.ConversationID
	seq, changeSeq uint64
	closed         bool
	roles          map[parley.PrincipalID]parley.Role // of open stays
	stays          map[parley.PrincipalID][][4]uint64 // from, to, from seq, to seq
	sent           map[string]uint64                  // "sender/client id" → seq
	chat
}

func (m *model) runs(p parley.PrincipalID) bool {
	return m.roles[p] == parley.RoleOwner || m.roles[p] == parley.RoleAdmin
}

func (m *model) join(p parley.PrincipalID, role parley.Role) {
	m.changeSeq++
	m.roles[p] = role
	m.stays[p] = append(m.stays[p], [4]uint64{m.changeSeq, 0, m.seq + 1, 0})
	m.joined[p] = m.changeSeq
	m.relist(p)
}

// leave ends a stay at an event that has its number.
func (m *model) leave(p parley.PrincipalID) {
	last := &m.stays[p][len(m.stays[p])-1]
	last[1], last[3] = m.changeSeq, m.seq
}

// The commands: each changes the model and says which code is expected, empty
// for success.

func (m *model) post(p parley.PrincipalID, key string) parley.Code {
	switch k := string(p) + "/" + key; {
	case m.roles[p] == "":
		return parley.CodeNotFound
	case m.sent[k] > 0:
		return ""
	case m.closed:
		return parley.CodeClosed
	default:
		m.seq++
		m.changeSeq++
		m.sent[k] = m.seq
		m.said = append(m.said, said{sender: p, content: key, reactions: map[string]bool{}})
		return ""
	}
}

func (m *model) add(p, who parley.PrincipalID) parley.Code {
	switch {
	case m.roles[p] == "":
		return parley.CodeNotFound
	case !m.runs(p):
		return parley.CodeForbidden
	case m.closed:
		return parley.CodeClosed
	}
	if m.roles[who] == "" {
		m.join(who, parley.RoleMember)
	}
	return ""
}

func (m *model) remove(p, who parley.PrincipalID) parley.Code {
	switch {
	case m.roles[p] == "":
		return parley.CodeNotFound
	case p != who && !m.runs(p):
		return parley.CodeForbidden
	case m.roles[who] == "":
		return parley.CodeNotFound
	case m.roles[who] == parley.RoleOwner && m.roles[p] != parley.RoleOwner:
		return parley.CodeForbidden
	}
	m.changeSeq++
	delete(m.roles, who)
	m.leave(who)
	if heir := m.heir(); heir != "" {
		m.become(heir, parley.RoleOwner)
	}
	return ""
}

func (m *model) close(p parley.PrincipalID) parley.Code {
	switch {
	case m.roles[p] == "":
		return parley.CodeNotFound
	case !m.runs(p):
		return parley.CodeForbidden
	}
	if !m.closed {
		m.closed = true
		m.changeSeq++
	}
	return ""
}

func (m *model) publish(p parley.PrincipalID) parley.Code {
	if m.roles[p] == "" {
		return parley.CodeNotFound
	}
	m.changeSeq++
	return ""
}

func TestTheEngineDoesWhatTheModelDoes(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	w := newWorld(t, func(c *Config) {
		c.Limits.PublishesPerMinute, c.Limits.MessagesBurst = 1<<30, 1<<30
		c.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
	})
	people := []parley.PrincipalID{"ann", "ben", "cleo", "dora"}
	blocks := map[[2]parley.PrincipalID]bool{} // of all that follow
	rapid.Check(t, func(t *rapid.T) {
		begun, err := w.Do(context.Background(), ann, parley.CreateConversation{Kind: parley.KindGroup, Members: people[1:2]})
		if err != nil {
			t.Fatal(err)
		}
		m := &model{
			id: begun.Conversation.ID, changeSeq: 1, sent: map[string]uint64{},
			roles: map[parley.PrincipalID]parley.Role{"ann": parley.RoleOwner, "ben": parley.RoleMember},
			stays: map[parley.PrincipalID][][4]uint64{"ann": {{1, 0, 1, 0}}, "ben": {{1, 0, 1, 0}}},
			chat:  newChat(blocks),
		}
		anyone := rapid.SampledFrom(people)
		try := func(t *rapid.T, p parley.PrincipalID, cmd parley.Command, want parley.Code) parley.Result {
			r, err := w.Do(context.Background(), person(p), cmd)
			var code parley.Code
			var failure *parley.Error
			if errors.As(err, &failure) {
				code = failure.Code
			}
			if code != want {
				t.Fatalf("%s: %+v: got %v, want %q", p, cmd, err, want)
			}
			return r
		}
		acts := w.chatActs(m, people, try)
		maps.Copy(acts, map[string]func(*rapid.T){
			"post": func(t *rapid.T) {
				p, key := anyone.Draw(t, "who"), fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))
				want := m.post(p, key)
				r := try(t, p, parley.PostMessage{Conversation: m.id, Content: key, ClientMsgID: key}, want)
				if want == "" && r.Message.Seq != m.sent[string(p)+"/"+key] {
					t.Fatalf("seq %d, want %d", r.Message.Seq, m.sent[string(p)+"/"+key])
				}
				if want == "" && !r.Repeated {
					m.said[m.seq-1].id = r.Message.ID
				}
			},
			"add": func(t *rapid.T) {
				p, who := anyone.Draw(t, "who"), anyone.Draw(t, "whom")
				try(t, p, parley.AddMembers{Conversation: m.id, Members: []parley.PrincipalID{who}}, m.add(p, who))
			},
			"remove": func(t *rapid.T) {
				p, who := anyone.Draw(t, "who"), anyone.Draw(t, "whom")
				if len(m.roles) == 1 && m.roles[who] != "" {
					return // or else nobody may do anything any more
				}
				try(t, p, parley.RemoveMember{Conversation: m.id, Member: who}, m.remove(p, who))
			},
			"publish": func(t *rapid.T) {
				p := anyone.Draw(t, "who")
				try(t, p, parley.PublishEvent{Type: "a.b", Channel: "c", Data: data(`{"conversation_id":"%s"}`, m.id)}, m.publish(p))
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "seldom") == 0 {
					p := anyone.Draw(t, "who")
					try(t, p, parley.CloseConversation{Conversation: m.id}, m.close(p))
				}
			},
			"": func(t *rapid.T) {
				w.compare(t, m)
				w.compareChat(t, m, people)
			},
		})
		t.Repeat(acts)
		w.gapless(t, m)
	})
}

// compare checks the rows against the model.
func (w *world) compare(t *rapid.T, m *model) {
	c, err := w.store.Conversation(context.Background(), org, m.id)
	if err != nil {
		t.Fatal(err)
	}
	if c.Seq != m.seq || c.ChangeSeq != m.changeSeq || (c.Status == parley.StatusClosed) != m.closed {
		t.Fatalf("conversation is %+v, want %d, %d, closed %v", c, m.seq, m.changeSeq, m.closed)
	}
	stays, err := w.store.Stays(context.Background(), org, m.id)
	if err != nil {
		t.Fatal(err)
	}
	got := map[parley.PrincipalID][][4]uint64{}
	for _, s := range stays {
		got[s.Principal] = append(got[s.Principal], [4]uint64{s.From, s.To, s.FromSeq, s.ToSeq})
	}
	for p, want := range m.stays {
		if !slices.Equal(got[p], want) {
			t.Fatalf("stays of %s are %v, want %v", p, got[p], want)
		}
	}
}

// gapless checks the numbers of a conversation's events in the log.
func (w *world) gapless(t *rapid.T, m *model) {
	events, _, err := w.store.Replay(context.Background(), parley.ReplayQuery{
		Org: org, UpTo: 1 << 40, Keys: []string{parley.ConversationKey(m.id)}, Limit: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(events)) != m.changeSeq {
		t.Fatalf("%d events, want %d", len(events), m.changeSeq)
	}
	var seq uint64
	for i, ev := range events {
		if ev.ChangeSeq != uint64(i+1) {
			t.Fatalf("event %d has change_seq %d", i+1, ev.ChangeSeq)
		}
		if body, ok := ev.Body.(*parley.MessageBody); ok && ev.Type == parley.MessageCreated {
			if seq++; body.Seq != seq {
				t.Fatalf("message %d has seq %d", seq, body.Seq)
			}
		}
	}
}
