package sqlite_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
	"github.com/parley-chat/parley/store/storetest"
)

// The suite's messages are so few that each is looked at; here the index is asked.
func TestSearchByWords(t *testing.T) {
	storetest.Run(t, func(t *testing.T) parley.Store {
		s := newStore(t)
		s.SearchByWords()
		return s
	}, storetest.Options{Only: "search"})
}

// A search looks at few messages one by one, and asks the index for the words of
// many: what is found is the same, over the buckets of the index too.
func TestBothWaysOfSearchingFindTheSame(t *testing.T) {
	const conversations, messages, queries = 90, 600, 80
	path := filepath.Join(t.TempDir(), "parley.db")
	s := open(t, path)
	random := rand.New(rand.NewPCG(3, 5))
	words := []string{"ab", "abc", "abcd", "b", "bc", "Crème", "creme", "d-e", "東京", "x1"}
	ids := make([]parley.ConversationID, conversations)
	text := func(n int) string {
		var b strings.Builder
		for range 1 + random.IntN(n) {
			b.WriteString(words[random.IntN(len(words))] + " ")
		}
		return b.String()
	}
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		for i := range ids {
			ids[i] = parley.ConversationID(uuid.Must(uuid.NewV7()))
			c := parley.Conversation{Org: "org", ID: ids[i], Kind: parley.KindGroup, Status: parley.StatusActive, Seq: messages}
			if err := tx.InsertConversation(&c); err != nil {
				return err
			}
			for who, in := range map[parley.PrincipalID]bool{"all": true, "some": i%3 == 0, "one": i == 5} {
				m := parley.Membership{Org: "org", Conversation: c.ID, Principal: who, From: 1, FromSeq: uint64(1 + i%3)}
				if err := tx.InsertMember(&m); in && err != nil {
					return err
				}
				if !in {
					if err := tx.EndMember("org", c.ID, who, 2, 0); err != nil {
						return err
					}
				}
			}
		}
		for n := range messages {
			m := parley.Message{
				ID: parley.MessageID(uuid.Must(uuid.NewV7())), Conversation: ids[random.IntN(conversations)], Seq: uint64(n + 1),
				Sender: "ben", Content: text(6),
			}
			if err := tx.InsertMessage(&m, "org"); err != nil {
				return err
			}
			if n%150 == 149 { // into the next bucket, and some that have none of ours
				if err := sqlite.SkipNumbers(tx, int64(n/150+1)*2*sqlite.BucketMessages-2); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	asked := make([]parley.SearchQuery, queries)
	for i := range asked {
		q := parley.SearchQuery{Org: "org", Principal: []parley.PrincipalID{"all", "some", "one"}[i%3], Text: text(2)}
		if random.IntN(2) == 0 {
			q.Conversation = ids[random.IntN(conversations)]
			q.BeforeSeq = uint64(random.IntN(messages))
		}
		asked[i] = q
	}
	few, byWords := open(t, path), [][]parley.MessageID(nil)
	oneByOne := searchAll(t, few, asked)
	if err := few.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	s.SearchByWords()
	byWords = searchAll(t, s, asked)
	hits := 0
	for i, q := range asked {
		hits += len(byWords[i])
		if !slices.Equal(oneByOne[i], byWords[i]) {
			t.Errorf("%q of %s in %s before %d: %d one by one, %d by words", q.Text, q.Principal, q.Conversation, q.BeforeSeq, len(oneByOne[i]), len(byWords[i]))
		}
	}
	if hits < queries {
		t.Errorf("%d hits of %d queries prove nothing", hits, queries)
	}
}

// searchAll follows each query's pages to the end.
func searchAll(t *testing.T, s *sqlite.Store, asked []parley.SearchQuery) [][]parley.MessageID {
	t.Helper()
	all := make([][]parley.MessageID, len(asked))
	for i, q := range asked {
		q.Page.Limit = 1 + i%7
		for {
			hits, next, err := s.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hits {
				all[i] = append(all[i], h.Message.ID)
			}
			if q.Page.Cursor = next; next == "" {
				break
			}
		}
	}
	return all
}

// What was said before there was an index is found once the file was opened.
func TestAnOldFileIsIndexedWhenItIsOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	const messages = 2100 // more than one batch
	conversation := parley.ConversationID{7}
	if err := sqlite.FirstSchema(t.Context(), path, conversation, messages); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	s.SearchByWords()
	for _, want := range []int{1, 1000, 2099} {
		text := fmt.Sprintf("no%dth", want)
		hits, next, err := s.Search(t.Context(), parley.SearchQuery{Org: "org", Principal: "ann", Text: text})
		if err != nil || next != "" || len(hits) != 1 || hits[0].Message.Seq != uint64(want) {
			t.Errorf("%s: %d hits (%v)", text, len(hits), err)
		}
	}
	got, err := s.Messages(t.Context(), "org", conversation, 1000, 1000, 1, false)
	if err != nil || len(got) != 1 || got[0].ChangeSeq != 1000 || got[0].Source != nil {
		t.Errorf("message 1000: %+v (%v)", got, err)
	}
	if c, err := s.Conversation(t.Context(), "org", conversation); err != nil || c.Seq != messages {
		t.Errorf("conversation: %+v (%v)", c, err)
	}
}

// What was edited or deleted is taken out of the index's own tables, whatever else
// they hold, and the rest is still found.
func TestTheIndexKeepsNoDeletedWords(t *testing.T) {
	const messages, groups = 400, 20
	s, random := newStore(t), rand.New(rand.NewPCG(1, 9))
	s.SearchByWords()
	c := parley.Conversation{Org: "org", ID: parley.ConversationID{1}, Kind: parley.KindGroup, Status: parley.StatusActive, Seq: messages}
	all := make([]parley.Message, messages)
	for g := range groups {
		err := s.Update(t.Context(), func(tx parley.Tx) error {
			if g == 0 {
				m := parley.Membership{Org: "org", Conversation: c.ID, Principal: "ann", From: 1, FromSeq: 1}
				if err := errors.Join(tx.InsertConversation(&c), tx.InsertMember(&m)); err != nil {
					return err
				}
			}
			for n := g; n < messages; n += groups {
				all[n] = parley.Message{
					ID: parley.MessageID{15: byte(n), 14: byte(n >> 8), 0: 1}, Conversation: c.ID, Seq: uint64(n + 1), Sender: "ben",
					Content: fmt.Sprintf("plutonium no%dth of all%d", n, n%7),
				}
				if err := tx.InsertMessage(&all[n], "org"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if held, err := s.IndexHolds(t.Context(), "plutonium"); err != nil || !held {
		t.Fatalf("the word was never there: %v", err)
	}
	for _, n := range random.Perm(messages) {
		m := &all[n]
		if m.Content = fmt.Sprintf("no%dth of all%d", n, n%7); n%3 == 0 {
			m.Content, m.Deleted = "", true
		}
		if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.UpdateMessage(m, "org") }); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := s.IndexHolds(t.Context(), "plutonium"); err != nil || held {
		t.Errorf("the word is still there: %t, %v", held, err)
	}
	for n := range messages {
		got := searchAll(t, s, []parley.SearchQuery{{Org: "org", Principal: "ann", Text: fmt.Sprintf("all%d no%dth", n%7, n)}})[0]
		if found := slices.Contains(got, all[n].ID); found == all[n].Deleted {
			t.Errorf("message %d: found %t, deleted %t", n, found, all[n].Deleted)
		}
	}
}
