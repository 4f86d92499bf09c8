package httpd

import (
	"context"

	"github.com/parley-chat/parley"
)

// watcher looks at messages of many conversations for one principal, reading each
// conversation once.
type watcher struct {
	server *Server
	who    *parley.Principal
	blocks blocked
	known  map[parley.ConversationID]*sight
}

// watcher is one that knows what v knows.
func (v *sight) watcher(s *Server) *watcher {
	return &watcher{s, v.who, v.blocks, map[parley.ConversationID]*sight{v.conversation.ID: v}}
}

// sight is what the principal may see of a conversation; nil where it never was in
// it.
func (w *watcher) sight(ctx context.Context, id parley.ConversationID) (*sight, error) {
	if v, ok := w.known[id]; ok {
		return v, nil
	}
	v, err := w.server.lookPast(ctx, w.who, id, w.blocks)
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	w.known[id] = v
	return v, nil
}

// source tells where a forwarded message was first said: to who may see it there, and
// to nobody else. Nil else, and for a message that was not forwarded.
func (w *watcher) source(ctx context.Context, m *parley.Message) (*chatSource, error) {
	from := m.Source
	if from == nil {
		return nil, nil
	}
	v, err := w.sight(ctx, from.Conversation)
	if v == nil || err != nil {
		return nil, err
	}
	first, err := w.server.Store.Message(ctx, w.who.Org, from.Message)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	hidden, err := w.server.hiddenAmong(ctx, v, []parley.Message{*first})
	if err != nil || !v.covers(first.Seq) || v.hides(first) || hidden[first.Seq] {
		return nil, err
	}
	return &chatSource{from.Conversation, from.Message, from.Sender, from.SenderName}, nil
}
