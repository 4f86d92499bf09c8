package httpd

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/parley-chat/parley"
)

// Bounds of one sync: how many conversations it may name, and how many messages
// and changes it answers. What lies beyond is told by has_more.
const (
	syncConversations = 1000
	syncMessages      = 2000
	syncChanges       = 2000
)

type batchList struct {
	Batches []batch `json:"batches"`
	// Missing names the conversations asked for that are not the caller's to read.
	Missing []string `json:"missing,omitempty"`
}

type batch struct {
	ConversationID parley.ConversationID `json:"conversation_id"`
	messageList
	// CompleteTo is the seq up to which nothing is left out: the last_seq of the
	// next sync.
	CompleteTo uint64 `json:"complete_to"`
	HasMore    bool   `json:"has_more"` // of messages or changes
	changeList
}

// changeList is empty unless last_change_seq was given.
type changeList struct {
	// Changes are what became of the conversation and of messages after
	// last_change_seq, but for new messages, which are in the other list.
	Changes []change `json:"changes,omitzero"`
	// ChangesCompleteTo is the last_change_seq of the next sync.
	ChangesCompleteTo *uint64 `json:"changes_complete_to,omitempty"`
	// Reload says that changes after last_change_seq are no longer kept: what is known
	// of the conversation must be read anew.
	Reload bool `json:"reload,omitempty"`
	// ExpiredTo is set where messages expired after last_change_seq: all up to this seq
	// are deleted, which no change tells one by one.
	ExpiredTo uint64 `json:"expired_to_seq,omitempty"`
}

// change is one event as a socket tells it.
type change struct {
	ChangeSeq uint64          `json:"change_seq"`
	Event     json.RawMessage `json:"event"`
}

// syncPlace is how far a client has one conversation, under the id it used.
type syncPlace struct {
	text       string
	id         parley.ConversationID
	last       uint64
	lastChange uint64
	changes    bool // it asks for changes
}

// syncer answers one sync.
type syncer struct {
	server *Server
	who    *parley.Principal
	blocks blocked
	states []parley.MemberState // in the order of the places
	limit  int                  // messages of one conversation
	// room is how many messages may still be answered, and how many bytes of messages
	// and changes; changes is how many of these.
	room    room
	changes int
}

// sync tells what was said in many conversations after each one's last_seq, which
// is exclusive (contracts.md C24), and what changed in them after last_change_seq.
func (s *Server) sync(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	y := &syncer{server: s, who: c.who, limit: pageMax, room: room{syncMessages, answerBytes}, changes: syncChanges}
	places, err := y.read(&c.body)
	if err != nil {
		return err
	}
	if y.blocks, err = s.blocks(c.ctx, c.who); err != nil {
		return err
	}
	ids := make([]parley.ConversationID, len(places))
	for i := range places {
		ids[i] = places[i].id
	}
	if y.states, err = s.Store.MemberStates(c.ctx, c.who.Org, c.who.ID, ids); err != nil {
		return err
	}
	list := batchList{Batches: []batch{}}
	for i, at := range places {
		b, err := y.batch(c.ctx, at, y.states[i])
		switch {
		case parley.AsError(err) == errNoConversation:
			list.Missing = append(list.Missing, at.text)
			continue
		case err != nil:
			return err
		}
		list.Batches = append(list.Batches, b)
	}
	return c.reply(http.StatusOK, list)
}

// read reads what is asked for.
func (y *syncer) read(body *fields) ([]syncPlace, error) {
	wanted := body.objects("conversations")
	body.badIf(len(wanted) > syncConversations, "conversations", "conversations names more than %d", syncConversations)
	if body.object.Has("limit") {
		limit := body.seq("limit")
		body.badIf(limit == 0, "limit", "limit must be 1 or more")
		y.limit = int(min(limit, pageMax))
	}
	places := make([]syncPlace, len(wanted))
	for i := range wanted {
		w := &wanted[i]
		places[i] = syncPlace{
			text: w.need("conversation_id"), id: w.conversation("conversation_id"),
			last: w.seq("last_seq"), lastChange: w.seq("last_change_seq"), changes: w.object.Has("last_change_seq"),
		}
		body.fail(w.err)
	}
	return places, body.err
}

// batch reads what comes after a place.
func (y *syncer) batch(ctx context.Context, at syncPlace, state parley.MemberState) (batch, error) {
	c, err := y.server.Store.Conversation(ctx, y.who.Org, at.id)
	if err != nil {
		return batch{}, missing(err)
	}
	v, err := y.server.sightOf(ctx, y.who, c, state, y.blocks)
	if err != nil {
		return batch{}, err
	}
	current := v.current()
	b := batch{ConversationID: at.id, messageList: messageList{[]shown{}, current}, CompleteTo: current}
	if at.last < current {
		if err := y.messagesAfter(ctx, v, at.last, &b); err != nil {
			return batch{}, err
		}
	}
	b.HasMore = b.CompleteTo < current
	if at.changes {
		if b.changeList, err = y.changesOf(ctx, v, at.lastChange); err != nil {
			return batch{}, err
		}
		b.HasMore = b.HasMore || *b.ChangesCompleteTo < v.currentChange()
	}
	return b, nil
}

// messagesAfter adds the messages after a seq, as many as may still be answered.
func (y *syncer) messagesAfter(ctx context.Context, v *sight, last uint64, b *batch) error {
	here := room{min(y.limit, y.room.items), y.room.bytes}
	t, err := y.server.tell(ctx, v, last+1, b.CurrentSeq, &here, false)
	if err != nil {
		return err
	}
	b.Messages = t.messages
	y.room = room{y.room.items - len(t.messages), here.bytes}
	if t.cut {
		b.CompleteTo = max(t.last, last)
	}
	return nil
}

// changesOf reads the changes after a change_seq, as many as may still be answered.
func (y *syncer) changesOf(ctx context.Context, v *sight, last uint64) (changeList, error) {
	list := changeList{Changes: []change{}, ChangesCompleteTo: &last}
	current, limit := v.currentChange(), min(y.limit, y.changes)
	for last < current && limit > 0 && y.room.bytes > 0 {
		n := min(limit, readAtOnce)
		events, err := y.server.Store.Changes(ctx, y.who.Org, v.conversation.ID, last, current, n)
		if err != nil {
			return changeList{}, err
		}
		hidden, err := y.server.hiddenAbout(ctx, v, events)
		if err != nil {
			return changeList{}, err
		}
		list.Reload = list.Reload || len(events) == 0 || events[0].ChangeSeq != last+1
		limit, y.changes = limit-len(events), y.changes-len(events)
		for _, e := range events {
			if y.room.bytes <= 0 {
				return list, nil
			}
			last = e.ChangeSeq
			if b, ok := e.Body.(*parley.ExpiredBody); ok && v.hears(e) {
				list.ExpiredTo = b.To
			}
			if frame := y.frame(v, e, hidden); len(frame) > 0 {
				list.Changes = append(list.Changes, change{e.ChangeSeq, frame})
				y.room.bytes -= itemBytes + rawSize(frame)
			}
		}
		if len(events) < n {
			last = current
		}
	}
	return list, nil
}

// frame is a change as the principal's socket tells it; empty for none, and for what
// the messages tell. Of the messages it hid it is told only that they were deleted.
func (y *syncer) frame(v *sight, e *parley.Event, hidden map[uint64]bool) []byte {
	if e.Type == parley.MessageCreated || e.Type == parley.RunEnded || !v.hears(e) || hidden[about(e)] && e.Type != parley.MessageDeleted {
		return nil
	}
	view := parley.ViewPublic
	if e.Internal {
		view = parley.ViewInternal // hears has looked
	}
	return y.server.Chat.AppendEvent(nil, e, view)
}
