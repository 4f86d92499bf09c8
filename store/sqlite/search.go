package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/words"
)

const (
	// The first and the last number of a conversation's messages before a seq; 0 for
	// whoever was never in it.
	selectRange = `SELECT
			coalesce((SELECT n FROM messages WHERE org = m.org AND conversation = m.conversation ORDER BY seq LIMIT 1), 0),
			coalesce((SELECT n FROM messages WHERE org = m.org AND conversation = m.conversation AND seq < ?4
				ORDER BY seq DESC LIMIT 1), 0)
		FROM memberships m INDEXED BY memberships_stays WHERE m.org = ?1 AND m.conversation = ?2 AND m.principal = ?3 LIMIT 1`
	selectLastMessage = `SELECT coalesce(max(n), 0) FROM messages`
	selectScopes      = `SELECT DISTINCT conversation FROM memberships INDEXED BY memberships_principal
		WHERE org = ? AND principal = ? LIMIT ?`
	// The candidates of one bucket, the newest first, and whether the principal may
	// see each. The index drives; a candidate costs its message and a stay.
	selectCandidates = `SELECT f.n, m.org = ?3 AND (?5 IS NULL OR m.conversation = ?5 AND m.seq < ?6)
			AND EXISTS (SELECT 1 FROM memberships s INDEXED BY memberships_stays
				WHERE s.org = ?3 AND s.conversation = m.conversation AND s.principal = ?4
				AND s.from_seq <= m.seq AND (s.to_change = 0 OR m.seq <= s.to_seq))
		FROM (SELECT rowid AS n FROM search WHERE search MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC) f
		CROSS JOIN messages m ON m.n = f.n ORDER BY f.n DESC`
	selectNumbered = `SELECT ` + messageColumns + ` FROM (SELECT key, value FROM json_each(?1)) j
		CROSS JOIN messages ON n = j.value ORDER BY j.key`
)

// What a page of search may cost at most; one that stops there goes on with the
// next page.
const (
	maxCandidates = 4096 // messages that hold the words
	maxBuckets    = 256  // without any
	maxScopes     = 64   // conversations that are named to the index; with more, the org's messages are candidates
)

// Search implements parley.Reader. Of the text the first 32 words count. A page may
// be shorter than its limit, or empty, and yet have a next one: what it looks at is
// bounded. A cursor that it did not write is CodeInvalidArgument.
func (s *Store) Search(ctx context.Context, q parley.SearchQuery) (hits []parley.SearchHit, next string, err error) {
	hits, next, err = s.search(ctx, q)
	if err = s.readError(ctx, err); err != nil {
		return nil, "", fmt.Errorf("search of %s: %w", q.Principal, err)
	}
	return hits, next, nil
}

func (s *Store) search(ctx context.Context, q parley.SearchQuery) ([]parley.SearchHit, string, error) {
	w, err := s.newSearch(ctx, q)
	if err != nil {
		return nil, "", err
	}
	for w.more() {
		if err := w.bucket(ctx); err != nil {
			return nil, "", err
		}
	}
	if len(w.found) == 0 {
		return nil, w.cursor(), nil
	}
	rows, err := list(ctx, s.reads, selectNumbered, []any{jsonNumbers(w.found)}, messageDest)
	if err != nil {
		return nil, "", err
	}
	hits := make([]parley.SearchHit, len(rows))
	for i := range rows {
		m := rows[i].message()
		hits[i] = parley.SearchHit{Message: *m, Snippet: w.words.Snippet(m.Content)}
	}
	return hits, w.cursor(), nil
}

// search is one page under way: a walk over the buckets, the newest first.
type search struct {
	s      *Store
	q      parley.SearchQuery
	words  words.Query
	scopes string // an expression of conversations, or empty
	args   []any  // what selectCandidates takes beside expression and bound

	low, below int64 // the numbers that are left: low <= n < below
	limit      int
	found      []uint64
	candidates int
	buckets    int
	full       bool
}

func (s *Store) newSearch(ctx context.Context, q parley.SearchQuery) (*search, error) {
	w := &search{s: s, q: q, words: words.Parse(q.Text), limit: q.Page.Limit}
	if w.limit <= 0 {
		w.limit = defaultPage
	}
	below, err := parseNumber(q.Page.Cursor)
	if err != nil || w.words.Last == "" {
		return w, err
	}
	if err := w.scope(ctx); err != nil {
		return nil, err
	}
	w.below = min(w.below, below)
	return w, nil
}

// scope bounds the search to the conversations and the numbers that come into
// question.
func (w *search) scope(ctx context.Context) error {
	if q := &w.q; !q.Conversation.IsZero() {
		before := int64(math.MaxInt64)
		if q.BeforeSeq != 0 {
			before = bounded(q.BeforeSeq)
		}
		w.scopes = ` "` + scopePlace + conversationTerm(q.Conversation) + `"`
		w.args = []any{string(q.Org), string(q.Principal), q.Conversation[:], before}
		args := []any{string(q.Org), q.Conversation[:], string(q.Principal), before}
		var last int64
		err := one(ctx, w.s.reads, selectRange, args, &w.low, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		w.below = last + 1
		return err
	}
	w.args = []any{string(w.q.Org), string(w.q.Principal), nil, int64(math.MaxInt64)}
	ids, err := list(ctx, w.s.reads, selectScopes, []any{string(w.q.Org), string(w.q.Principal), maxScopes + 1},
		func(id *parley.ConversationID) []any { return []any{into(id)} })
	if err != nil || len(ids) == 0 {
		return err
	}
	if len(ids) <= maxScopes {
		terms := make([]string, len(ids))
		for i, id := range ids {
			terms[i] = `"` + scopePlace + conversationTerm(id) + `"`
		}
		w.scopes = ` (` + strings.Join(terms, ` OR `) + `)`
	}
	var last int64
	err = one(ctx, w.s.reads, selectLastMessage, nil, &last)
	w.below = last + 1
	return err
}

// scopePlace is where a bucket's prefix goes in an expression of scopes.
const scopePlace = "\x00"

// more reports whether the walk goes on.
func (w *search) more() bool {
	return w.low < w.below && !w.full && w.candidates < maxCandidates && w.buckets < maxBuckets
}

// bucket walks through one bucket.
func (w *search) bucket(ctx context.Context) error {
	bucket := (w.below - 1) >> bucketBits
	w.buckets++
	args := append([]any{w.match(bucket), w.below}, w.args...)
	err := each(ctx, w.s.reads, selectCandidates, args, w.candidate)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	}
	w.below = bucket << bucketBits
	return nil
}

// errEnough ends the walk through a bucket.
var errEnough = errors.New("enough")

func (w *search) candidate(r row) error {
	var n int64
	var visible bool
	if err := r.Scan(&n, &visible); err != nil {
		return err
	}
	if n < w.low {
		w.below = w.low
		return errEnough
	}
	if visible && len(w.found) == w.limit {
		w.full = true
		return errEnough
	}
	w.below = n
	if visible {
		w.found = append(w.found, uint64(n))
	}
	if w.candidates++; w.candidates == maxCandidates {
		return errEnough
	}
	return nil
}

// match is the expression of a bucket: every word is quoted, and holds neither
// quotes nor separators.
func (w *search) match(bucket int64) string {
	prefix := termPrefix(bucket, w.q.Org)
	var b strings.Builder
	for _, word := range w.words.Whole {
		b.WriteString(`"` + prefix + word + `" AND `)
	}
	b.WriteString(`"` + prefix + w.words.Last + `"*`)
	if w.scopes != "" {
		b.WriteString(` AND` + strings.ReplaceAll(w.scopes, scopePlace, prefix))
	}
	return b.String()
}

// cursor is where the next page begins; empty at the end.
func (w *search) cursor() string {
	if w.below <= w.low {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(w.below)))
}

// parseNumber reads what cursor wrote; the empty cursor is before all rows.
func parseNumber(cursor string) (below int64, err error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 8 {
		return 0, errBadPage()
	}
	return bounded(binary.BigEndian.Uint64(raw)), nil
}
