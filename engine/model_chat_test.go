package engine

import (
	"context"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
)

// chat is the part of the model that people make of what was said.
type chat struct {
	said            []said // by seq, from 1 on
	joined          map[parley.PrincipalID]uint64
	read, delivered map[parley.PrincipalID]uint64
	hidden          map[parley.PrincipalID]uint64 // up to which seq; with what follows
	off             map[parley.PrincipalID]bool   // from the list
	away            map[parley.PrincipalID][]uint64
	blocks          map[[2]parley.PrincipalID]bool // owner, blocked
}

// said is a message.
type said struct {
	id        parley.MessageID
	sender    parley.PrincipalID
	content   string
	edits     int
	deleted   bool
	reactions map[string]bool // "who/emoji"
}

func newChat(blocks map[[2]parley.PrincipalID]bool) chat {
	return chat{
		joined: map[parley.PrincipalID]uint64{"ann": 0, "ben": 0},
		read:   map[parley.PrincipalID]uint64{}, delivered: map[parley.PrincipalID]uint64{},
		hidden: map[parley.PrincipalID]uint64{}, off: map[parley.PrincipalID]bool{},
		away: map[parley.PrincipalID][]uint64{}, blocks: blocks,
	}
}

func (c *chat) relist(p parley.PrincipalID) { c.off[p] = false }

// within reports whether a seq is within a stay of somebody's.
func (m *model) within(p parley.PrincipalID, seq uint64) bool {
	return slices.ContainsFunc(m.stays[p], func(s [4]uint64) bool {
		return s[2] <= seq && (s[1] == 0 || seq <= s[3])
	})
}

// find returns a message that somebody may see, nil for none.
func (m *model) find(p parley.PrincipalID, seq uint64) *said {
	if m.roles[p] == "" || seq < 1 || seq > m.seq || !m.within(p, seq) {
		return nil
	}
	return &m.said[seq-1]
}

func (m *model) edit(p parley.PrincipalID, seq uint64, content string) parley.Code {
	s := m.find(p, seq)
	switch {
	case s == nil:
		return parley.CodeNotFound
	case s.sender != p:
		return parley.CodeForbidden
	case s.deleted:
		return parley.CodeConflict
	case s.content == content:
		return ""
	case m.closed:
		return parley.CodeClosed
	}
	m.changeSeq++
	s.content = content
	s.edits++
	return ""
}

func (m *model) deleteFor(p parley.PrincipalID, seq uint64, everyone bool) parley.Code {
	s := m.find(p, seq)
	switch {
	case s == nil:
		return parley.CodeNotFound
	case !everyone:
		if !slices.Contains(m.away[p], seq) {
			m.away[p] = append(m.away[p], seq)
		}
		return ""
	case s.sender != p && !m.runs(p):
		return parley.CodeForbidden
	case !s.deleted:
		m.changeSeq++
		s.deleted, s.content, s.reactions = true, "", map[string]bool{}
	}
	return ""
}

func (m *model) react(p parley.PrincipalID, seq uint64, emoji string) parley.Code {
	s := m.find(p, seq)
	switch {
	case s == nil:
		return parley.CodeNotFound
	case s.deleted:
		return parley.CodeConflict
	case m.closed:
		return parley.CodeClosed
	}
	m.changeSeq++
	if k := string(p) + "/" + emoji; s.reactions[k] {
		delete(s.reactions, k)
	} else {
		s.reactions[k] = true
	}
	return ""
}

func (m *model) move(p parley.PrincipalID, read, delivered uint64) parley.Code {
	if m.roles[p] == "" {
		return parley.CodeNotFound
	}
	clip := func(seq uint64) uint64 {
		for seq = min(seq, m.seq); seq > 0 && !m.within(p, seq); seq-- {
		}
		return seq
	}
	read = max(m.read[p], clip(read))
	delivered = max(m.delivered[p], clip(delivered), read)
	if read != m.read[p] || delivered != m.delivered[p] {
		m.changeSeq++
	}
	m.read[p], m.delivered[p] = read, delivered
	return ""
}

func (m *model) hide(p parley.PrincipalID) parley.Code {
	if m.roles[p] == "" {
		return parley.CodeNotFound
	}
	m.off[p], m.hidden[p] = true, m.seq
	return ""
}

func (m *model) setRole(p, who parley.PrincipalID, role parley.Role) parley.Code {
	switch {
	case m.roles[p] == "":
		return parley.CodeNotFound
	case !m.runs(p):
		return parley.CodeForbidden
	case m.roles[who] == "":
		return parley.CodeNotFound
	case m.roles[who] == role:
		return ""
	case (role == parley.RoleOwner || m.roles[who] == parley.RoleOwner) && m.roles[p] != parley.RoleOwner:
		return parley.CodeForbidden
	case m.roles[who] == parley.RoleOwner && m.owners() == 1:
		return parley.CodeConflict
	}
	m.become(who, role)
	return ""
}

func (m *model) become(who parley.PrincipalID, role parley.Role) {
	m.changeSeq++
	m.leave(who)
	m.roles[who] = role
	m.stays[who] = append(m.stays[who], [4]uint64{m.changeSeq, 0, m.seq + 1, 0})
}

func (m *model) owners() (n int) {
	for _, role := range m.roles {
		if role == parley.RoleOwner {
			n++
		}
	}
	return n
}

// heir is who becomes owner where none is left.
func (m *model) heir() (best parley.PrincipalID) {
	if m.owners() > 0 {
		return ""
	}
	key := func(p parley.PrincipalID) string { // the least is the heir
		last := m.stays[p][len(m.stays[p])-1]
		return fmt.Sprintf("%v %08d %08d %s", m.roles[p] != parley.RoleAdmin, m.joined[p], last[0], p)
	}
	for p := range m.roles {
		if best == "" || key(p) < key(best) {
			best = p
		}
	}
	return best
}

// unread counts what somebody has not read.
func (m *model) unread(p parley.PrincipalID) (n int) {
	for i, s := range m.said {
		seq := uint64(i + 1)
		if seq > max(m.read[p], m.hidden[p]) && m.within(p, seq) && s.sender != p && !s.deleted &&
			!slices.Contains(m.away[p], seq) && !m.blocks[[2]parley.PrincipalID{p, s.sender}] {
			n++
		}
	}
	return n
}

type tryFunc func(t *rapid.T, p parley.PrincipalID, cmd parley.Command, want parley.Code) parley.Result

// chatActs are the commands that concern what was said.
func (w *world) chatActs(m *model, people []parley.PrincipalID, try tryFunc) map[string]func(*rapid.T) {
	anyone := rapid.SampledFrom(people)
	word := rapid.SampledFrom([]string{"a", "b", "c"})
	pick := func(t *rapid.T) (uint64, parley.MessageID) {
		seq := rapid.Uint64Range(1, m.seq+1).Draw(t, "seq")
		if seq > m.seq {
			return seq, ids{}.NewID()
		}
		return seq, m.said[seq-1].id
	}
	return map[string]func(*rapid.T){
		"edit": func(t *rapid.T) {
			p, content := anyone.Draw(t, "who"), word.Draw(t, "content")
			seq, id := pick(t)
			try(t, p, parley.EditMessage{Message: id, Content: content}, m.edit(p, seq, content))
		},
		"delete": func(t *rapid.T) {
			p, everyone := anyone.Draw(t, "who"), rapid.Bool().Draw(t, "for everyone")
			seq, id := pick(t)
			try(t, p, parley.DeleteMessage{Message: id, ForEveryone: everyone}, m.deleteFor(p, seq, everyone))
		},
		"react": func(t *rapid.T) {
			p, emoji := anyone.Draw(t, "who"), word.Draw(t, "emoji")
			seq, id := pick(t)
			try(t, p, parley.React{Message: id, Emoji: emoji}, m.react(p, seq, emoji))
		},
		"read": func(t *rapid.T) {
			p := anyone.Draw(t, "who")
			read, delivered := rapid.Uint64Range(0, m.seq+1).Draw(t, "read"), rapid.Uint64Range(0, m.seq+1).Draw(t, "delivered")
			try(t, p, parley.MoveReceipts{Conversation: m.id, Read: read, Delivered: delivered}, m.move(p, read, delivered))
		},
		"hide": func(t *rapid.T) {
			p := anyone.Draw(t, "who")
			try(t, p, parley.DeleteConversation{Conversation: m.id}, m.hide(p))
		},
		"role": func(t *rapid.T) {
			p, who := anyone.Draw(t, "who"), anyone.Draw(t, "whom")
			role := rapid.SampledFrom([]parley.Role{parley.RoleOwner, parley.RoleAdmin, parley.RoleMember}).Draw(t, "role")
			try(t, p, parley.SetRole{Conversation: m.id, Member: who, Role: role}, m.setRole(p, who, role))
		},
		"block": func(t *rapid.T) {
			p, who, on := anyone.Draw(t, "who"), anyone.Draw(t, "whom"), rapid.Bool().Draw(t, "on")
			want := parley.CodeInvalidArgument
			if p != who {
				m.blocks[[2]parley.PrincipalID{p, who}], want = on, ""
			}
			try(t, p, parley.BlockPrincipal{Principal: who, On: on}, want)
		},
	}
}

// compareChat checks the rows that chatActs change.
func (w *world) compareChat(t *rapid.T, m *model, people []parley.PrincipalID) {
	ctx := context.Background()
	messages, err := w.store.Messages(ctx, org, m.id, 1, 0, 1000, false)
	if err != nil || len(messages) != len(m.said) {
		t.Fatalf("%d messages, want %d: %v", len(messages), len(m.said), err)
	}
	got := map[string]bool{}
	reactions, err := w.store.Reactions(ctx, org, m.id, 1, m.seq, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reactions {
		got[fmt.Sprint(r.Seq, "/", r.Principal, "/", r.Emoji)] = true
	}
	n := 0
	for i, want := range m.said {
		s := messages[i]
		if s.Content != want.content || s.Deleted != want.deleted || s.EditCount != want.edits || s.Sender != want.sender {
			t.Fatalf("message is %+v, want %+v", s, want)
		}
		for k := range want.reactions {
			if n++; !got[fmt.Sprint(i+1, "/", k)] {
				t.Fatalf("the reaction %s under %d is missing", k, i+1)
			}
		}
	}
	if n != len(got) {
		t.Fatalf("%d reactions, want %d: %v", len(got), n, got)
	}
	for _, p := range people {
		w.compareState(t, m, p)
	}
}

func (w *world) compareState(t *rapid.T, m *model, p parley.PrincipalID) {
	ctx, ids := context.Background(), []parley.ConversationID{m.id}
	states, err := w.store.MemberStates(ctx, org, p, ids)
	if err != nil {
		t.Fatal(err)
	}
	s := states[0]
	if s.ReadSeq != m.read[p] || s.DeliveredSeq != m.delivered[p] || s.HiddenSeq != m.hidden[p] || s.HiddenAt.IsZero() == m.off[p] {
		t.Fatalf("%s: %+v, want read %d, delivered %d, hidden %d %v", p, s, m.read[p], m.delivered[p], m.hidden[p], m.off[p])
	}
	if len(m.stays[p]) == 0 {
		return
	}
	unread, _, err := w.store.Unread(ctx, parley.UnreadQuery{Org: org, Principal: p, Conversations: ids})
	if err != nil || len(unread) != 1 || unread[0].Count != m.unread(p) {
		t.Fatalf("%s: unread %+v, want %d: %v", p, unread, m.unread(p), err)
	}
}
