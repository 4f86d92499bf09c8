package engine

import (
	"testing"

	"github.com/parley-chat/parley"
)

func TestARoleBeginsAStay(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.on)
	joined := clock.now
	id := w.group("ben")   // change 1
	w.said(ann, id, "one") // 2
	clock.tick()
	set := parley.SetRole{Conversation: id, Member: "ben", Role: parley.RoleAdmin}
	r := w.must(ann, set) // 3
	if b := r.Event.Body.(*parley.MemberBody); r.Event.Type != parley.MemberUpdated || r.Event.ChangeSeq != 3 ||
		b.Principal != "ben" || b.Role != parley.RoleAdmin || b.Conversation == nil {
		t.Errorf("told %+v, %+v", r.Event, b)
	}
	if again := w.must(ann, set); again.Event != nil {
		t.Errorf("the same role again: %+v", again.Event)
	}
	stays, err := w.store.StaysOf(t.Context(), org, id, "ben")
	if err != nil || len(stays) != 2 {
		t.Fatal(stays, err)
	}
	for i, want := range [][4]uint64{{1, 3, 1, 1}, {3, 0, 2, 0}} {
		if s := stays[i]; [4]uint64{s.From, s.To, s.FromSeq, s.ToSeq} != want || !s.JoinedAt.Equal(joined) {
			t.Errorf("stay %d is %+v", i, s)
		}
	}
	if stays[0].Role != parley.RoleMember || stays[1].Role != parley.RoleAdmin {
		t.Errorf("roles: %s, then %s", stays[0].Role, stays[1].Role)
	}
	if c, err := w.store.Conversation(t.Context(), org, id); err != nil || !c.LastActivity.Equal(joined) {
		t.Errorf("a role counts as activity: %v, %v", c.LastActivity, err)
	}
}

func TestWhichRolesThereAre(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben", "demo")
	set := func(who parley.PrincipalID, role parley.Role) parley.SetRole {
		return parley.SetRole{Conversation: id, Member: who, Role: role}
	}
	w.refused(ann, set("ben", "king"), parley.CodeInvalidArgument)
	w.refused(ann, set("ben", ""), parley.CodeInvalidArgument)
	w.refused(ann, set("ben", parley.RoleAgent), parley.CodeInvalidArgument)
	w.refused(ann, set("nobody", parley.RoleAdmin), parley.CodeNotFound)
	w.refused(cleo, set("ben", parley.RoleAdmin), parley.CodeNotFound)
	w.must(ann, set("demo", parley.RoleMember))
	w.must(ann, set("demo", parley.RoleAgent))

	w.refused(ann, set("ann", parley.RoleMember), parley.CodeConflict) // the last owner
	w.must(ann, set("ben", parley.RoleOwner))
	w.must(ann, set("ann", parley.RoleAdmin))
	w.refused(ann, set("ben", parley.RoleMember), parley.CodeForbidden)
	w.refused(ann, parley.RemoveMember{Conversation: id, Member: "ben"}, parley.CodeForbidden)
	w.must(ann, set("ann", parley.RoleMember)) // steps down
	w.refused(ann, set("ann", parley.RoleAdmin), parley.CodeForbidden)
}

// Where the last owner leaves, the oldest admin owns it, else the oldest member.
func TestAnOwnerWhoLeavesPassesItOn(t *testing.T) {
	for _, c := range []struct {
		name          string
		owner, admin  parley.PrincipalID // besides ann; empty for none
		heir          parley.PrincipalID
		others        []parley.PrincipalID
		eventsOfLeave int
	}{
		{"to nobody where another owner is left", "cleo", "", "cleo", []parley.PrincipalID{"ben", "cleo"}, 1},
		{"to an admin", "", "cleo", "cleo", []parley.PrincipalID{"ben", "cleo"}, 2},
		{"to the oldest member", "", "", "ben", []parley.PrincipalID{"demo", "ben", "cleo"}, 2},
		{"to no agent", "", "", "", []parley.PrincipalID{"demo"}, 1},
		{"to nobody where nobody is left", "", "", "", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.must(ann, parley.CreateConversation{Kind: parley.KindAgentGroup}).Conversation.ID
			for _, who := range c.others {
				w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{who}})
			}
			for who, role := range map[parley.PrincipalID]parley.Role{c.owner: parley.RoleOwner, c.admin: parley.RoleAdmin} {
				if who != "" {
					w.must(ann, parley.SetRole{Conversation: id, Member: who, Role: role})
				}
			}
			before := len(w.log())
			w.must(ann, parley.RemoveMember{Conversation: id, Member: "ann"})
			log := w.log()[before:]
			if len(log) != c.eventsOfLeave || log[0].Type != parley.MemberLeft {
				t.Fatalf("told %v", types(log))
			}
			var owner parley.PrincipalID
			stays, err := w.store.Stays(t.Context(), org, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range stays {
				if s.Open() && s.Role == parley.RoleOwner {
					owner = s.Principal
				}
			}
			if owner != c.heir {
				t.Errorf("it is owned by %q, want %q", owner, c.heir)
			}
		})
	}
}
