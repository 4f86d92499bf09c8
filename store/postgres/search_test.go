package postgres_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/internal/words"
	"github.com/parley-chat/parley/store/postgres"
)

// A search looks at few messages one by one, and asks the index for the words of
// many. Both find what a look at every message finds, over the buckets of the index
// too.
func TestBothWaysOfSearchingFindTheSame(t *testing.T) {
	const queries = 150
	url := pgtest.Start(t)
	s := open(t, url)
	w := newSearchWorld(t, s, url)
	for _, name := range []string{"one by one", "by words"} {
		if name == "by words" {
			s.SearchByWords()
		}
		hits := 0
		for i := range queries {
			q := parley.SearchQuery{
				Org: org, Principal: []parley.PrincipalID{"all", "some", "one"}[i%3], Text: w.text(2), Page: parley.Page{Limit: 1 + i%7},
			}
			if i%2 == 0 {
				q.Conversation = w.ids[w.random.IntN(len(w.ids))]
				q.BeforeSeq = uint64(w.random.IntN(len(w.said)))
			}
			want := w.find(&q)
			hits += len(want)
			if got := searchAll(t, s, q); !slices.Equal(got, want) {
				t.Errorf("%s: %q of %s in %s before %d: %d hits, want %d", name, q.Text, q.Principal, q.Conversation, q.BeforeSeq, len(got), len(want))
			}
		}
		if hits < queries {
			t.Errorf("%d hits of %d queries prove nothing", hits, queries)
		}
	}
}

// searchWorld is what was said in some conversations.
type searchWorld struct {
	random *rand.Rand
	ids    []parley.ConversationID
	said   []parley.Message
}

// newSearchWorld says something at random; "all" may see everything but the first
// message, "some" every third conversation, "one" a single one.
func newSearchWorld(t *testing.T, s *postgres.Store, url string) *searchWorld {
	const conversations, messages = 90, 400
	w := &searchWorld{random: rand.New(rand.NewPCG(3, 5))}
	for i := range conversations {
		id := begin(t, s)
		w.ids = append(w.ids, id)
		for _, who := range []parley.PrincipalID{"all", "some", "one"} {
			if !w.sees(who, i) {
				continue
			}
			m := parley.Membership{
				Org: org, Conversation: id, Principal: who, Kind: parley.KindUser, Role: parley.RoleMember, JoinedAt: now(), From: 1, FromSeq: 2,
			}
			if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.InsertMember(&m) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := admin(t, url)
	for n := range messages {
		m := parley.Message{
			ID: newID(), Conversation: w.ids[w.random.IntN(conversations)], Seq: uint64(n + 1), Sender: "ben", Content: w.text(6), CreatedAt: now(),
		}
		if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.InsertMessage(&m, org) }); err != nil {
			t.Fatal(err)
		}
		w.said = append(w.said, m)
		if n%50 == 49 { // into the next bucket, and over some that have none
			if _, err := c.Exec(t.Context(), `SELECT setval('messages_n', $1)`, (n/50+1)*3*postgres.BucketMessages-20); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func (w *searchWorld) sees(who parley.PrincipalID, conversation int) bool {
	return who == "all" || who == "some" && conversation%3 == 0 || who == "one" && conversation == 6
}

// text is up to n words.
func (w *searchWorld) text(n int) string {
	all := []string{"ab", "abc", "abcd", "b", "bc", "Crème", "creme", "d-e", "東京", "x1"}
	var b strings.Builder
	for range 1 + w.random.IntN(n) {
		b.WriteString(all[w.random.IntN(len(all))] + " ")
	}
	return b.String()
}

// find looks at every message.
func (w *searchWorld) find(q *parley.SearchQuery) (found []parley.MessageID) {
	text := words.Parse(q.Text)
	for _, m := range slices.Backward(w.said) {
		switch {
		case m.Seq < 2, !w.sees(q.Principal, slices.Index(w.ids, m.Conversation)), !text.Match(m.Content):
		case !q.Conversation.IsZero() && (m.Conversation != q.Conversation || q.BeforeSeq > 0 && m.Seq >= q.BeforeSeq):
		default:
			found = append(found, m.ID)
		}
	}
	return found
}

// searchAll follows a query's pages to the end.
func searchAll(t *testing.T, s *postgres.Store, q parley.SearchQuery) (found []parley.MessageID) {
	t.Helper()
	for {
		hits, next, err := s.Search(t.Context(), q)
		if err != nil || len(hits) > q.Page.Limit {
			t.Fatalf("%d hits by %d, %v", len(hits), q.Page.Limit, err)
		}
		for _, h := range hits {
			found = append(found, h.Message.ID)
		}
		if q.Page.Cursor = next; next == "" {
			return found
		}
	}
}
