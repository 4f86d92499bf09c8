package sqlite

import (
	"context"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/words"
	"github.com/pressly/goose/v3"
)

// The search index holds each message's words under the message's number n. A word
// is kept as a term that begins with the bucket of n, a range of numbers, and with
// the org: what begins with some letters is found without a look at what else the
// store holds, and the newest messages without a look at the older ones. A further
// term names the conversation.
const (
	createSearch = `CREATE VIRTUAL TABLE search USING fts5(
		terms, content = '', columnsize = 0, detail = none, tokenize = 'ascii')`
	// What is deleted is taken out of the index's pages at once, not only marked.
	cleanSearch  = `INSERT INTO search (search, rank) VALUES ('secure-delete', 1)`
	deleteSearch = `INSERT INTO search (search, rowid, terms) VALUES ('delete', ?, ?)`

	selectIndexed = `SELECT n, conversation, iif(deleted, '', content) FROM messages WHERE org = ? AND id = ?`
	selectToIndex = `SELECT n, org, conversation, content FROM messages
		WHERE n > ? AND content <> '' AND NOT deleted ORDER BY n LIMIT 1000`

	selectSearchMark = `SELECT pos FROM checkpoints WHERE worker = ` + searchMark + ` AND org = ''`
	upsertSearchMark = `INSERT INTO checkpoints (worker, org, pos) VALUES (` + searchMark + `, '', ?)
		ON CONFLICT (worker, org) DO UPDATE SET pos = excluded.pos`
)

var insertSearch = newRowsInsert(`INSERT INTO search (rowid, terms) VALUES `, 2)

// bucketBits says how many messages a bucket has. It is part of the file's format.
const bucketBits = 16

// termAlphabet is ordered, and holds nothing that ends a term.
var termAlphabet = base32.HexEncoding.WithPadding(base32.NoPadding)

// termPrefix begins all terms of an org in a bucket. Two orgs may share one: what
// is found is still to be asked for its org.
func termPrefix(bucket int64, org parley.OrgID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(org))
	raw := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(bucket)), h.Sum32())
	return strings.ToLower(termAlphabet.EncodeToString(raw[1:])) // 12 characters
}

// conversationTerm names a conversation among words: none has the sign. Two
// conversations of an org may share one.
func conversationTerm(id parley.ConversationID) string {
	h := fnv.New64a()
	_, _ = h.Write(id[:])
	return "§" + strings.ToLower(termAlphabet.EncodeToString(h.Sum(nil)))
}

// appendTerms appends the terms of a message that says content, each once.
func (m *indexed) appendTerms(dst []byte, content string) []byte {
	prefix := termPrefix(m.n>>bucketBits, m.org)
	dst = append(append(dst, prefix...), conversationTerm(m.conversation)...)
	all := words.Split(content)
	slices.SortFunc(all, func(a, b words.Word) int { return strings.Compare(a.Text, b.Text) })
	for i, w := range all {
		if i > 0 && w.Text == all[i-1].Text {
			continue
		}
		dst = append(append(append(dst, ' '), prefix...), w.Text...)
	}
	return dst
}

// indexed is a message whose terms are to follow its content. It has none where its
// content is empty. The terms that are to go are told by what it said: how terms are
// made is part of the file's format.
type indexed struct {
	n            int64
	org          parley.OrgID
	conversation parley.ConversationID
	was, is      string // its content
}

// indexer keeps the search index in step with the messages. It is behind them: what
// many updates stored is written at once, for every commit with words in it is a
// segment of the index, and segments are to be merged. Whoever searches has what
// waits written first (Store.catchUp); what changes or takes away words that may be in
// the index does not wait. How far the index has come is in the table checkpoints,
// from which the next opening goes on where this one crashed.
//
// It belongs to the writer's goroutine, behind excepted.
type indexer struct {
	ctx     context.Context
	stmts   *stmts
	pending []indexed // of the transaction under way
	waiting []indexed // messages that were committed and are not in the index, in the order of n
	args    []any     // of the statement under way; kept for its room
	terms   []byte    // the same of the terms

	mark    int64 // the index has all messages up to this one; 0 where that is not known
	unknown bool  // what the index lacks is for the file to say
	written bool  // the transaction under way has written what waits

	behind atomic.Bool // something is not in the index, or may not be
}

// newIndexer makes the index of an opening; with recover it looks for what another one
// has left before anything is asked of it, else before it adds to it.
func newIndexer(ctx context.Context, s *stmts, recover bool) *indexer {
	x := &indexer{ctx: ctx, stmts: s, unknown: true}
	x.behind.Store(recover)
	return x
}

// noted returns the place to roll back to.
func (x *indexer) noted() int { return len(x.pending) }

// rollback forgets what was noted since the mark.
func (x *indexer) rollback(mark int) {
	clear(x.pending[mark:])
	x.pending = x.pending[:mark]
}

// note says that a message was stored or changed.
func (x *indexer) note(m indexed) {
	if m.was != m.is {
		x.pending = append(x.pending, m)
	}
}

// flush is called before a commit. It writes the terms of what waits and what was
// noted, where somebody wants that, where they have become many, and where one
// changes what may be in the index.
func (x *indexer) flush(wanted bool) error {
	if len(x.pending) == 0 && !(wanted && x.behind.Load()) {
		return nil
	}
	if x.unknown {
		if err := x.recover(); err != nil {
			return translate(err)
		}
	}
	known := func(m indexed) bool { return m.was != "" || m.n <= x.mark }
	if !wanted && len(x.waiting)+len(x.pending) < maxBehind && !slices.ContainsFunc(x.pending, known) {
		x.behind.Store(true)
		return nil
	}
	all := mergeChanges(append(x.waiting, x.pending...))
	x.waiting, x.pending, x.written = all[:0], x.pending[:0], true
	if err := x.write(all); err != nil {
		return translate(err)
	}
	mark := x.mark
	for i := range all {
		mark = max(mark, all[i].n)
	}
	return translate(x.exec(upsertSearchMark, mark))
}

// committed notes that what was noted is stored.
func (x *indexer) committed() {
	if x.written {
		x.written = false
		clear(x.waiting[:cap(x.waiting)])
		x.behind.Store(false)
	}
	x.waiting = append(x.waiting, x.pending...)
	x.rollback(0)
}

// write writes the terms of some messages.
func (x *indexer) write(all []indexed) error {
	args := x.args[:0]
	for i := range all {
		m := &all[i]
		if m.was != "" && m.was != m.is {
			if err := x.exec(deleteSearch, m.n, string(m.appendTerms(nil, m.was))); err != nil {
				return err
			}
		}
		if m.is != "" && m.was != m.is {
			x.terms = m.appendTerms(x.terms[:0], m.is)
			args = append(args, m.n, string(x.terms))
		}
	}
	_, err := insertSearch.exec(x.ctx, x.stmts, args)
	clear(args)
	x.args = args[:0]
	return err
}

// mergeChanges makes one change of several of a message: from what it was before the first
// to what it is after the last.
func mergeChanges(all []indexed) []indexed {
	if !slices.ContainsFunc(all, func(m indexed) bool { return m.was != "" }) {
		return all // all are new
	}
	first := make(map[int64]int, len(all))
	kept := all[:0]
	for _, m := range all {
		if i, ok := first[m.n]; ok {
			kept[i].is = m.is
			continue
		}
		first[m.n] = len(kept)
		kept = append(kept, m)
	}
	clear(all[len(kept):])
	return kept
}

// recover writes what another opening has left, or this one before a commit failed,
// and finds out how far the index has come. Messages of the transaction under way are
// among those it reads: of them nothing is left to be noted.
func (x *indexer) recover() error {
	err := one(x.ctx, x.stmts, selectSearchMark, nil, &x.mark)
	if errors.Is(err, sql.ErrNoRows) { // all is in the index, but for what is stored just now
		err = one(x.ctx, x.stmts, selectLastMessage, nil, &x.mark)
		for _, m := range x.pending {
			if m.was == "" {
				x.mark = min(x.mark, m.n-1)
			}
		}
	}
	if err != nil {
		return err
	}
	before := x.mark
	if err := x.fill(); err != nil {
		return err
	}
	x.pending = slices.DeleteFunc(x.pending, func(m indexed) bool { return m.n > before })
	x.unknown = false
	return x.exec(upsertSearchMark, x.mark)
}

// fill writes the terms of all messages after the mark, and moves it.
func (x *indexer) fill() error {
	for {
		all, err := list(x.ctx, x.stmts, selectToIndex, []any{x.mark},
			func(m *indexed) []any { return []any{&m.n, &m.org, into(&m.conversation), &m.is} })
		if err != nil || len(all) == 0 {
			return err
		}
		if err := x.write(all); err != nil {
			return err
		}
		x.mark = all[len(all)-1].n
	}
}

// reset forgets all: what of it was committed is for the file to say.
func (x *indexer) reset() {
	x.rollback(0)
	clear(x.waiting)
	x.waiting = x.waiting[:0]
	x.unknown, x.written, x.mark = true, false, 0
	x.behind.Store(true)
}

func (x *indexer) exec(query string, args ...any) error {
	stmt, err := x.stmts.get(query)
	if err == nil {
		_, err = stmt.ExecContext(x.ctx, args...)
	}
	return err
}

// searchMigration makes the index, and fills it with what was said before.
func searchMigration() *goose.Migration {
	return goose.NewGoMigration(4, &goose.GoFunc{RunTx: fillSearch}, nil)
}

func fillSearch(ctx context.Context, tx *sql.Tx) error {
	for _, query := range []string{createSearch, cleanSearch} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	s := newStmts(tx)
	defer s.close()
	return newIndexer(ctx, s, false).fill()
}
