package postgres_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
)

// What was stored under the first schema is found by its client id, counted and
// searched like what came after.
func TestMessagesOfTheFirstSchemaAreAsGoodAsNew(t *testing.T) {
	const messages = 1200 // more than are migrated at a time
	url := pgtest.Start(t)
	if err := postgres.FirstSchema(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c, id := admin(t, url), parley.ConversationID(newID())
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO conversations VALUES ($1, $2, 'group', '', '', 'ann', 'active', false, NULL, $3, $3, now(), now())`, org, [16]byte(id), messages)
	exec(`INSERT INTO stays (org, conversation, principal, kind, name, role, auto_respond, joined_at, from_change, to_change, from_seq, to_seq)
		VALUES ($1, $2, 'ann', 'user', '', 'member', false, now(), 1, 0, 1, 0)`, org, [16]byte(id))
	for seq := uint64(1); seq <= messages; seq++ {
		m := parley.Message{
			ID: newID(), Conversation: id, Seq: seq, Sender: "ben", SenderKind: parley.KindUser, ContentType: "text", CreatedAt: now(),
			Content: fmt.Sprintf("no%dth \x00 \"internal\":true", seq), ClientMsgID: fmt.Sprint("c", seq), Internal: seq%10 == 0,
		}
		body, err := json.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		exec(`INSERT INTO messages VALUES ($1, $2, $3, $4, 'ben', sha256($5::bytea), $6)`, org, [16]byte(id), seq, [16]byte(m.ID), []byte(m.ClientMsgID), body)
	}

	s := open(t, url)
	got, _, err := s.Unread(t.Context(), parley.UnreadQuery{Org: org, Principal: "ann"})
	if err != nil || len(got) != 1 || got[0].Count != messages-messages/10 {
		t.Errorf("unread %v, %v; want %d", got, err, messages-messages/10)
	}
	for _, word := range []string{"no7th", "no1200th"} {
		hits, next, err := s.Search(t.Context(), parley.SearchQuery{Org: org, Principal: "ann", Text: word})
		if err != nil || len(hits) != 1 || next != "" || hits[0].Message.ChangeSeq != hits[0].Message.Seq {
			t.Errorf("found by %s: %v, next %q, %v", word, hits, next, err)
		}
	}
	err = s.Update(t.Context(), func(tx parley.Tx) error {
		m, err := tx.MessageByClientID(org, id, "ben", "c7")
		if err == nil && m.Seq != 7 {
			err = fmt.Errorf("found message %d by the client id of 7", m.Seq)
		}
		if err != nil {
			return err
		}
		m.ID, m.Seq, m.ClientMsgID, m.Content = newID(), messages+1, "", "newest no7th"
		return tx.InsertMessage(m, org)
	})
	if err != nil {
		t.Fatal(err)
	}
	hits, _, err := s.Search(t.Context(), parley.SearchQuery{Org: org, Principal: "ann", Text: "no7th"})
	if err != nil || len(hits) != 2 || hits[0].Message.Seq != messages+1 {
		t.Errorf("then found: %v, %v", hits, err)
	}
}
