package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley/internal/pgtest"
)

// world fills the tables with enough rows that a scan would be the slower way:
// 5,000 conversations of 6 messages each in one org, of which a principal has 5.
const world = `
	INSERT INTO conversations
		SELECT 'o', md5(c::text)::uuid, 'group', '', '', 'p', 'active', false, 'pair' || c, 6, 6, now(), now()
		FROM generate_series(1, 5000) c;
	INSERT INTO stays (org, conversation, principal, kind, name, role, auto_respond, joined_at, from_change, to_change, from_seq, to_seq)
		SELECT 'o', md5(c::text)::uuid, 'p' || c % 1000, 'user', '', 'member', false, now(), 1, 0, 1, 0
		FROM generate_series(1, 5000) c;
	INSERT INTO stays (org, conversation, principal, kind, name, role, auto_respond, joined_at, from_change, to_change, from_seq, to_seq)
		SELECT org, conversation, 'q' || n, kind, name, role, auto_respond, joined_at, 1, 0, 1, 0 FROM stays;
	INSERT INTO messages
		SELECT 'o', md5(c::text)::uuid, n, md5(c || '/' || n)::uuid, 'p' || n, sha256((c || '/' || n)::bytea), '{}', n, n = 6, n = 5,
			c * 6 + n, array_to_tsvector(ARRAY[lpad(to_hex(c * 6 + n >> 12), 8, '0') || 'word' || n])
		FROM generate_series(1, 5000) c, generate_series(1, 6) n;
	INSERT INTO events (org, pos, epoch, conversation, change_seq, at, keys, body)
		SELECT 'o', n * 5000 + c, 1, md5(c::text)::uuid, n, now() + n * interval '1 hour', ARRAY['c/' || md5(c::text)::uuid], '{}'
		FROM generate_series(1, 5000) c, generate_series(0, 5) n;
	INSERT INTO event_keys SELECT org, unnest(keys), pos FROM events;
	INSERT INTO heads SELECT org, key, max(pos) FROM event_keys GROUP BY org, key;
	INSERT INTO trims SELECT org, key, 1 FROM heads;
	INSERT INTO orgs VALUES ('o', 30000, 1);
	INSERT INTO runs SELECT 'o', md5(n::text)::uuid, md5(n::text)::uuid, md5(n::text)::uuid, 'a', '', NULL,
		CASE WHEN n % 1000 = 0 THEN 'running' ELSE 'completed' END, '', 1, 0, 0, now(), NULL
		FROM generate_series(1, 5000) n;
	INSERT INTO retentions SELECT org, id, 30, 1, now() FROM conversations;
	INSERT INTO edits SELECT org, conversation, id, 0, '', '', now(), 1 FROM messages;
	INSERT INTO reactions (org, conversation, message, seq, principal, emoji, at)
		SELECT org, conversation, id, seq, 'p1', '+', now() FROM messages;
	INSERT INTO member_states
		SELECT org, conversation, principal, 1, 1, NULL, NULL, CASE WHEN n % 2 = 0 THEN now() END, 1 FROM stays;
	INSERT INTO hidden SELECT org, conversation, 'p1', seq FROM messages;
	INSERT INTO blocks SELECT 'o', 'p' || n % 1000, 'q' || n, now() FROM generate_series(1, 5000) n;
	INSERT INTO tasks
		SELECT 'o', md5(n::text)::uuid, md5((n % 1000)::text)::uuid, 'a', NULL, '', 'running', '', '', NULL, '', now(), now(), NULL
		FROM generate_series(1, 5000) n;
	ANALYZE`

// The statements of every message and every listener read by index, however large
// the tables are: none of them may scan one.
func TestTheMainStatementsUseIndexes(t *testing.T) {
	url := pgtest.Start(t)
	s, err := Open(t.Context(), Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	if _, err := c.Exec(t.Context(), world); err != nil {
		t.Fatal(err)
	}

	conversation := [16]byte{1}
	keys := []string{"c/one", "c/two"}
	ids := [][16]byte{{1}, {2}, {3}}
	span := []any{ids, []int64{1, 2, 3}, []int64{6, 6, 6}, []bool{true, false, true}}
	for name, q := range map[string]struct {
		sql  string
		args []any
	}{
		"hold a conversation":            {holdConversation, []any{"o", conversation}},
		"find a pair":                    {selectByPair, []any{"o", "pair7"}},
		"members":                        {selectMembers, []any{"o", conversation}},
		"a member":                       {selectMember, []any{"o", conversation, "p1"}},
		"a message by its client id":     {selectByClientID, []any{digest("k")}},
		"a page of messages":             {selectMessages, []any{"o", conversation, 1, 50, 20}},
		"the newest messages":            {selectNewestMessages, []any{"o", conversation, 1, 50, 20}},
		"a message":                      {selectMessage, []any{"o", conversation}},
		"hold a message":                 {holdMessage, []any{"o", conversation}},
		"update a message":               {updateMessage, []any{"o", conversation, []byte("{}"), 1, false, []string{"w"}, nil, nil}},
		"edits":                          {selectEdits, []any{"o", conversation, conversation, 5, 20}},
		"let go of edits":                {deleteEdits, []any{"o", conversation, conversation}},
		"a reaction":                     {hasReaction, []any{"o", conversation, conversation, "+", "p1"}},
		"count reactions":                {countReactions, []any{"o", conversation, conversation}},
		"take reactions away":            {deleteReactions, []any{"o", conversation, conversation}},
		"reactions of a page":            {selectReactions, []any{"o", conversation, 1, 50, 20}},
		"a member's state":               {selectState, []any{"o", conversation, "p1"}},
		"states of a member":             {selectStates, []any{"o", "p1", ids}},
		"receipts":                       {selectReceipts, []any{"o", conversation}},
		"who hid a message":              {selectHiddenFrom, []any{"o", conversation, 7}},
		"hidden messages of a page":      {selectHidden, []any{"o", conversation, "p1", 1, 50}},
		"blocks":                         {selectBlocks, []any{"o", "p1"}},
		"a task":                         {selectTask, []any{"o", conversation}},
		"tasks":                          {selectTasks, []any{"o", conversation, nil, nil, 20}},
		"stays of one":                   {selectStaysOf, []any{"o", conversation, "p1"}},
		"count members":                  {countMembers, []any{"o", conversation, 500}},
		"changes":                        {selectChanges, []any{"o", conversation, 1, 50, 20}},
		"changes to rewrite":             {holdChanges, []any{"o", conversation, []int64{1, 2, 3}}},
		"conversations ever":             {selectEver, []any{"o", "p1", conversation, 20}},
		"messages of a sender":           {selectMessagesBy, []any{"o", conversation, "p1", 1, 20}},
		"messages first said by":         {selectMessagesFrom, []any{"o", "p1", 20}},
		"reactions of a principal":       {selectReactionsBy, []any{"o", conversation, "p1", 20}},
		"runs after a message":           {selectRunsAfter, []any{"o", conversation}},
		"events that name somebody":      {holdMentions, []any{"o", 100, 200, []byte(`"p1"`)}},
		"what unread counts begin with":  {selectUnreadStays, []any{"o", "p1", ids}},
		"the range of a search":          {selectRange, []any{"o", conversation, "p1", 5}},
		"conversations to search":        {selectScopes, []any{"o", "p1", 17}},
		"the last message":               {selectLastMessage, nil},
		"messages to search":             {countFew, []any{"o", ids}},
		"search of few messages":         {selectFew, []any{ids, 8192, "o", "p1", "'#word3':*", 7, 21}},
		"messages found":                 {selectNumbered, []any{[]int64{1, 2, 3}}},
		"what may be unread":             {selectUnreadOf, []any{"o", "p1", nil, nil, 20}},
		"what unread counts leave out":   {countSilent, append([]any{"o", "p1", []string{"p1", "q1"}}, span...)},
		"conversations of a principal":   {selectConversationsOf, []any{"o", "p1", nil, nil, 20}},
		"peers":                          {selectPeers, []any{"o", "p1", 1000, conversation, 1500}},
		"peers among some":               {selectPeersAmong, []any{"o", "p1", 1000, []string{"q1", "q2"}, true}},
		"peers among some, of many":      {selectPeersAmong, []any{"o", "p1", 1000, []string{"q1", "q2"}, false}},
		"count a few stays":              {countStays, []any{"o", "p1", 101}},
		"a retention":                    {selectRetention, []any{"o", conversation}},
		"what expires":                   {selectExpiring, []any{"o", conversation, time.Now(), 20}},
		"open runs":                      {selectOpenRuns, []any{"o"}},
		"a range of the log":             {selectLog, []any{"o", 100, 200, 50}},
		"replay of names":                {selectReplay, []any{"o", keys, "", 29000, 30000, 50}},
		"replay of a member":             {selectReplay, []any{"o", []string{}, "p1", 29000, 30000, 50}},
		"whether something is gone":      {selectTrimmed, []any{"o", keys, "p1", 0}},
		"the bodies of sequenced events": {selectBodies, []any{[]int64{1, 2, 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, c, q.sql, q.args...)
			if strings.Contains(plan, "Seq Scan on ") {
				t.Errorf("it scans a table:\n%s", plan)
			}
		})
	}
	// What must not go through all of a conversation, though most are short.
	for name, q := range map[string]struct {
		sql     string
		args    []any
		indexes []string
	}{
		"a message by its client id":    {selectByClientID, []any{digest("k")}, []string{"messages_client"}},
		"a member":                      {selectMember, []any{"o", conversation, "p1"}, []string{"stays_open"}},
		"stays of one":                  {selectStaysOf, []any{"o", conversation, "p1"}, []string{"stays_of"}},
		"what unread counts begin with": {selectUnreadStays, []any{"o", "p1", ids}, []string{"stays_of"}},
		"search": {
			selectCandidates, []any{[]string{"'00000001word3':*", "'00000000word3':*"}, 8192, "o", "p1", nil, 7, 512},
			[]string{"messages_terms", "stays_"},
		},
		"what unread counts leave out": {
			countSilent, append([]any{"o", "p1", []string{"p1", "q1"}}, span...), []string{"messages_sender", "messages_silent", "hidden_pkey"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := explain(t, c, q.sql, q.args...)
			for _, index := range q.indexes {
				if !strings.Contains(plan, "using "+index) && !strings.Contains(plan, "Scan on "+index) {
					t.Errorf("it does not use %s:\n%s", index, plan)
				}
			}
		})
	}
	t.Run("trim", func(t *testing.T) {
		if _, err := c.Exec(t.Context(), strings.ReplaceAll(onlyByIndex, "LOCAL", "")); err != nil {
			t.Fatal(err)
		}
		plan := explain(t, c, trimLog, time.Now())
		for _, index := range []string{"events_at", "events_pkey", "event_keys_pkey"} {
			if !strings.Contains(plan, "using "+index) {
				t.Errorf("it does not use %s:\n%s", index, plan)
			}
		}
	})
	t.Run("sequence", func(t *testing.T) {
		err := s.seq.use(t.Context(), func(_ context.Context, c *pgx.Conn) error {
			plan := explain(t, c, assignPositions, 256)
			for _, index := range []string{"events_waiting", "events_pkey"} {
				if !strings.Contains(plan, "Index Scan using "+index) {
					t.Errorf("it does not use %s:\n%s", index, plan)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// explain returns the plan of a statement, which is not carried out.
func explain(t *testing.T, c *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	rows, _ := c.Query(t.Context(), "EXPLAIN "+sql, args...) // CollectRows answers the error
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(fmt.Errorf("explain: %w", err))
	}
	return strings.Join(lines, "\n")
}
