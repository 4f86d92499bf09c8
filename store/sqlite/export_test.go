package sqlite

import (
	"fmt"

	"github.com/parley-chat/parley"
)

// Queued is how many updates wait for the writer.
func (s *Store) Queued() int { return len(s.writer.requests) }

// Held is how many events wait for Sequence in memory, and how many in all.
func (s *Store) Held() (inMemory, all int) {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.held, len(s.queue.waiting)
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
	"end of a block":       deleteBlock,
	"unread stays":         selectUnreadStays,
	"unread conversations": selectUnreadOf,
	"silent messages":      countSilent,
	"range of a search":    selectRange,
	"last message":         selectLastMessage,
	"scopes of a search":   selectScopes,
	"candidates":           selectCandidates,
	"numbered messages":    selectNumbered,
	"messages to index":    selectToIndex,
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
