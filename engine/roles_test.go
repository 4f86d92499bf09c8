package engine

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

var update = flag.Bool("update", false, "rewrite testdata/roles.md")

// table renders the rules in Markdown.
func table() string {
	kinds := []parley.ConversationKind{parley.KindGroup, parley.KindAgentDirect, parley.KindDirect}
	var b strings.Builder
	b.WriteString("| who may | group, agent_group | agent_direct | direct |\n|---|---|---|---|\n")
	for i := range rules {
		b.WriteString("| " + rules[i].does)
		for _, kind := range kinds {
			who := strings.Join(rules[i].names(kind), ", ")
			switch {
			case rules[i].in(kind) == everyone:
				who = "everybody"
			case who == "":
				who = "-"
			}
			b.WriteString(" | " + who)
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func TestTheTableOfRoles(t *testing.T) {
	const path = "testdata/roles.md"
	if *update {
		if err := os.WriteFile(path, []byte(table()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := table(); got != string(want) {
		t.Errorf("%s is not what the rules say (go test -run TestTheTableOfRoles -update):\n%s", path, got)
	}
}

// What a stay lets one hear and what the table says are the same.
func TestTheTableAgreesOnInternalMessages(t *testing.T) {
	for _, kind := range []parley.ConversationKind{parley.KindDirect, parley.KindGroup, parley.KindAgentDirect, parley.KindAgentGroup} {
		for _, role := range []parley.Role{parley.RoleOwner, parley.RoleAdmin, parley.RoleMember, parley.RoleAgent} {
			m := &parley.Membership{Role: role}
			if got := allows(toPostInternal, &parley.Conversation{Kind: kind}, m, false); got != m.HearsInternal(kind) {
				t.Errorf("%s in %s: %v", role, kind, got)
			}
		}
	}
}

// Each rule holds for each role: who is not in it is refused, who is may.
func TestWhoMayDoWhatInAGroup(t *testing.T) {
	w := newWorld(t)
	people := map[parley.Role]*parley.Principal{
		parley.RoleOwner: ann, parley.RoleAdmin: ben, parley.RoleMember: cleo, parley.RoleAgent: &demo,
	}
	title := "new"
	for _, c := range []struct {
		does string
		may  []parley.Role
		do   func(id parley.ConversationID, said parley.MessageID) parley.Command
	}{
		{"edits what another said", nil, func(_ parley.ConversationID, said parley.MessageID) parley.Command {
			return parley.EditMessage{Message: said, Content: "no"}
		}},
		{"deletes what another said", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(_ parley.ConversationID, said parley.MessageID) parley.Command {
			return parley.DeleteMessage{Message: said, ForEveryone: true}
		}},
		{"deletes it for itself", []parley.Role{parley.RoleOwner, parley.RoleAdmin, parley.RoleMember, parley.RoleAgent}, func(_ parley.ConversationID, said parley.MessageID) parley.Command {
			return parley.DeleteMessage{Message: said}
		}},
		{"adds", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"eve"}}
		}},
		{"removes", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.RemoveMember{Conversation: id, Member: "dora"}
		}},
		{"makes an admin", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.SetRole{Conversation: id, Member: "dora", Role: parley.RoleAdmin}
		}},
		{"makes an owner", []parley.Role{parley.RoleOwner}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.SetRole{Conversation: id, Member: "dora", Role: parley.RoleOwner}
		}},
		{"renames", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.UpdateConversation{Conversation: id, Title: &title}
		}},
		{"closes", []parley.Role{parley.RoleOwner, parley.RoleAdmin}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.CloseConversation{Conversation: id}
		}},
		{"deletes the conversation", []parley.Role{parley.RoleOwner}, func(id parley.ConversationID, _ parley.MessageID) parley.Command {
			return parley.DeleteConversation{Conversation: id, ForEveryone: true}
		}},
	} {
		for role, p := range people {
			id := w.group("cleo", "dora", "demo")
			w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"ben"}, Role: parley.RoleAdmin})
			cmd := c.do(id, w.said(person("dora"), id, "mine"))
			if slices.Contains(c.may, role) {
				w.must(p, cmd)
			} else if e := w.refused(p, cmd, parley.CodeForbidden); !strings.HasPrefix(e.Message, "only ") {
				t.Errorf("%s %s: refused with %q", role, c.does, e.Message)
			}
		}
	}
}

func TestARefusalSaysWhoMay(t *testing.T) {
	for _, c := range []struct {
		do   action
		kind parley.ConversationKind
		want string
	}{
		{toEdit, parley.KindGroup, "only the sender may edit a message"},
		{toDeleteMessage, parley.KindGroup, "only the sender or an owner or admin may delete a message for everyone"},
		{toAddMembers, parley.KindGroup, "only an owner or admin may add members"},
		{toPostInternal, parley.KindGroup, "only an owner, admin or agent may hear and post internal messages"},
		{toRename, parley.KindAgentDirect, "only an owner may change title and description"},
		{toRename, parley.KindDirect, "in this kind of conversation nobody may change title and description"},
	} {
		err := parley.AsError(may(c.do, &parley.Conversation{Kind: c.kind}, &parley.Membership{Role: parley.RoleMember}, false))
		if err == nil || err.Message != c.want {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestWhoMayDoWhatInAConversationOfTwo(t *testing.T) {
	w := newWorld(t)
	title := "new"
	pair := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}).Conversation.ID
	for _, p := range []*parley.Principal{ann, ben} {
		w.refused(p, parley.DeleteConversation{Conversation: pair, ForEveryone: true}, parley.CodeForbidden)
		w.refused(p, parley.UpdateConversation{Conversation: pair, Title: &title}, parley.CodeForbidden)
		w.refused(p, parley.SetRole{Conversation: pair, Member: "ben", Role: parley.RoleAdmin}, parley.CodeConflict)
	}
	w.refused(ann, parley.DeleteMessage{Message: w.said(ben, pair, "mine"), ForEveryone: true}, parley.CodeForbidden)

	session := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"demo"}}).Conversation.ID
	w.refused(ann, parley.DeleteMessage{Message: w.said(&demo, session, "mine"), ForEveryone: true}, parley.CodeForbidden)
	w.refused(&demo, parley.UpdateConversation{Conversation: session, Title: &title}, parley.CodeForbidden)
	w.must(ann, parley.UpdateConversation{Conversation: session, Title: &title})
	w.refused(&demo, parley.DeleteConversation{Conversation: session, ForEveryone: true}, parley.CodeForbidden)
	w.must(ann, parley.DeleteConversation{Conversation: session, ForEveryone: true})
}
