package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/parley-chat/parley"
	"github.com/pressly/goose/v3"
)

// Queued is how many updates wait for the writer.
func (s *Store) Queued() int { return len(s.writer.requests) }

// Held is how many events wait for Sequence in memory, and how many in all.
func (s *Store) Held() (inMemory, all int) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.held, len(s.queue.waiting)
}

// MaxBehind is how many events the index may lack.
const MaxBehind = maxBehind

// Waiting is how many events the index lacks.
func (s *Store) Waiting(ctx context.Context) (n int) {
	_ = s.writer.do(ctx, func(t *tx) error { n = t.w.keys.places; return nil })
	return n
}

// Break has the transaction of an update fail.
func Break(t parley.Tx) { t.(*tx).broken = parley.ErrUnavailable }

// SecureDelete is how the writing connection deletes: 1 overwrites all, 2 what costs
// no page more.
func (s *Store) SecureDelete(ctx context.Context) (n int, err error) {
	err = s.writer.do(ctx, func(t *tx) error { return t.one(`PRAGMA secure_delete`, nil, &n) })
	return n, err
}

// MaxWaiting is how many events Sequence keeps in memory.
const MaxWaiting = maxWaiting

// LimitPages makes the disk full once the file has n pages, from within an
// update; 0 takes the limit away.
func LimitPages(t parley.Tx, n int) error {
	if n == 0 {
		n = 1 << 30
	}
	var was int
	return t.(*tx).one(fmt.Sprintf(`PRAGMA max_page_count = %d`, n), nil, &was)
}

// SearchByWords makes searches ask the index for words however few messages there
// are.
func (s *Store) SearchByWords() { s.fewMessages = -1 }

// BucketMessages is how many messages a bucket of the search index has.
const BucketMessages = 1 << bucketBits

// SkipNumbers has the next message take a number beyond n.
func SkipNumbers(t parley.Tx, n int64) error {
	x := t.(*tx)
	if _, err := x.exec(`INSERT INTO messages SELECT ?1, 'skipped ' || ?1, conversation, seq, id, sender, sender_kind, sender_name,
		content, content_type, content_meta, reply_to, thread_id, thread_role, task_id, client_msg_id, created_at, edited_at,
		edit_count, internal, forwarded, deleted, run_id, run_status, run_after, origin, change_seq, source_conversation,
		source_message, source_sender, source_sender_name, attachments FROM messages LIMIT 1`, n); err != nil {
		return err
	}
	return nil
}

// IndexHolds reports whether the pages of the search index hold a word, and
// whether the index is in order.
func (s *Store) IndexHolds(ctx context.Context, word string) (held bool, err error) {
	var n int
	if err := s.catchUp(ctx); err != nil {
		return false, err
	}
	if err := s.readDB.QueryRow(`SELECT count(*) FROM search_data WHERE instr(block, CAST(? AS BLOB))`, word).Scan(&n); err != nil {
		return false, err
	}
	err = s.writer.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO search (search) VALUES ('integrity-check')`)
		return err
	})
	return n > 0, err
}

// FirstSchema makes a file of the first schema with a conversation of ann, in which
// message n says "no<n>th".
func FirstSchema(ctx context.Context, path string, id parley.ConversationID, messages int) error {
	cfg := Config{Path: path}
	dsn, err := cfg.dsn(false)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, 1); err != nil {
		return err
	}
	for _, query := range []string{
		`INSERT INTO conversations VALUES ('org', ?1, 'group', '', '', 'ann', 'active', 0, '', ?2, ?2, 1, 1)`,
		`INSERT INTO memberships SELECT 1, 'org', ?1, 'ann', 'user', '', 'member', 0, 1, 1, 0, 1, 0, 'c' WHERE ?2`,
		`WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2)
		INSERT INTO messages SELECT 'org', ?1, n, randomblob(16), 'ann', 'user', '', 'no' || n || 'th', 'text', '',
			NULL, NULL, '', '', '', 1, 0, 0, 0, 0, 0, NULL, '', 0, '' FROM n`,
	} {
		if _, err := db.ExecContext(ctx, query, id[:], messages); err != nil {
			return err
		}
	}
	return nil
}

// Queries are the statements that must not scan a table, by name.
var Queries = map[string]string{
	"conversation":         selectConversation,
	"conversation of pair": selectByPair,
	"conversations of":     selectConversationsOf,
	"members":              selectMembers,
	"member":               selectMember,
	"stays":                selectStays,
	"stays of one":         selectStaysOf,
	"count of members":     countMembers,
	"changes":              selectChanges,
	"changes to rewrite":   selectRewritten,
	"events that name":     selectMentions,
	"retention":            selectRetention,
	"retaining orgs":       selectRetaining,
	"what expires":         selectExpiring,
	"erasure":              selectErasure,
	"erasure of":           selectErasureOf,
	"end of publications":  deletePublished,
	"end of logins":        deleteLogins,
	"end of blocks":        deleteBlocks,
	"names of stays":       namelessStays,
	"end of a state":       deleteState,
	"end of hidden":        deleteHidden,
	"empty tasks":          emptyTasks,
	"conversations ever":   selectEver,
	"messages of a sender": selectMessagesBy,
	"messages first said":  selectMessagesFrom,
	"reactions of one":     selectReactionsBy,
	"runs after a message": selectRunsAfter,
	"rewriting an event":   rewriteEvent,
	"end of a stay":        endMember,
	"messages":             selectMessages,
	"newest messages":      selectNewest,
	"message by client id": selectByClientID,
	"message by id":        selectMessage,
	"update of a message":  updateMessage,
	"edits":                selectEdits,
	"end of edits":         deleteEdits,
	"reactions":            selectReactions,
	"reaction":             selectReaction,
	"count of reactions":   countReactions,
	"end of a reaction":    deleteReaction,
	"end of reactions":     deleteReactions,
	"member state":         selectState,
	"member states":        selectStates,
	"receipts":             selectReceipts,
	"hidden messages":      selectHidden,
	"blocks":               selectBlocks,
	"peers":                selectPeers,
	"peers among some":     selectPeersAmong,
	"count of stays":       countStays,
	"end of a block":       deleteBlock,
	"blocks in an org":     selectOrgBlocks,
	"unread stays":         selectUnreadStays,
	"unread conversations": selectUnreadOf,
	"silent messages":      countSilent,
	"range of a search":    selectRange,
	"last message":         selectLastMessage,
	"scopes of a search":   selectScopes,
	"candidates":           selectCandidates,
	"count of scopes":      countScopes,
	"numbered messages":    selectNumbered,
	"messages to index":    selectToIndex,
	"indexed message":      selectIndexed,
	"task":                 selectTask,
	"tasks":                selectTasks,
	"update of a task":     updateTask,
	"open runs":            selectOpenRuns,
	"open runs of an org":  selectOpenRunsOf,
	"published":            selectPublished,
	"range of the log":     selectEvents,
	"events at offsets":    selectEventsAt,
	"head":                 selectHead,
	"locate":               selectEpoch,
	"last offset":          selectLast,
	"active keys":          selectActive,
	"trimmed keys":         selectTrimmed,
	"offsets of a key":     selectPositions,
	"old events":           selectOld,
	"checkpoint":           selectCheckpoint,
	"key by hash":          selectKeyByHash,
	"keys":                 selectKeys,
	"revocations":          selectRevocations,
}

// Plan explains a query, a line for each step.
func (s *Store) Plan(query string) (steps []string, err error) {
	rows, err := s.readDB.Query(`EXPLAIN QUERY PLAN `+query, make([]any, placeholders(query))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		steps = append(steps, detail)
	}
	return steps, rows.Err()
}

// placeholders counts the parameters of a query, numbered or not.
func placeholders(query string) (n int) {
	for i := range len(query) {
		if query[i] != '?' {
			continue
		}
		if i+1 < len(query) && '1' <= query[i+1] && query[i+1] <= '9' {
			n = max(n, int(query[i+1]-'0'))
		} else {
			n++
		}
	}
	return n
}
