package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	// A row for each stay of the principal in the conversations asked for, which drive:
	// OFFSET keeps the planner from reading all that the principal ever was in.
	selectUnreadStays = `
		SELECT a.n, c.id, c.kind, c.seq, coalesce(r.read_seq, 0), coalesce(r.hidden_seq, 0),
			s.role, s.from_change, s.to_change, s.from_seq, s.to_seq
		FROM unnest($3::uuid[]) WITH ORDINALITY AS a (id, n)
			JOIN conversations c ON c.org = $1 AND c.id = a.id
			CROSS JOIN LATERAL (
				SELECT * FROM stays WHERE org = $1 AND principal = $2 AND conversation = a.id OFFSET 0
			) s
			LEFT JOIN member_states r ON r.org = $1 AND r.principal = $2 AND r.conversation = a.id
		ORDER BY a.n, s.from_change, s.n`

	// The conversations on the principal's list that have messages beyond its read
	// place, the latest activity first.
	selectUnreadOf = `
		SELECT c.id, c.last_activity
		FROM stays s
			JOIN conversations c ON c.org = s.org AND c.id = s.conversation
			LEFT JOIN member_states r ON r.org = $1 AND r.principal = $2 AND r.conversation = s.conversation
		WHERE s.org = $1 AND s.principal = $2 AND s.to_change = 0 AND c.status <> 'deleted'
			AND ($3::timestamptz IS NULL OR (c.last_activity, c.id) < ($3, $4))
			AND c.seq > greatest(r.read_seq, r.hidden_seq, 0)
		ORDER BY c.last_activity DESC, c.id DESC
		LIMIT $5`

	// countSilent counts what is left out of each span, each message once: what the
	// senders $3 (the principal and whom it blocks) said; of the others what was deleted
	// or is internal and not heard; of the rest what the principal hid from itself.
	countSilent = `
		SELECT (
			SELECT count(*) FROM messages m
			WHERE m.org || '' = $1 AND m.conversation = span.id AND m.sender = ANY($3::text[])
				AND m.seq BETWEEN span.first AND span.last
		) + (
			SELECT count(*) FROM messages m
			WHERE m.org = $1 AND m.conversation = span.id AND m.seq BETWEEN span.first AND span.last
				AND (m.deleted OR m.internal) AND (m.deleted OR NOT span.internal) AND m.sender <> ALL($3::text[])
		) + (
			SELECT count(*) FROM hidden h
				JOIN messages m ON m.org = $1 AND m.conversation = span.id AND m.seq = h.seq
			WHERE h.org = $1 AND h.conversation = span.id AND h.principal = $2
				AND h.seq BETWEEN span.first AND span.last
				AND NOT m.deleted AND (span.internal OR NOT m.internal) AND m.sender <> ALL($3::text[])
		)
		FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::boolean[])
			WITH ORDINALITY AS span (id, first, last, internal, n)
		ORDER BY span.n`
)

// unread is a count under way.
type unread struct {
	parley.Unread
	place  int // among the conversations asked for
	kind   parley.ConversationKind
	seq    uint64
	hidden uint64
	stays  []parley.Membership
}

func scanUnread(row pgx.CollectableRow) (u unread, err error) {
	var m parley.Membership
	err = row.Scan(&u.place, intoID(&u.Conversation), &u.kind, &u.seq, &u.ReadSeq, &u.hidden,
		&m.Role, &m.From, &m.To, &m.FromSeq, &m.ToSeq)
	u.stays = []parley.Membership{m}
	return u, err
}

// Unread implements parley.Reader. It costs a few look-ups for each conversation and
// a walk over index entries of what is left out of the count, however much is
// unread. A cursor that no page returned is CodeInvalidArgument.
func (s *Store) Unread(ctx context.Context, q parley.UnreadQuery) ([]parley.Unread, string, error) {
	if q.Conversations == nil {
		return s.unreadOf(ctx, &q)
	}
	list, err := s.unreadIn(ctx, &q, q.Conversations)
	return list, "", err
}

// unreadPlace is a conversation that may have something unread.
type unreadPlace struct {
	id       parley.ConversationID
	activity time.Time
}

func scanUnreadPlace(row pgx.CollectableRow) (p unreadPlace, err error) {
	err = row.Scan(intoID(&p.id), &p.activity)
	return p, err
}

// unreadOf counts a page of the principal's list, without those that come to 0.
func (s *Store) unreadOf(ctx context.Context, q *parley.UnreadQuery) (all []parley.Unread, next string, err error) {
	after, afterID, err := parsePageCursor(q.Page.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := pageLimit(q.Page)
	activity := map[parley.ConversationID]time.Time{}
	for batch := limit + 1; ; batch *= 4 {
		places, err := readAll(ctx, s, "list unread", scanUnreadPlace, selectUnreadOf, q.Org, q.Principal, after, afterID, batch)
		if err != nil {
			return nil, "", err
		}
		ids := make([]parley.ConversationID, len(places))
		for i, p := range places {
			ids[i], activity[p.id] = p.id, p.activity
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
				return all, pageCursor(activity[last], last), nil
			}
			all = append(all, u)
		}
		if len(places) < batch {
			return all, "", nil
		}
		last := &places[batch-1]
		after, afterID = &last.activity, (*[16]byte)(&last.id)
	}
}

// unreadIn counts in the conversations asked for, in their order.
func (s *Store) unreadIn(ctx context.Context, q *parley.UnreadQuery, ids []parley.ConversationID) ([]parley.Unread, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	counts, err := s.unreadStays(ctx, q, ids)
	if err != nil || len(counts) == 0 {
		return nil, err
	}
	blocks, err := s.Blocks(ctx, q.Org, q.Principal)
	if err != nil {
		return nil, err
	}
	senders := []string{string(q.Principal)}
	for _, b := range blocks {
		senders = append(senders, string(b.Blocked))
	}
	if err := s.countSpans(ctx, q, senders, counts); err != nil {
		return nil, err
	}
	all := make([]parley.Unread, len(counts))
	for i := range counts {
		all[i] = counts[i].Unread
	}
	return all, nil
}

// unreadStays reads what the counts begin with: one for each conversation that the
// principal was ever in.
func (s *Store) unreadStays(ctx context.Context, q *parley.UnreadQuery, ids []parley.ConversationID) ([]unread, error) {
	rows, err := readAll(ctx, s, "read unread", scanUnread, selectUnreadStays, q.Org, q.Principal, uuids(ids))
	all := rows[:0]
	for _, u := range rows {
		if n := len(all); n > 0 && all[n-1].place == u.place {
			all[n-1].stays = append(all[n-1].stays, u.stays...)
			continue
		}
		all = append(all, u)
	}
	return all, err
}

// countSpans makes the counts: the length of what may count, without what is left
// out of it.
func (s *Store) countSpans(ctx context.Context, q *parley.UnreadQuery, senders []string, counts []unread) error {
	var owners []*unread // of the spans
	var ids [][16]byte
	var from, to []int64
	var internal []bool
	for i := range counts {
		u := &counts[i]
		for _, span := range u.spans(q.Internal) {
			u.Count += int(span.To - span.From + 1)
			owners, ids = append(owners, u), append(ids, uuid(u.Conversation))
			from, to = append(from, bigint(span.From)), append(to, bigint(span.To))
			internal = append(internal, span.Internal)
		}
	}
	if len(owners) == 0 {
		return nil
	}
	silent, err := readAll(ctx, s, "count silent", pgx.RowTo[int], countSilent,
		q.Org, q.Principal, senders, ids, from, to, internal)
	for i, n := range silent {
		owners[i].Count -= n
	}
	return err
}

// spans are the messages that may count: those beyond what was read or hidden.
func (u *unread) spans(internal bool) []parley.Span {
	return parley.Spans(u.stays, parley.SpanQuery{
		Kind: u.kind, After: max(u.ReadSeq, u.hidden), Last: u.seq, Internal: internal,
	})
}
