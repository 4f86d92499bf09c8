package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
)

// stay makes the stay of a principal; the event that begins it is not known yet.
// An empty role is the one that fits what the principal is.
func (w *write) stay(c *parley.Conversation, p *parley.Principal, role parley.Role) parley.Membership {
	agent := p.Kind == parley.KindAgent
	if role == "" {
		role = parley.RoleMember
		if agent {
			role = parley.RoleAgent
		}
	}
	return parley.Membership{
		Org: c.Org, Conversation: c.ID, Principal: p.ID, Kind: p.Kind, Name: p.Name,
		Role: role, AutoRespond: agent, JoinedAt: w.now,
	}
}

func memberBody(m *parley.Membership) parley.MemberBody {
	return parley.MemberBody{Principal: m.Principal, Kind: m.Kind, Name: m.Name, Role: m.Role, AutoRespond: m.AutoRespond}
}

// memberEvent makes the event that begins or ends a stay.
func (w *write) memberEvent(c *parley.Conversation, t parley.EventType, m *parley.Membership) *parley.Event {
	body, about := memberBody(m), conversationBody(c)
	body.Conversation = &about
	body.FromSeq, body.ToSeq = c.Seq+1, c.Seq
	switch {
	case t == parley.MemberLeft:
		body.FromSeq = 0
	case t == parley.MemberJoined && c.SharedHistory:
		body.FromSeq, body.ToSeq = 1, 0
	case t == parley.MemberJoined:
		body.ToSeq = 0
	}
	return w.event(c, t, &body)
}

func (e *Engine) addMembers(ctx context.Context, p *parley.Principal, cmd parley.AddMembers) (parley.Result, error) {
	ids, err := checkPrincipals("members", cmd.Members, e.cfg.Limits.MembersPerCall)
	if err := firstError(err, checkOneOf("role", cmd.Role, "",
		parley.RoleOwner, parley.RoleAdmin, parley.RoleMember, parley.RoleAgent)); err != nil {
		return parley.Result{}, err
	}
	if len(ids) == 0 {
		return parley.Result{}, invalid("members", "members is empty")
	}
	var result parley.Result
	err = e.update(ctx, p, func(w *write) error {
		c, caller, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if err := mayAdd(c, caller, cmd.Role); err != nil {
			return err
		}
		result = parley.Result{Conversation: c}
		for _, id := range ids {
			ev, err := w.join(c, id, cmd.Role)
			if err != nil {
				return err
			}
			if result.Event == nil {
				result.Event = ev
			}
		}
		if result.Event != nil {
			if err := w.save(c); err != nil {
				return err
			}
		}
		result.Members, err = w.Members(c.Org, c.ID)
		return err
	})
	return result, err
}

func mayAdd(c *parley.Conversation, caller *parley.Membership, role parley.Role) error {
	if isPair(c.Kind) {
		return errFixed()
	}
	err := may(toAddMembers, c, caller, false)
	if err == nil && role == parley.RoleOwner {
		err = may(toChangeOwners, c, caller, false)
	}
	if err == nil && c.Status != parley.StatusActive {
		err = errClosed()
	}
	return err
}

func errFixed() error {
	return parley.Errorf(parley.CodeConflict, "the members of a conversation of two are fixed")
}

// join begins the stay of one principal and returns its event, nil where one is
// open already.
func (w *write) join(c *parley.Conversation, id parley.PrincipalID, role parley.Role) (*parley.Event, error) {
	_, err := w.Member(c.Org, c.ID, id)
	if err == nil {
		return nil, nil
	}
	if !errors.Is(err, parley.ErrNotFound) {
		return nil, fmt.Errorf("read stay in %s: %w", c.ID, err)
	}
	p, err := w.principal(id)
	if err != nil {
		return nil, err
	}
	if role == parley.RoleAgent && p.Kind != parley.KindAgent {
		return nil, errNoAgent()
	}
	m := w.stay(c, &p, role)
	ev := w.memberEvent(c, parley.MemberJoined, &m)
	m.From, m.FromSeq = ev.ChangeSeq, c.Seq+1
	if c.SharedHistory {
		m.FromSeq = 1
	}
	if err := w.InsertMember(&m); err != nil {
		return nil, fmt.Errorf("insert member: %w", err)
	}
	return ev, firstError(w.list(c, id), w.append(ev))
}

func (e *Engine) removeMember(ctx context.Context, p *parley.Principal, cmd parley.RemoveMember) (parley.Result, error) {
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, caller, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if isPair(c.Kind) {
			return errFixed()
		}
		if err := may(toRemoveMember, c, caller, cmd.Member == p.ID); err != nil {
			return err
		}
		m, err := w.other(c, cmd.Member)
		if err != nil {
			return err
		}
		if m.Role == parley.RoleOwner {
			if err := may(toChangeOwners, c, caller, false); err != nil {
				return err
			}
		}
		ev := w.memberEvent(c, parley.MemberLeft, m)
		if err := w.EndMember(c.Org, c.ID, m.Principal, ev.ChangeSeq, c.Seq); err != nil {
			return fmt.Errorf("end stay in %s: %w", c.ID, err)
		}
		result = parley.Result{Conversation: c, Event: ev}
		if err := w.append(ev); err != nil {
			return err
		}
		if m.Role == parley.RoleOwner {
			if err := w.passOn(c); err != nil {
				return err
			}
		}
		return w.save(c)
	})
	return result, err
}

// other reads the open stay of a member the caller named.
func (w *write) other(c *parley.Conversation, id parley.PrincipalID) (*parley.Membership, error) {
	m, err := w.Member(c.Org, c.ID, id)
	if errors.Is(err, parley.ErrNotFound) {
		return nil, &parley.Error{Code: parley.CodeNotFound, Message: "there is no such member", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("read stay in %s: %w", c.ID, err)
	}
	return m, nil
}
