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
		terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii')`
	deleteSearch = `DELETE FROM search WHERE rowid = ?`

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

// appendTerms appends the terms of a message, each once.
func appendTerms(dst []byte, m *indexed) []byte {
	prefix := termPrefix(m.n>>bucketBits, m.org)
	dst = append(append(dst, prefix...), conversationTerm(m.conversation)...)
	all := words.Split(m.content)
	slices.SortFunc(all, func(a, b words.Word) int { return strings.Compare(a.Text, b.Text) })
	for i, w := range all {
		if i > 0 && w.Text == all[i-1].Text {
			continue
		}
		dst = append(append(append(dst, ' '), prefix...), w.Text...)
	}
	return dst
}

// indexed is a message whose terms are to be as its content is. No content is no
// terms.
type indexed struct {
	n            int64
	org          parley.OrgID
	conversation parley.ConversationID
	content      string
	changed      bool // it may have terms already
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
}

func (x *indexer) mark() int { return len(x.pending) }

// rollback forgets what was noted since the mark.
func (x *indexer) rollback(mark int) {
	clear(x.pending[mark:])
	x.pending = x.pending[:mark]
}

// note says that a message was stored or changed.
func (x *indexer) note(m indexed) {
	if m.content != "" || m.changed {
		x.pending = append(x.pending, m)
	}
}

// flush writes the terms of what was noted; of a message that was noted twice, as
// it is in the end.
func (x *indexer) flush() error {
	if len(x.pending) == 0 {
		return nil
	}
	defer x.rollback(0)
	if err := x.deleteChanged(); err != nil {
		return translate(err)
	}
	var buf []byte
	args := x.args[:0]
	for i := range x.pending {
		if m := &x.pending[i]; m.content != "" {
			buf = appendTerms(buf[:0], m)
			args = append(args, m.n, string(buf))
		}
	}
	_, err := insertSearch.exec(x.ctx, x.stmts, args)
	clear(args)
	x.args = args[:0]
	return translate(err)
}

// deleteChanged deletes the terms of messages that may have some, and makes one of
// what was noted of each.
func (x *indexer) deleteChanged() error {
	if !slices.ContainsFunc(x.pending, func(m indexed) bool { return m.changed }) {
		return nil
	}
	last := make(map[int64]int, len(x.pending))
	for i := range x.pending {
		m := &x.pending[i]
		if before, ok := last[m.n]; ok {
			x.pending[before].content = ""
		}
		if last[m.n] = i; !m.changed {
			continue
		}
		stmt, err := x.stmts.get(deleteSearch)
		if err != nil {
			return err
		}
		if _, err := stmt.ExecContext(x.ctx, m.n); err != nil {
			return err
		}
	}
	return nil
}

// searchMigration makes the index, and fills it with what was said before.
func searchMigration() *goose.Migration {
	return goose.NewGoMigration(4, &goose.GoFunc{RunTx: fillSearch}, nil)
}

func fillSearch(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, createSearch); err != nil {
		return err
	}
	s := newStmts(tx)
	defer s.close()
	x := &indexer{ctx: ctx, stmts: s}
	for last := int64(0); ; {
		err := each(ctx, s, selectToIndex, []any{last}, func(r row) error {
			var m indexed
			err := r.Scan(&m.n, &m.org, into(&m.conversation), &m.content)
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
