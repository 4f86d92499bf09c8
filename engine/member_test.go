package engine

import (
	"testing"

	"github.com/parley-chat/parley"
)

func TestAStayIsAnInterval(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")                                                                                     // change 1
	w.must(ann, parley.PostMessage{Conversation: id, Content: "one"})                                        // 2
	joined := w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"cleo", "ben"}}) // 3
	w.must(ann, parley.PostMessage{Conversation: id, Content: "two"})                                        // 4
	left := w.must(cleo, parley.RemoveMember{Conversation: id, Member: "cleo"})                              // 5
	w.must(ann, parley.PostMessage{Conversation: id, Content: "three"})                                      // 6
	w.must(ann, parley.AddMembers{Conversation: id, Members: []parley.PrincipalID{"cleo"}})                  // 7

	if joined.Event.ChangeSeq != 3 || joined.Event.Type != parley.MemberJoined || len(joined.Members) != 3 {
		t.Errorf("joined: %+v", joined)
	}
	if body := joined.Event.Body.(*parley.MemberBody); body.Principal != "cleo" || body.Conversation == nil || body.Conversation.ID != id {
		t.Errorf("body of member.joined: %+v", body)
	}
	if left.Event.ChangeSeq != 5 || left.Event.Type != parley.MemberLeft {
		t.Errorf("left: %+v", left.Event)
	}
	stays, err := w.store.Stays(t.Context(), org, id)
	if err != nil {
		t.Fatal(err)
	}
	var got [][4]uint64
	for _, m := range stays {
		if m.Principal == "cleo" {
			got = append(got, [4]uint64{m.From, m.To, m.FromSeq, m.ToSeq})
		}
	}
	if len(got) != 2 || got[0] != [4]uint64{3, 5, 2, 2} || got[1] != [4]uint64{7, 0, 4, 0} {
		t.Errorf("stays of cleo: %v", got)
	}
	w.refused(cleo, parley.RemoveMember{Conversation: id, Member: "nobody"}, parley.CodeForbidden)
	w.refused(ann, parley.RemoveMember{Conversation: id, Member: "nobody"}, parley.CodeNotFound)
}

func TestWhoMayChangeMembers(t *testing.T) {
	w := newWorld(t)
	id := w.group("ben")
	add := func(role parley.Role, who ...parley.PrincipalID) parley.AddMembers {
		return parley.AddMembers{Conversation: id, Members: who, Role: role}
	}
	w.refused(ben, add("", "cleo"), parley.CodeForbidden)
	w.refused(ben, parley.RemoveMember{Conversation: id, Member: "ann"}, parley.CodeForbidden)
	w.must(ann, add(parley.RoleAdmin, "cleo"))
	w.must(cleo, add("", "dora"))
	w.refused(cleo, add(parley.RoleOwner, "eve"), parley.CodeForbidden)
	w.refused(cleo, parley.RemoveMember{Conversation: id, Member: "ann"}, parley.CodeForbidden)
	w.refused(ann, add(parley.RoleAgent, "eve"), parley.CodeInvalidArgument)
	w.refused(ann, add("king", "eve"), parley.CodeInvalidArgument)
	w.refused(ann, add(""), parley.CodeInvalidArgument)
	r := w.must(cleo, add("", "demo"))
	if m := r.Members[len(r.Members)-1]; m.Role != parley.RoleAgent || !m.AutoRespond || m.Name != "Demo" {
		t.Errorf("an added agent is %+v", m)
	}
	w.must(ben, parley.RemoveMember{Conversation: id, Member: "ben"})
	w.refused(ben, parley.PostMessage{Conversation: id, Content: "still here?"}, parley.CodeNotFound)

	pair := w.must(ann, parley.CreateConversation{Members: []parley.PrincipalID{"ben"}}).Conversation.ID
	w.refused(ann, parley.AddMembers{Conversation: pair, Members: []parley.PrincipalID{"cleo"}}, parley.CodeConflict)
	w.refused(ann, parley.RemoveMember{Conversation: pair, Member: "ben"}, parley.CodeConflict)
}
