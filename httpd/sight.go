package httpd

import (
	"cmp"
	"context"
	"slices"

	"github.com/parley-chat/parley"
)

// sight is what one principal may see of a conversation: its own stays decide,
// for as long as they lasted (design.md section 5, P6).
type sight struct {
	conversation *parley.Conversation
	stays        []parley.Membership // everybody's
	own          []parley.Membership // the principal's, in the order they began
	spans        []span              // the messages it may see, ascending and apart
	internal     bool                // it sees internal messages of whatever it is in
}

// span is a range of seq, both ends inclusive.
type span struct{ from, to uint64 }

// look reads what who may see of a conversation. Whoever never was a member is
// told that there is none.
func (s *Server) look(ctx context.Context, who *parley.Principal, id parley.ConversationID) (*sight, error) {
	c, err := s.Store.Conversation(ctx, who.Org, id)
	if err != nil {
		return nil, missing(err)
	}
	if c.Status == parley.StatusDeleted {
		return nil, errNoConversation
	}
	stays, err := s.Store.Stays(ctx, who.Org, id)
	if err != nil {
		return nil, err
	}
	v := &sight{conversation: c, stays: stays, internal: who.Can(parley.ScopeConversationsReadAll)}
	for _, m := range stays {
		if m.Principal != who.ID {
			continue
		}
		v.own = append(v.own, m)
		if to := lastSeq(&m, c); m.FromSeq <= to {
			v.spans = append(v.spans, span{m.FromSeq, to})
		}
	}
	if len(v.own) == 0 {
		return nil, errNoConversation
	}
	v.spans = merge(v.spans)
	return v, nil
}

// missing turns a store's "not found" into what the client is told.
func missing(err error) error {
	if parley.AsError(err).Code == parley.CodeNotFound {
		return errNoConversation
	}
	return err
}

// lastSeq is the last message a stay lets its member see. A stay that ended
// before anything was said ends at 0, which is not "open".
func lastSeq(m *parley.Membership, c *parley.Conversation) uint64 {
	if m.Open() {
		return c.Seq
	}
	return min(m.ToSeq, c.Seq)
}

// merge sorts spans and joins those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to+1 {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// member reports whether the principal is in the conversation now.
func (v *sight) member() bool { return v.own[len(v.own)-1].Open() }

// current is the last seq there is for the principal; what was said after it left
// does not show, not even in number.
func (v *sight) current() uint64 {
	if v.member() {
		return v.conversation.Seq
	}
	if len(v.spans) == 0 {
		return 0
	}
	return v.spans[len(v.spans)-1].to
}

// participants are the members now or, for one who left, those it left behind.
func (v *sight) participants() []parley.Membership {
	at := v.own[len(v.own)-1].To
	var list []parley.Membership
	for _, m := range v.stays {
		if m.Open() && (at == 0 || m.From <= at) || at != 0 && m.From <= at && m.To > at {
			list = append(list, m)
		}
	}
	return list
}

// hides reports whether a message within the spans is there for the principal
// only as a place in the order: it was deleted, or is internal and none of the
// stays that reach it hears those.
func (v *sight) hides(m *parley.Message) bool {
	if m.Deleted {
		return true
	}
	return m.Internal && !v.internal && !slices.ContainsFunc(v.own, func(stay parley.Membership) bool {
		return stay.FromSeq <= m.Seq && m.Seq <= lastSeq(&stay, v.conversation) &&
			stay.HearsInternal(v.conversation.Kind)
	})
}

// messages reads what the principal may see of from <= seq <= to, ascending, at
// most limit: the first of them, or the last where newest is set.
func (s *Server) messages(ctx context.Context, v *sight, from, to uint64, limit int, newest bool) ([]parley.Message, error) {
	spans := slices.Clone(v.spans)
	if newest {
		slices.Reverse(spans)
	}
	var pages [][]parley.Message
	for _, sp := range spans {
		lo, hi := max(sp.from, from), min(sp.to, to)
		if lo > hi || limit == 0 {
			continue
		}
		c := v.conversation
		page, err := s.Store.Messages(ctx, c.Org, c.ID, lo, hi, limit, newest)
		if err != nil {
			return nil, err
		}
		limit -= len(page)
		pages = append(pages, page)
	}
	if newest {
		slices.Reverse(pages)
	}
	return slices.Concat(pages...), nil
}
