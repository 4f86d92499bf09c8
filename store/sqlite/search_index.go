package sqlite

import (
	"context"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"

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

// indexer keeps the search index in step with the messages. What the updates of a
// group did is written before their commit: within an update's savepoint each
// message would be a segment of the index of its own. It belongs to the writer's
// goroutine.
type indexer struct {
	ctx     context.Context
	stmts   *stmts
	pending []indexed // of the transaction under way
	args    []any     // of the statement under way; kept for its room
	terms   []byte    // the same of the terms
}

func (x *indexer) mark() int { return len(x.pending) }

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

// flush writes the terms of what was noted.
func (x *indexer) flush() error {
	if len(x.pending) == 0 {
		return nil
	}
	defer x.rollback(0)
	x.merge()
	args := x.args[:0]
	for i := range x.pending {
		m := &x.pending[i]
		if m.was != "" && m.was != m.is {
			if err := x.delete(m); err != nil {
				return translate(err)
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
	return translate(err)
}

// merge makes one change of several of a message: from what it was before the first
// to what it is after the last.
func (x *indexer) merge() {
	if !slices.ContainsFunc(x.pending, func(m indexed) bool { return m.was != "" }) {
		return // all are new
	}
	first := make(map[int64]int, len(x.pending))
	kept := x.pending[:0]
	for _, m := range x.pending {
		if i, ok := first[m.n]; ok {
			kept[i].is = m.is
			continue
		}
		first[m.n] = len(kept)
		kept = append(kept, m)
	}
	clear(x.pending[len(kept):])
	x.pending = kept
}

func (x *indexer) delete(m *indexed) error {
	stmt, err := x.stmts.get(deleteSearch)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(x.ctx, m.n, string(m.appendTerms(nil, m.was)))
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
	x := &indexer{ctx: ctx, stmts: s}
	for last := int64(0); ; {
		err := each(ctx, s, selectToIndex, []any{last}, func(r row) error {
			var m indexed
			err := r.Scan(&m.n, &m.org, into(&m.conversation), &m.is)
			last = m.n
			x.note(m)
			return err
		})
		if err != nil || len(x.pending) == 0 {
			return err
		}
		if err := x.flush(); err != nil {
			return err
		}
	}
}
