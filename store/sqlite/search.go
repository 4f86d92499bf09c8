package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/rowcursor"
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
		WHERE org = ? AND principal = ? LIMIT ? + 0`
	// The messages of so many conversations of a principal, at least.
	countScopes = `SELECT coalesce(sum(c.seq), 0) FROM json_each(?2) j
		CROSS JOIN conversations c ON c.org = ?1 AND c.id = unhex(j.value)`
	// The candidates of one bucket, the newest first, and whether the principal may
	// see each; what it says where ?7 is set. The index drives; a candidate costs its
	// message and a stay.
	selectCandidates = `SELECT f.n, iif(?7, m.content, ''), m.org = ?3 AND (?5 IS NULL OR m.conversation = ?5 AND m.seq < ?6)
			AND EXISTS (SELECT 1 FROM memberships s INDEXED BY memberships_stays
				WHERE s.org = ?3 AND s.conversation = m.conversation AND s.principal = ?4
				AND s.from_seq <= m.seq AND (s.to_change = 0 OR m.seq <= s.to_seq))
		FROM (SELECT rowid AS n FROM search WHERE search MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC) f
		CROSS JOIN messages m ON m.n = f.n ORDER BY f.n DESC`
	selectNumbered = `SELECT ` + messageColumns + ` FROM (SELECT key, value FROM json_each(?1)) j
		CROSS JOIN messages ON n = j.value ORDER BY j.key`
)

// maxScopes is how many conversations are named to the index. Of somebody with more,
// all messages of the org are candidates.
const maxScopes = 64

// fewMessages is how many messages are looked at one by one, rather than all that
// begin with the last word in the ranges of numbers that they are from.
const fewMessages = 4096

// searchTime bounds how long a page looks on; its last bucket may take it beyond.
const searchTime = 25 * time.Millisecond

// Search implements parley.Reader. Of the text the first 32 words count. A page may
// be shorter than its limit, or empty, and yet have a next one: the time it takes is
// bounded. A cursor that it did not write is CodeInvalidArgument.
func (s *Store) Search(ctx context.Context, q parley.SearchQuery) (hits []parley.SearchHit, next string, err error) {
	if s.writer.index.behind.Load() {
		if err := s.catchUp(ctx); err != nil {
			return nil, "", fmt.Errorf("search of %s: %w", q.Principal, err)
		}
	}
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
	// One step at least, however late it is: the next page begins further on.
	for step := w.low < w.below && !w.full; step; step = w.more() {
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

	few bool // the scopes alone are asked for, and each message is looked at

	low, below int64 // the numbers that are left: low <= n < below
	limit      int
	found      []uint64
	full       bool
	candidates int
	until      time.Time
}

func (s *Store) newSearch(ctx context.Context, q parley.SearchQuery) (*search, error) {
	w := &search{s: s, q: q, words: words.Parse(q.Text), limit: q.Page.Limit, until: time.Now().Add(searchTime)}
	if w.limit <= 0 {
		w.limit = defaultPage
	}
	below, ok := rowcursor.Read(q.Page.Cursor)
	if !ok {
		return nil, errBadPage()
	}
	if w.words.Last == "" {
		return w, nil
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
	org, who := string(w.q.Org), string(w.q.Principal)
	before := int64(math.MaxInt64)
	if w.q.BeforeSeq != 0 {
		before = bounded(w.q.BeforeSeq)
	}
	var last int64
	var ids []parley.ConversationID
	var err error
	if id := w.q.Conversation; id.IsZero() {
		w.args = []any{org, who, nil, before}
		ids, err = list(ctx, w.s.reads, selectScopes, []any{org, who, maxScopes + 1},
			func(id *parley.ConversationID) []any { return []any{into(id)} })
		if err == nil && len(ids) > 0 {
			err = one(ctx, w.s.reads, selectLastMessage, nil, &last)
		}
	} else {
		ids, w.args = []parley.ConversationID{id}, []any{org, who, id[:], before}
		err = one(ctx, w.s.reads, selectRange, []any{org, id[:], who, before}, &w.low, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
	}
	if err != nil || last == 0 {
		return err
	}
	w.below = last + 1
	return w.name(ctx, ids)
}

// name names the conversations to the index, where they are not too many.
func (w *search) name(ctx context.Context, ids []parley.ConversationID) error {
	if len(ids) > maxScopes {
		return nil
	}
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = `"` + scopePlace + conversationTerm(id) + `"`
	}
	w.scopes = `(` + strings.Join(terms, ` OR `) + `)`
	var n int
	err := one(ctx, w.s.reads, countScopes, []any{string(w.q.Org), jsonIDs(ids)}, &n)
	w.few = n <= w.s.fewMessages
	return err
}

// scopePlace is where a bucket's prefix goes in an expression of scopes.
const scopePlace = "\x00"

// more reports whether the walk goes on.
func (w *search) more() bool { return w.low < w.below && !w.full && !w.late() }

func (w *search) late() bool { return !time.Now().Before(w.until) }

// bucket walks through one bucket.
func (w *search) bucket(ctx context.Context) error {
	bucket := (w.below - 1) >> bucketBits
	args := append(append([]any{w.match(bucket), w.below}, w.args...), w.few)
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
	var content string
	var visible bool
	if err := r.Scan(&n, &content, &visible); err != nil {
		return err
	}
	if n < w.low {
		w.below = w.low
		return errEnough
	}
	if w.few {
		visible = visible && w.words.Match(content)
	}
	if visible && len(w.found) == w.limit {
		w.full = true
		return errEnough
	}
	w.below = n
	if visible {
		w.found = append(w.found, uint64(n))
	}
	if w.candidates++; w.candidates%64 == 0 && w.late() {
		return errEnough
	}
	return nil
}

// match is the expression of a bucket: every word is quoted, and holds neither
// quotes nor separators.
func (w *search) match(bucket int64) string {
	prefix := termPrefix(bucket, w.q.Org)
	var all []string
	if w.scopes != "" {
		all = append(all, strings.ReplaceAll(w.scopes, scopePlace, prefix))
	}
	if !w.few {
		for _, word := range w.words.Whole {
			all = append(all, `"`+prefix+word+`"`)
		}
		all = append(all, `"`+prefix+w.words.Last+`"*`)
	}
	return strings.Join(all, ` AND `)
}

// cursor is where the next page begins; empty at the end.
func (w *search) cursor() string {
	if w.below <= w.low {
		return ""
	}
	return rowcursor.Write(w.below)
}
