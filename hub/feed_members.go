package hub

import (
	"context"
	"time"

	parley "github.com/parley-chat/parley"
)

// membersFor returns what is known of the event's conversation before it is
// applied; nil for an event that has none.
func (f *feed) membersFor(e *parley.Event) (*members, error) {
	if e.Conversation.IsZero() {
		return nil, nil
	}
	m := f.peek(e.Conversation)
	if m != nil && (e.Class != parley.Durable || e.ChangeSeq <= m.through+1) {
		return m, nil
	}
	if m != nil {
		return m, f.reread(e.Conversation, m) // what came between was erased
	}
	if e.Type == parley.ConversationCreated {
		m := &members{stays: map[parley.PrincipalID][]parley.Membership{}}
		f.remember(e.Conversation, m)
		return m, nil
	}
	ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
	defer cancel()
	m, err := loadMembers(ctx, f.h.cfg.Store, f.org, e.Conversation)
	if err != nil {
		return nil, err
	}
	if e.Class != parley.Durable {
		if err := f.placeOf(ctx, e.Conversation, m); err != nil {
			return nil, err
		}
	}
	f.remember(e.Conversation, m)
	return m, nil
}

// reread brings the stays of a conversation up to date with the store.
func (f *feed) reread(id parley.ConversationID, m *members) error {
	ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
	defer cancel()
	now, err := loadMembers(ctx, f.h.cfg.Store, f.org, id)
	if err == nil {
		m.kind, m.stays, m.through = now.kind, now.stays, now.through
	}
	return err
}

// placeOf finds the change_seq that the feed has applied of a conversation it
// has not met before. It stays zero where the conversation's last event is still
// to come: that one will say.
func (f *feed) placeOf(ctx context.Context, id parley.ConversationID, m *members) error {
	last, err := f.h.cfg.Store.LastOffset(ctx, f.org, parley.ConversationKey(id))
	if err != nil || last == 0 || last > f.applied.Offset {
		return err
	}
	events, err := f.h.cfg.Store.ReadLog(ctx, f.org, last-1, last, 1)
	if err != nil {
		return err
	}
	m.applied = m.through
	for _, e := range events {
		m.applied = e.ChangeSeq
	}
	return nil
}

// peek returns what is known of a conversation, or nil.
func (f *feed) peek(id parley.ConversationID) *members {
	m := f.conversations[id]
	if m != nil {
		m.used = f.h.cfg.Now()
	}
	return m
}

func (f *feed) remember(id parley.ConversationID, m *members) {
	m.used = f.h.cfg.Now()
	if len(f.conversations) >= maxConversations {
		// Of a handful met by chance, the one unused for longest makes room.
		var oldest parley.ConversationID
		n := 0
		for other, o := range f.conversations {
			if len(o.held) == 0 && (oldest.IsZero() || o.used.Before(f.conversations[oldest].used)) {
				oldest = other
			}
			if n++; n == 8 {
				break
			}
		}
		delete(f.conversations, oldest)
	}
	f.conversations[id] = m
}
