package engine

import (
	"strings"

	"github.com/parley-chat/parley"
)

// action is something a member may do in a conversation, or not.
type action uint8

const (
	toPost action = iota
	toPostInternal
	toEdit
	toDeleteMessage
	toAddMembers
	toRemoveMember
	toSetRole
	toChangeOwners
	toRename
	toClose
	toDeleteConversation
	toSetRetention
	toCreateTask
	toUpdateTask
)

// roles is a set of roles. theirs stands for whoever the thing belongs to: the
// sender of a message, the member who leaves, the agent of a task.
type roles uint8

const (
	theirs roles = 1 << iota
	owners
	admins
	members
	agents

	everyone = owners | admins | members | agents
	nobody   = roles(0)
)

// roleNames are the roles in the order in which they are told.
var roleNames = []struct {
	in   roles
	role parley.Role
}{{owners, parley.RoleOwner}, {admins, parley.RoleAdmin}, {members, parley.RoleMember}, {agents, parley.RoleAgent}}

// rule says who may do something: in a group or agent_group, in an agent_direct
// conversation, whose person is a customer and not staff, and in a direct one,
// where both are equal and neither may take from the other.
type rule struct {
	does                   string
	whose                  string // who theirs is
	group, session, direct roles
}

// rules is the one table of who may do what. Beyond it everybody may leave a group,
// read, react, and keep the conversation as it likes for itself (mute, archive,
// delete for oneself). A service with the scope admin may report any task, and anybody
// with it say how long messages are kept.
// engine/testdata/roles.md shows it; TestTheTableOfRoles keeps that so.
var rules = [...]rule{
	toPost:               {"post, reply, react and forward", "", everyone, everyone, everyone},
	toPostInternal:       {"hear and post internal messages", "", owners | admins | agents, agents, agents},
	toEdit:               {"edit a message", "sender", theirs, theirs, theirs},
	toDeleteMessage:      {"delete a message for everyone", "sender", theirs | owners | admins, theirs, theirs},
	toAddMembers:         {"add members", "", owners | admins, nobody, nobody},
	toRemoveMember:       {"remove a member", "member", theirs | owners | admins, nobody, nobody},
	toSetRole:            {"change roles", "", owners | admins, nobody, nobody},
	toChangeOwners:       {"make, remove or change an owner", "", owners, nobody, nobody},
	toRename:             {"change title and description", "", owners | admins, owners, nobody},
	toClose:              {"close the conversation", "", owners | admins, everyone, everyone},
	toDeleteConversation: {"delete the conversation for everyone", "", owners, owners, nobody},
	toSetRetention:       {"say how long messages are kept", "", owners | admins, nobody, nobody},
	toCreateTask:         {"create a task for an agent", "", everyone, everyone, nobody},
	toUpdateTask:         {"report a task", "agent", theirs | owners | admins, theirs | owners, nobody},
}

// in returns who may in a kind of conversation.
func (r *rule) in(kind parley.ConversationKind) roles {
	switch kind {
	case parley.KindAgentDirect:
		return r.session
	case parley.KindDirect:
		return r.direct
	}
	return r.group
}

// allows reports whether a member may do something. own says that what it is done
// to is the member's own.
func allows(do action, c *parley.Conversation, m *parley.Membership, own bool) bool {
	have := roles(0)
	for _, n := range roleNames {
		if n.role == m.Role {
			have = n.in
		}
	}
	if own {
		have |= theirs
	}
	return rules[do].in(c.Kind)&have != 0
}

// may is nil where the member may do something, and else an *Error that says who
// may.
func may(do action, c *parley.Conversation, m *parley.Membership, own bool) error {
	if allows(do, c, m, own) {
		return nil
	}
	who := rules[do].who(c.Kind)
	if who == "" {
		return parley.Errorf(parley.CodeForbidden, "in this kind of conversation nobody may %s", rules[do].does)
	}
	return parley.Errorf(parley.CodeForbidden, "only %s may %s", who, rules[do].does)
}

// who says who may: "the sender or an owner or admin"; empty for nobody.
func (r *rule) who(kind parley.ConversationKind) string {
	list := r.names(kind)
	var parts []string
	if r.in(kind)&theirs != 0 {
		parts, list = append(parts, "the "+list[0]), list[1:]
	}
	if n := len(list); n > 1 {
		parts = append(parts, "an "+strings.Join(list[:n-1], ", ")+" or "+list[n-1])
	} else if n == 1 {
		parts = append(parts, "an "+list[0])
	}
	return strings.Join(parts, " or ")
}

// names lists who may, the one it belongs to first.
func (r *rule) names(kind parley.ConversationKind) (list []string) {
	if r.in(kind)&theirs != 0 {
		list = append(list, r.whose)
	}
	for _, n := range roleNames {
		if r.in(kind)&n.in != 0 {
			list = append(list, string(n.role))
		}
	}
	return list
}
