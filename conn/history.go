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

// history reads the messages after a subscription's AfterSeq, clipped to the
// principal's stays. The order of the three readings matters: what was said by the
// first was heard by those whom the second finds in the conversation, and what
// came since is told live to who is still there (P6).
func (c *Conn) history(ctx context.Context, sub *parley.Subscribe) ([]parley.Message, error) {
	p, store := c.principal.Load(), c.srv.cfg.Store
	id := sub.Interest.Conversations[0]
	conversation, err := store.Conversation(ctx, p.Org, id)
	if err != nil || sub.AfterSeq >= conversation.Seq {
		return nil, err
	}
	stays, err := store.Stays(ctx, p.Org, id)
	if err != nil {
		return nil, err
	}
	var out []parley.Message
	size := 0
	for from := sub.AfterSeq + 1; ; {
		page, err := store.Messages(ctx, p.Org, id, from, conversation.Seq, historyPage, false)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if visible(stays, p, &page[i], conversation.Kind) {
				out = append(out, page[i])
				size += len(page[i].Content) + len(page[i].ContentMeta)
			}
		}
		if len(out) > maxHistory || size > maxHistoryBytes {
			return nil, errLongHistory
		}
		if len(page) < historyPage || page[len(page)-1].Seq >= conversation.Seq {
			return out, nil
		}
		from = page[len(page)-1].Seq + 1
	}
}

// visible reports whether a message belongs to what a principal may read of a
// conversation with these stays: one that reaches it, and hears it where it is
// internal.
func visible(stays []parley.Membership, who *parley.Principal, m *parley.Message, kind parley.ConversationKind) bool {
	if m.Deleted {
		return false
	}
	all := !m.Internal || who.Can(parley.ScopeConversationsReadAll)
	return slices.ContainsFunc(stays, func(s parley.Membership) bool {
		return s.Principal == who.ID && s.Reaches(m.Seq) && (all || s.HearsInternal(kind))
	})
}
