package postgres

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/rowcursor"
	"github.com/parley-chat/parley/internal/words"
)

const (
	// The first and the last number of a conversation's messages before a seq, for
	// whoever was ever in it.
	selectRange = `
		SELECT
			coalesce((SELECT n FROM messages WHERE org = $1 AND conversation = $2 ORDER BY seq LIMIT 1), 0),
			coalesce((SELECT n FROM messages WHERE org = $1 AND conversation = $2 AND seq < $4 ORDER BY seq DESC LIMIT 1), 0)
		WHERE EXISTS (SELECT FROM stays WHERE org = $1 AND conversation = $2 AND principal = $3)`

	selectScopes = `SELECT DISTINCT conversation FROM stays WHERE org = $1 AND principal = $2 LIMIT $3`

	selectLastMessage = `SELECT coalesce(max(n), 0) FROM messages`

	// A stay of $4 covers the message.
	isVisible = `EXISTS (
			SELECT FROM stays s
			WHERE s.org = $3 AND s.conversation = f.conversation AND s.principal = $4
				AND s.from_seq <= f.seq AND (s.to_change = 0 OR f.seq <= s.to_seq)
		)`

	// The candidates of some buckets, the newest first, and whether the principal may
	// see each. Each bucket has a query of its own, which OFFSET keeps apart: the planner
	// believes that a query finds a good part of the table, and for many at once, or for
	// the newest of what is found, it would read all of it.
	selectCandidates = `
		SELECT f.n, f.org = $3 AND ($5::uuid IS NULL OR f.conversation = $5 AND f.seq < $6) AND ` + isVisible + `
		FROM (
			SELECT m.*
			FROM unnest($1::text[]::tsquery[]) AS bucket CROSS JOIN LATERAL (
				SELECT n, org, conversation, seq FROM messages WHERE terms @@ bucket AND n < $2 OFFSET 0
			) m
			ORDER BY m.n DESC LIMIT $7
		) f
		ORDER BY f.n DESC`

	countFew = `SELECT coalesce(sum(seq), 0)::bigint FROM conversations WHERE org = $1 AND id = ANY($2::uuid[])`

	// The messages of some conversations that are found, looked at one by one; '#'
	// stands for the bucket.
	selectFew = `
		SELECT f.n FROM messages f
		WHERE f.org = $3 AND f.conversation = ANY($1::uuid[]) AND f.n < $2 AND f.seq < $6
			AND f.terms @@ replace($5, '#', lpad(to_hex(f.n >> 12), 8, '0'))::tsquery AND ` + isVisible + `
		ORDER BY f.n DESC LIMIT $7`

	// What was deleted meanwhile is not shown.
	selectNumbered = `
		SELECT body, change_seq FROM messages WHERE n = ANY($1::bigint[]) AND NOT deleted ORDER BY n DESC`
)

const (
	// searchTime bounds how long a page looks on; its last statement may take it beyond.
	searchTime = 25 * time.Millisecond
	// stepTime is what one statement of a page is to take at most.
	stepTime = 5 * time.Millisecond
	// stepBuckets bounds the buckets that one statement asks for, stepCandidates what it
	// answers.
	stepBuckets, stepCandidates = 64, 512

	// maxScopes is how many conversations are named to the index. Of somebody with more,
	// all messages of the org are candidates.
	maxScopes = 64
	// fewMessages is how many messages are looked at one by one, rather than all that
	// begin with the last word in the ranges of numbers that they are from.
	fewMessages = 4096
)

// Search implements parley.Reader. Of the text the first 32 words count. A page may
// be shorter than its limit, or empty, and yet have a next one: the time it takes is
// bounded. A cursor that no page returned is CodeInvalidArgument.
func (s *Store) Search(ctx context.Context, q parley.SearchQuery) ([]parley.SearchHit, string, error) {
	w, err := s.newSearch(ctx, q)
	if err != nil {
		return nil, "", err
	}
	for until := time.Now().Add(searchTime); w.more(); {
		if err := w.step(ctx); err != nil {
			return nil, "", err
		}
		if !time.Now().Before(until) {
			break
		}
	}
	if len(w.found) == 0 {
		return nil, w.cursor(), nil
	}
	messages, err := readAll(ctx, s, "read found", scanMessage, selectNumbered, w.found)
	if err != nil {
		return nil, "", err
	}
	hits := make([]parley.SearchHit, len(messages))
	for i, m := range messages {
		hits[i] = parley.SearchHit{Message: m, Snippet: w.words.Snippet(m.Content)}
	}
	return hits, w.cursor(), nil
}

// search is one page under way: a walk over the buckets, the newest first.
type search struct {
	s      *Store
	q      parley.SearchQuery
	words  words.Query
	scopes []parley.ConversationID // that the search is bound to; none where they are too many
	few    bool                    // the scopes have few messages: each is looked at

	low, below int64 // the numbers that are left: low <= n < below
	limit      int
	found      []int64
	full       bool
	buckets    int // that the next statement asks for
}

func (s *Store) newSearch(ctx context.Context, q parley.SearchQuery) (*search, error) {
	w := &search{s: s, q: q, words: words.Parse(q.Text), limit: pageLimit(q.Page), buckets: 1}
	below, ok := rowcursor.Read(q.Page.Cursor)
	if !ok {
		return nil, errBadPage()
	}
	if w.words.Last == "" {
		return w, nil
	}
	var err error
	if q.Conversation.IsZero() {
		err = w.scopeAll(ctx)
	} else {
		err = w.scopeOne(ctx)
	}
	w.below = min(w.below, below)
	if err == nil && len(w.scopes) > 0 && w.more() {
		n, countErr := read(ctx, s, "count messages to search", pgx.RowTo[int], countFew, q.Org, uuids(w.scopes))
		w.few, err = n <= s.fewMessages, countErr
	}
	return w, err
}

// scopeOne bounds the search to one conversation.
func (w *search) scopeOne(ctx context.Context) error {
	type bounds struct{ first, last int64 }
	scan := func(row pgx.CollectableRow) (b bounds, err error) {
		err = row.Scan(&b.first, &b.last)
		return b, err
	}
	b, err := read(ctx, w.s, "find range of search", scan, selectRange,
		w.q.Org, uuid(w.q.Conversation), w.q.Principal, w.before())
	if errors.Is(err, parley.ErrNotFound) {
		return nil
	}
	w.scopes = []parley.ConversationID{w.q.Conversation}
	w.low, w.below = b.first, b.last+1
	return err
}

// before is the seq that what is found is less than.
func (w *search) before() int64 {
	if w.q.Conversation.IsZero() || w.q.BeforeSeq == 0 {
		return math.MaxInt64
	}
	return bigint(w.q.BeforeSeq)
}

// scopeAll bounds the search to the conversations that the principal was ever in,
// where they are not too many.
func (w *search) scopeAll(ctx context.Context) error {
	ids, err := readAll(ctx, w.s, "list conversations to search", pgx.RowTo[[16]byte], selectScopes,
		w.q.Org, w.q.Principal, maxScopes+1)
	if err != nil || len(ids) == 0 {
		return err
	}
	if len(ids) <= maxScopes {
		for _, id := range ids {
			w.scopes = append(w.scopes, id)
		}
	}
	last, err := read(ctx, w.s, "find last message", pgx.RowTo[int64], selectLastMessage)
	w.below = last + 1
	return err
}

// more reports whether there is more to look at.
func (w *search) more() bool { return w.low < w.below && !w.full }

// step looks at the next buckets, or at all that is left where that is little.
func (w *search) step(ctx context.Context) error {
	if w.few {
		return w.lookAtAll(ctx)
	}
	bucket := (w.below - 1) >> bucketBits
	var queries []string
	for ; len(queries) < w.buckets && bucket >= w.low>>bucketBits; bucket-- {
		queries = append(queries, w.match(bucketPrefix(bucket), w.scopes))
	}
	start := time.Now()
	rows, err := readAll(ctx, w.s, "search", scanCandidate, selectCandidates, queries, w.below,
		w.q.Org, w.q.Principal, uuidOrNull(w.q.Conversation), w.before(), stepCandidates)
	if err != nil {
		return err
	}
	if time.Since(start) < stepTime/2 {
		w.buckets = min(4*w.buckets, stepBuckets)
	} else {
		w.buckets = max(1, w.buckets/2)
	}
	for _, c := range rows {
		if c.visible {
			w.take(c.n)
		} else {
			w.below = c.n
		}
		if w.full {
			return nil
		}
	}
	if len(rows) < stepCandidates {
		w.below = (bucket + 1) << bucketBits
	}
	return nil
}

// lookAtAll ends the walk: all that is left is looked at.
func (w *search) lookAtAll(ctx context.Context) error {
	rows, err := readAll(ctx, w.s, "search", pgx.RowTo[int64], selectFew, uuids(w.scopes), w.below,
		w.q.Org, w.q.Principal, w.match("#", nil), w.before(), w.limit+1)
	if err != nil {
		return err
	}
	for _, n := range rows {
		w.take(n)
	}
	if !w.full {
		w.below = w.low
	}
	return nil
}

// take makes a message the next hit, or says that the page is full.
func (w *search) take(n int64) {
	if w.full = len(w.found) == w.limit; !w.full {
		w.found, w.below = append(w.found, n), n
	}
}

// candidate is a message that has the words.
type candidate struct {
	n       int64
	visible bool
}

func scanCandidate(row pgx.CollectableRow) (c candidate, err error) {
	err = row.Scan(&c.n, &c.visible)
	return c, err
}

// match is the tsquery of a bucket, as text. Words hold no quotes.
func (w *search) match(bucket string, scopes []parley.ConversationID) string {
	prefix := bucket + orgPrefix(w.q.Org)
	var b strings.Builder
	for _, word := range w.words.Whole {
		b.WriteString(`'` + prefix + word + `' & `)
	}
	b.WriteString(`'` + prefix + w.words.Last + `':*`)
	for i, id := range scopes {
		b.WriteString([]string{` & (`, ` | `}[min(i, 1)] + `'` + prefix + conversationTerm(id) + `'`)
	}
	if len(scopes) > 0 {
		b.WriteString(`)`)
	}
	return b.String()
}

// cursor is where the next page begins; empty at the end.
func (w *search) cursor() string {
	if w.below <= w.low {
		return ""
	}
	return rowcursor.Write(w.below)
}
