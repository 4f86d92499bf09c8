package engine

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley"
)

// setRole gives a member another role. The last owner keeps its own: it makes
// somebody else an owner first, or leaves.
func (e *Engine) setRole(ctx context.Context, p *parley.Principal, cmd parley.SetRole) (parley.Result, error) {
	if err := checkOneOf("role", cmd.Role, parley.RoleOwner, parley.RoleAdmin, parley.RoleMember, parley.RoleAgent); err != nil {
		return parley.Result{}, err
	}
	if err := e.limits.changed(p, e.cfg.Now()); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, caller, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if isPair(c.Kind) {
			return errFixed()
		}
		if err := may(toSetRole, c, caller, false); err != nil {
			return err
		}
		m, err := w.other(c, cmd.Member)
		if err != nil {
			return err
		}
		result = parley.Result{Conversation: c}
		if m.Role == cmd.Role {
			return nil
		}
		if err := w.mayBecome(c, caller, m, cmd.Role); err != nil {
			return err
		}
		if result.Event, err = w.changeRole(c, m, cmd.Role); err != nil {
			return err
		}
		return w.save(c)
	})
	return result, err
}

func (w *write) mayBecome(c *parley.Conversation, caller, m *parley.Membership, role parley.Role) error {
	if role == parley.RoleAgent && m.Kind != parley.KindAgent {
		return errNoAgent()
	}
	if role != parley.RoleOwner && m.Role != parley.RoleOwner {
		return nil
	}
	if err := may(toChangeOwners, c, caller, false); err != nil || m.Role != parley.RoleOwner {
		return err
	}
	all, err := w.Members(c.Org, c.ID)
	if err != nil {
		return fmt.Errorf("read members of %s: %w", c.ID, err)
	}
	for i := range all {
		if all[i].Role == parley.RoleOwner && all[i].Principal != m.Principal {
			return nil
		}
	}
	return parley.Errorf(parley.CodeConflict, "the last owner has to make somebody else an owner first")
}

func errNoAgent() error { return invalid("role", "the role agent is for agents") } // they hear internal messages

// changeRole ends a stay and begins the next with one event: what the new role lets
// one hear holds from there on.
func (w *write) changeRole(c *parley.Conversation, m *parley.Membership, role parley.Role) (*parley.Event, error) {
	next := *m
	next.Role = role
	ev := w.memberEvent(c, parley.MemberUpdated, &next)
	if err := w.EndMember(c.Org, c.ID, m.Principal, ev.ChangeSeq, c.Seq); err != nil {
		return nil, fmt.Errorf("end stay in %s: %w", c.ID, err)
	}
	next.From, next.FromSeq = ev.ChangeSeq, c.Seq+1
	if err := w.InsertMember(&next); err != nil {
		return nil, fmt.Errorf("insert member: %w", err)
	}
	return ev, w.append(ev)
}

// passOn makes somebody an owner where the last one left.
func (w *write) passOn(c *parley.Conversation) error {
	left, err := w.Members(c.Org, c.ID)
	if err != nil {
		return fmt.Errorf("read members of %s: %w", c.ID, err)
	}
	m := heir(left)
	if m == nil || m.Role == parley.RoleOwner {
		return nil
	}
	_, err = w.changeRole(c, m, parley.RoleOwner)
	return err
}

// heir is who owns a conversation that an owner left: another owner, else the admin
// who joined first, else the member who did; nil where only agents are left.
func heir(all []parley.Membership) (best *parley.Membership) {
	rank := map[parley.Role]int{parley.RoleOwner: 3, parley.RoleAdmin: 2, parley.RoleMember: 1}
	for i := range all {
		m := &all[i]
		switch {
		case rank[m.Role] == 0:
		case best == nil, rank[m.Role] > rank[best.Role],
			rank[m.Role] == rank[best.Role] && m.JoinedAt.Before(best.JoinedAt):
			best = m
		}
	}
	return best
}
