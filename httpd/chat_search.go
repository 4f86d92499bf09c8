package httpd

import (
	"context"
	"net/http"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/words"
)

// searchRounds bounds how many rows one search reads to find what the caller may see:
// so many times the limit.
const searchRounds = 8

type searchList struct {
	Results    []searchResult `json:"results"`
	NextCursor string         `json:"next_cursor,omitempty"`
}

type searchResult struct {
	Message shown  `json:"message"`
	Snippet string `json:"snippet"` // what was found stands between U+0002 and U+0003
}

// search finds messages by their words, the newest first, among those the caller
// may see.
func (s *Server) search(c *call) error {
	if err := c.may(parley.ScopeConversationsRead); err != nil {
		return err
	}
	query, err := s.searchQuery(c)
	if err != nil {
		return err
	}
	list := searchList{Results: []searchResult{}}
	eyes := &watcher{server: s, who: c.who, known: map[parley.ConversationID]*sight{}}
	if eyes.blocks, err = s.blocks(c.ctx, c.who); err != nil {
		return err
	}
	if !query.Conversation.IsZero() {
		// Whoever was never in it hears that, and not that nothing was found.
		v, err := eyes.sight(c.ctx, query.Conversation)
		if err != nil {
			return err
		}
		if v == nil {
			return errNoConversation
		}
	}
	most, text := query.Page.Limit, words.Parse(query.Text)
	r := room{most, answerBytes}
	for rows := searchRounds * most; rows > 0 && !r.full(); rows -= query.Page.Limit {
		// A page is told whole, or its cursor would be lost: it is small.
		query.Page.Limit = min(r.items, readAtOnce/2)
		hits, next, err := s.Store.Search(c.ctx, query)
		if err != nil {
			return err
		}
		for i := range hits {
			found, err := eyes.show(c.ctx, &hits[i], &text)
			if err != nil {
				return err
			}
			if found != nil {
				list.Results = append(list.Results, searchResult{found, hits[i].Snippet})
				r.items--
				r.bytes -= messageSize(&hits[i].Message) + jsonSize(hits[i].Snippet)
			}
		}
		list.NextCursor, query.Page.Cursor = next, next
		if next == "" {
			break
		}
	}
	return c.reply(http.StatusOK, list)
}

func (s *Server) searchQuery(c *call) (parley.SearchQuery, error) {
	q := c.r.URL.Query()
	page, err := c.page()
	if err != nil {
		return parley.SearchQuery{}, err
	}
	query := parley.SearchQuery{Org: c.who.Org, Principal: c.who.ID, Text: q.Get("q"), Page: page}
	switch {
	case query.Text == "":
		return query, &parley.Error{Code: parley.CodeInvalidArgument, Message: "q is required", Field: "q"}
	case len(query.Text) > 1024:
		return query, &parley.Error{Code: parley.CodeInvalidArgument, Message: "q is longer than 1024 bytes", Field: "q"}
	}
	if text := q.Get("conversation_id"); text != "" {
		if query.Conversation, err = parley.ParseConversationID(text); err != nil {
			return query, errNoConversation
		}
	}
	if query.BeforeSeq, err = number(q, "before_seq", 0); err != nil {
		return query, err
	}
	if query.BeforeSeq > 0 && query.Conversation.IsZero() {
		return query, &parley.Error{Code: parley.CodeInvalidArgument, Message: "before_seq needs conversation_id: seqs are a conversation's own", Field: "before_seq"}
	}
	return query, nil
}

// show shows a message that was found, nil where the principal may not see it. One that
// says something else to who left must have the words in what that one sees too.
func (w *watcher) show(ctx context.Context, hit *parley.SearchHit, text *words.Query) (shown, error) {
	m := &hit.Message
	v, err := w.sight(ctx, m.Conversation)
	if err != nil {
		return nil, err
	}
	if v == nil || !v.covers(m.Seq) || v.hides(m) {
		return nil, nil
	}
	then := []parley.Message{*m}
	if err := w.server.asThen(ctx, v, then); err != nil {
		return nil, err
	}
	if then[0].Content != m.Content {
		if !text.Match(then[0].Content) {
			return nil, nil
		}
		hit.Snippet = text.Snippet(then[0].Content)
	}
	one, err := w.server.show(ctx, v, then)
	if err != nil {
		return nil, err
	}
	if _, hidden := one[0].(chatTombstone); hidden {
		return nil, nil
	}
	return one[0], nil
}
