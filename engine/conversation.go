package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/parley-chat/parley"
)

func (e *Engine) createConversation(ctx context.Context, p *parley.Principal, cmd parley.CreateConversation) (parley.Result, error) {
	others, err := checkPrincipals("members", cmd.Members, e.cfg.Limits.MembersPerCall)
	if err := firstError(err,
		checkText("title", cmd.Title, maxTitle),
		checkText("description", cmd.Description, maxDescription)); err != nil {
		return parley.Result{}, err
	}
	others = slices.DeleteFunc(others, func(id parley.PrincipalID) bool { return id == p.ID })

	var result parley.Result
	err = e.update(ctx, p, func(w *write) error {
		members, err := w.principals(others)
		if err != nil {
			return err
		}
		kind, err := kindFor(cmd.Kind, p, members)
		if err != nil {
			return err
		}
		c := &parley.Conversation{
			Org: p.Org, ID: e.cfg.IDs.NewID(), Kind: kind, Title: cmd.Title, Description: cmd.Description,
			CreatedBy: p.ID, Status: parley.StatusActive, CreatedAt: w.now,
		}
		if kind == parley.KindDirect {
			found, err := w.findDirect(c, others[0])
			if err != nil || found != nil {
				result = parley.Result{Conversation: found, Repeated: true}
				if err != nil {
					return err
				}
				return w.relist(&result)
			}
		}
		result, err = w.begin(c, members)
		return err
	})
	return result, err
}

// relist completes the answer that finds a pair's conversation: the caller sees it
// on its list again, if it had deleted it for itself.
func (w *write) relist(result *parley.Result) (err error) {
	c, err := w.Conversation(w.caller.Org, result.Conversation.ID) // holds it
	if err != nil {
		return fmt.Errorf("read conversation of a pair: %w", err)
	}
	if result.Members, err = w.Members(c.Org, c.ID); err != nil {
		return fmt.Errorf("read members of %s: %w", c.ID, err)
	}
	return w.list(c, w.caller.ID)
}

func (w *write) principals(ids []parley.PrincipalID) ([]parley.Principal, error) {
	list := make([]parley.Principal, len(ids))
	for i, id := range ids {
		var err error
		if list[i], err = w.principal(id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// kindFor settles what sort of conversation the caller and the others make, and
// refuses a sort that is named but does not fit.
func kindFor(named parley.ConversationKind, caller *parley.Principal, others []parley.Principal) (parley.ConversationKind, error) {
	agents := 0
	for _, p := range append([]parley.Principal{*caller}, others...) {
		if p.Kind == parley.KindAgent {
			agents++
		}
	}
	pair := len(others) == 1
	switch named {
	case "":
		switch {
		case pair && agents == 0:
			return parley.KindDirect, nil
		case pair && agents == 1:
			return parley.KindAgentDirect, nil
		case agents > 0:
			return parley.KindAgentGroup, nil
		}
		return parley.KindGroup, nil
	case parley.KindDirect:
		if !pair || agents > 0 {
			return "", invalid("members", "a direct conversation has exactly one other member, who is not an agent")
		}
	case parley.KindAgentDirect:
		if !pair || agents != 1 {
			return "", invalid("members", "an agent_direct conversation is between one person and one agent")
		}
	case parley.KindGroup, parley.KindAgentGroup:
	default:
		return "", invalid("kind", "kind is not known")
	}
	return named, nil
}

// findDirect finds the open direct conversation of the caller and another, or
// gives c the pair's next free key and returns nil. A pair whose conversation was
// closed begins another, under the next key; only the latest can be open, and it is
// found by halving, however many there are.
func (w *write) findDirect(c *parley.Conversation, other parley.PrincipalID) (*parley.Conversation, error) {
	const unknown = -1
	taken, free := -1, unknown // the greatest number that is known to be taken, the least to be free
	for n := 0; free != taken+1; {
		found, err := w.ConversationByPair(c.Org, pairKey(w.caller.ID, other, n))
		switch {
		case errors.Is(err, parley.ErrNotFound):
			free = n
		case err != nil:
			return nil, fmt.Errorf("find conversation of a pair: %w", err)
		case found.Status == parley.StatusActive:
			return found, nil
		default:
			taken = n
		}
		if n = 2*n + 1; free != unknown {
			n = (taken + free) / 2
		}
	}
	c.PairKey = pairKey(w.caller.ID, other, free)
	return nil, nil
}

// pairKey is the same for both of a pair, and no other's: the first id's length
// keeps apart pairs whose ids run into each other. n counts the pair's closed
// conversations.
func pairKey(a, b parley.PrincipalID, n int) string {
	a, b = min(a, b), max(a, b)
	key := strconv.Itoa(len(a)) + ":" + string(a) + ":" + string(b)
	if n > 0 {
		key = strconv.Itoa(n) + "/" + key
	}
	return key
}

// begin stores a new conversation with its caller as owner and the others.
func (w *write) begin(c *parley.Conversation, others []parley.Principal) (parley.Result, error) {
	owner := w.stay(c, w.caller, parley.RoleOwner)
	members := []parley.Membership{owner}
	for i := range others {
		members = append(members, w.stay(c, &others[i], ""))
	}
	body := conversationBody(c)
	for i := range members {
		member := memberBody(&members[i])
		member.FromSeq = 1
		body.Members = append(body.Members, member)
	}
	ev := w.event(c, parley.ConversationCreated, &body)
	if err := w.InsertConversation(c); err != nil {
		return parley.Result{}, fmt.Errorf("insert conversation: %w", err)
	}
	for i := range members {
		members[i].From, members[i].FromSeq = ev.ChangeSeq, 1
		if err := w.InsertMember(&members[i]); err != nil {
			return parley.Result{}, fmt.Errorf("insert member: %w", err)
		}
	}
	return parley.Result{Conversation: c, Members: members, Event: ev}, w.append(ev)
}

func conversationBody(c *parley.Conversation) parley.ConversationBody {
	return parley.ConversationBody{
		ID: c.ID, Kind: c.Kind, Title: c.Title, Description: c.Description,
		CreatedBy: c.CreatedBy, Status: c.Status, CreatedAt: c.CreatedAt,
	}
}

// isPair reports whether a conversation's members are fixed: the two it began with.
func isPair(kind parley.ConversationKind) bool {
	return kind == parley.KindDirect || kind == parley.KindAgentDirect
}

func (e *Engine) closeConversation(ctx context.Context, p *parley.Principal, cmd parley.CloseConversation) (parley.Result, error) {
	if cmd.Reason == "" {
		cmd.Reason = "ended"
	}
	if err := checkOneOf("reason", cmd.Reason, "ended", "user_disconnect", "idle_timeout", "deleted"); err != nil {
		return parley.Result{}, err
	}
	var result parley.Result
	err := e.update(ctx, p, func(w *write) error {
		c, m, err := w.conversation(cmd.Conversation)
		if err != nil {
			return err
		}
		if err := may(toClose, c, m, false); err != nil {
			return err
		}
		if c.Status != parley.StatusActive {
			result = parley.Result{Conversation: c, Repeated: true}
			return nil
		}
		c.Status = parley.StatusClosed
		body := conversationBody(c)
		body.Reason = cmd.Reason
		ev := w.event(c, parley.ConversationClosed, &body)
		result = parley.Result{Conversation: c, Event: ev}
		return firstError(w.append(ev), w.save(c))
	})
	return result, err
}
