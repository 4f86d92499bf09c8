package sqlite

import (
	"context"
	"fmt"
	"strconv"

	"github.com/parley-chat/parley"
)

const (
	// A row for each stay of the principal in the conversations asked for, which drive.
	selectUnreadStays = `SELECT j.key, c.id, c.kind, c.seq, coalesce(s.read_seq, 0), coalesce(s.hidden_seq, 0),
			m.role, m.from_change, m.to_change, m.from_seq, m.to_seq
		FROM json_each(?3) j CROSS JOIN conversations c ON c.org = ?1 AND c.id = unhex(j.value)
		CROSS JOIN memberships m INDEXED BY memberships_stays ON m.org = c.org AND m.principal = ?2 AND m.conversation = c.id
		LEFT JOIN member_states s ON s.org = c.org AND s.conversation = c.id AND s.principal = ?2
		ORDER BY j.key, m.from_change`
	// The conversations on the principal's list that have messages beyond its read
	// place, the latest activity first.
	selectUnreadOf = `SELECT c.id, c.last_activity FROM memberships m INDEXED BY memberships_list
		CROSS JOIN conversations c ON c.org = m.org AND c.id = m.conversation
		LEFT JOIN member_states s ON s.org = m.org AND s.conversation = m.conversation AND s.principal = m.principal
		WHERE m.org = ? AND m.principal = ? AND m.to_change = 0 AND c.status <> 'deleted'
		AND (c.last_activity, c.id) < (?, ?) AND c.seq > max(coalesce(s.read_seq, 0), coalesce(s.hidden_seq, 0))
		ORDER BY c.last_activity DESC, c.id DESC LIMIT ? + 0`
	// What is left out of the count of each span, each message once: what the senders
	// of ?3 (the principal and whom it blocks) said; of the others what was deleted or
	// is internal and not heard; of the rest what the principal hid from itself. A span
	// is [conversation, from, to, whether internal messages are heard].
	countSilent = `WITH span AS MATERIALIZED (SELECT key AS k, unhex(value ->> 0) AS c, value ->> 1 AS a, value ->> 2 AS z,
			value ->> 3 AS internal FROM json_each(?4)),
		sender AS MATERIALIZED (SELECT value AS id FROM json_each(?3))
		SELECT (SELECT count(*) FROM sender CROSS JOIN messages m INDEXED BY messages_sender
				ON m.org = ?1 AND m.conversation = span.c AND m.sender = sender.id AND m.seq BETWEEN span.a AND span.z)
			+ (SELECT count(*) FROM messages m INDEXED BY messages_silent
				WHERE m.org = ?1 AND m.conversation = span.c AND m.seq BETWEEN span.a AND span.z
				AND m.deleted + m.internal > 0 AND (m.deleted OR NOT span.internal)
				AND m.sender NOT IN (SELECT id FROM sender))
			+ (SELECT count(*) FROM hidden h CROSS JOIN messages m INDEXED BY messages_seq
				ON m.org = h.org AND m.conversation = h.conversation AND m.seq = h.seq
				WHERE h.org = ?1 AND h.conversation = span.c AND h.principal = ?2 AND h.seq BETWEEN span.a AND span.z
				AND NOT m.deleted AND (span.internal OR NOT m.internal) AND m.sender NOT IN (SELECT id FROM sender))
		FROM span ORDER BY k`
)

// unread is a count under way.
type unread struct {
	parley.Unread
	key    int
	kind   parley.ConversationKind
	seq    uint64
	hidden uint64
	stays  []parley.Membership
}

// Unread implements parley.Reader. It costs a few look-ups for each conversation
// and a walk over index entries of what is left out of the count, however much is
// unread. A cursor that it did not write is CodeInvalidArgument.
func (s *Store) Unread(ctx context.Context, q parley.UnreadQuery) (list []parley.Unread, next string, err error) {
	if q.Conversations == nil {
		list, next, err = s.unreadOf(ctx, q)
	} else {
		list, err = s.unreadIn(ctx, q, q.Conversations)
	}
	if err = s.readError(ctx, err); err != nil {
		return nil, "", fmt.Errorf("unread of %s: %w", q.Principal, err)
	}
	return list, next, nil
}

// unreadOf counts a page of the principal's list, without those that come to 0.
func (s *Store) unreadOf(ctx context.Context, q parley.UnreadQuery) (all []parley.Unread, next string, err error) {
	limit := q.Page.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	activity, id, err := parsePage(q.Page.Cursor)
	if err != nil {
		return nil, "", err
	}
	type place struct {
		id       parley.ConversationID
		activity int64
	}
	places := map[parley.ConversationID]int64{}
	for batch := limit + 1; ; batch *= 4 {
		rows, err := list(ctx, s.reads, selectUnreadOf, []any{string(q.Org), string(q.Principal), activity, id, batch},
			func(p *place) []any { return []any{into(&p.id), &p.activity} })
		if err != nil {
			return nil, "", err
		}
		ids := make([]parley.ConversationID, len(rows))
		for i, p := range rows {
			ids[i], places[p.id] = p.id, p.activity
		}
		counts, err := s.unreadIn(ctx, q, ids)
		if err != nil {
			return nil, "", err
		}
		for _, u := range counts {
			if u.Count == 0 {
				continue
			}
			if len(all) == limit {
				last := all[limit-1].Conversation
				return all, pageCursor(places[last], last), nil
			}
			all = append(all, u)
		}
		if len(rows) < batch {
			return all, "", nil
		}
		activity, id = rows[batch-1].activity, ids[batch-1][:]
	}
}

// unreadIn counts in the conversations that were asked for, in their order.
func (s *Store) unreadIn(ctx context.Context, q parley.UnreadQuery, ids []parley.ConversationID) ([]parley.Unread, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	counts, err := s.unreadStays(ctx, q, ids)
	if err != nil || len(counts) == 0 {
		return nil, err
	}
	senders := []string{string(q.Principal)}
	blocks, err := s.Blocks(ctx, q.Org, q.Principal)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		senders = append(senders, string(b.Blocked))
	}
	var owners []*unread // of the spans
	spans := []byte{'['}
	for i := range counts {
		u := &counts[i]
		for _, span := range u.spans(q.Internal) {
			u.Count += int(span.To - span.From + 1)
			if owners = append(owners, u); len(owners) > 1 {
				spans = append(spans, ',')
			}
			spans = appendSpan(spans, u.Conversation, span)
		}
	}
	silent, err := list(ctx, s.reads, countSilent,
		[]any{string(q.Org), string(q.Principal), jsonStrings(senders), string(append(spans, ']'))},
		func(n *int) []any { return []any{n} })
	if err != nil {
		return nil, err
	}
	for i, n := range silent {
		owners[i].Count -= n
	}
	all := make([]parley.Unread, len(counts))
	for i := range counts {
		all[i] = counts[i].Unread
	}
	return all, nil
}

// unreadStays reads what the counts begin with.
func (s *Store) unreadStays(ctx context.Context, q parley.UnreadQuery, ids []parley.ConversationID) (all []unread, err error) {
	args := []any{string(q.Org), string(q.Principal), jsonIDs(ids)}
	err = each(ctx, s.reads, selectUnreadStays, args, func(r row) error {
		var u unread
		var m parley.Membership
		err := r.Scan(&u.key, into(&u.Conversation), &u.kind, uintInto{&u.seq}, uintInto{&u.ReadSeq}, uintInto{&u.hidden},
			&m.Role, uintInto{&m.From}, uintInto{&m.To}, uintInto{&m.FromSeq}, uintInto{&m.ToSeq})
		if n := len(all); n == 0 || all[n-1].key != u.key {
			all = append(all, u)
		}
		last := &all[len(all)-1]
		last.stays = append(last.stays, m)
		return err
	})
	return all, err
}

// spans are the messages that may count: those beyond what was read or hidden.
func (u *unread) spans(internal bool) []parley.Span {
	return parley.Spans(u.stays, parley.SpanQuery{
		Kind: u.kind, After: max(u.ReadSeq, u.hidden), Last: u.seq, Internal: internal,
	})
}

// appendSpan spells a span for countSilent.
func appendSpan(dst []byte, id parley.ConversationID, s parley.Span) []byte {
	dst = append(jsonID(append(dst, '['), id), ',')
	dst = append(strconv.AppendUint(dst, s.From, 10), ',')
	dst = append(strconv.AppendUint(dst, s.To, 10), ',')
	return append(strconv.AppendBool(dst, s.Internal), ']')
}
