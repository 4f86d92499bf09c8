package conn

import (
	"context"
	"errors"
	"slices"

	"github.com/parley-chat/parley"
)

// Bounds of the messages told by one subscription: a Conn holds them all at once.
const (
	historyPage     = 200
	maxHistory      = 2000
	maxHistoryBytes = 4 << 20
)

var errLongHistory = errors.New("the history is too long to be told here")

// past is what a principal may read of a conversation: what it sees over HTTP too.
type past struct {
	store        parley.Reader
	who          *parley.Principal
	conversation *parley.Conversation
	spans        []parley.Span
	left         uint64 // the change_seq of its leave; 0 while it is in
	blocked      map[parley.PrincipalID]bool

	found []parley.Message
	bytes int
}

// history reads the messages after a subscription's AfterSeq, clipped to the
// principal's stays, without those that it hid from itself and those of whom it blocks.
func (c *Conn) history(ctx context.Context, sub *parley.Subscribe) ([]parley.Message, error) {
	p, err := c.past(ctx, sub.Interest.Conversations[0], sub.AfterSeq)
	if err != nil {
		return nil, err
	}
	for _, span := range p.spans {
		if err := p.read(ctx, span); err != nil {
			return nil, err
		}
	}
	return p.found, nil
}

// past reads what the principal may read of a conversation after a seq. The order of the
// first two readings matters: what was said by the first was heard by those whom the
// second finds in the conversation, and what came since is told live to who is still
// there (P6).
func (c *Conn) past(ctx context.Context, id parley.ConversationID, after uint64) (*past, error) {
	who, store := c.principal.Load(), c.srv.cfg.Store
	conversation, err := store.Conversation(ctx, who.Org, id)
	p := &past{store: store, who: who, conversation: conversation}
	if err != nil || after >= conversation.Seq {
		return p, err
	}
	stays, err := store.StaysOf(ctx, who.Org, id, who.ID)
	if err != nil || len(stays) == 0 {
		return p, err
	}
	states, err := store.MemberStates(ctx, who.Org, who.ID, []parley.ConversationID{id})
	if err != nil {
		return nil, err
	}
	p.left = stays[len(stays)-1].To
	p.spans = parley.Spans(stays, parley.SpanQuery{
		Kind: conversation.Kind, After: max(after, states[0].HiddenSeq), Last: conversation.Seq,
		Internal: who.Can(parley.ScopeConversationsReadAll),
	})
	blocks, err := store.Blocks(ctx, who.Org, who.ID)
	if err != nil {
		return nil, err
	}
	p.blocked = make(map[parley.PrincipalID]bool, len(blocks))
	for i := range blocks {
		p.blocked[blocks[i].Blocked] = true
	}
	return p, nil
}

// read finds what the principal may read of a span.
func (p *past) read(ctx context.Context, span parley.Span) error {
	for from := span.From; from <= span.To; {
		page, err := p.store.Messages(ctx, p.who.Org, p.conversation.ID, from, span.To, historyPage, false)
		if err != nil || len(page) == 0 {
			return err
		}
		last := page[len(page)-1].Seq
		hidden, err := p.store.Hidden(ctx, p.who.Org, p.conversation.ID, p.who.ID, from, last)
		if err != nil {
			return err
		}
		for i := range page {
			if slices.Contains(hidden, page[i].Seq) {
				continue
			}
			if err := p.take(ctx, &page[i], span.Internal); err != nil {
				return err
			}
		}
		from = last + 1
	}
	return nil
}

// take finds a message, unless the principal may not read it.
func (p *past) take(ctx context.Context, m *parley.Message, internal bool) error {
	if p.left != 0 {
		if err := m.ReadAsOf(ctx, p.store, p.who.Org, p.left); err != nil {
			return err
		}
	}
	if m.Deleted || p.blocked[m.Sender] || m.Internal && !internal {
		return nil
	}
	p.found = append(p.found, *m)
	p.bytes += len(m.Content) + len(m.ContentMeta)
	if len(p.found) > maxHistory || p.bytes > maxHistoryBytes {
		return errLongHistory
	}
	return nil
}
