package sqlite_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

// scaleEnv names a directory that keeps the data of the scale test, about 1.5 GB;
// it is filled where it is empty, in some minutes.
//
//	PARLEY_TEST_SQLITE_SCALE=/var/tmp/parley go test -run Scale -v -timeout 20m ./store/sqlite
const scaleEnv = "PARLEY_TEST_SQLITE_SCALE"

const (
	scaleMessages      = 1_000_000 // in one conversation; as many again in zoe's together
	scaleConversations = 10_000    // of zoe
	scaleRounds        = 200       // of each reading
	scaleLimit         = 50 * time.Millisecond
)

var scaleEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// The first page of every list, unread counts and search stay quick where there is
// much of everything.
func TestScale(t *testing.T) {
	dir := os.Getenv(scaleEnv)
	if dir == "" {
		t.Skip(scaleEnv + " is not set")
	}
	w := openScale(t, filepath.Join(dir, "parley.db"))
	for _, m := range w.readings() {
		t.Run(m.name, func(t *testing.T) {
			rounds := scaleRounds
			if m.slow {
				rounds /= 10
			}
			times := make([]time.Duration, rounds)
			for i := range times {
				start := time.Now()
				if err := m.read(i); err != nil {
					t.Fatal(err)
				}
				times[i] = time.Since(start)
			}
			slices.Sort(times)
			p50, p99 := times[len(times)/2], times[len(times)*99/100]
			t.Logf("%-44s p50 %8.3f ms  p99 %8.3f ms", m.name, p50.Seconds()*1e3, p99.Seconds()*1e3)
			if p99 > scaleLimit && !m.slow {
				t.Errorf("p99 is %v, want at most %v", p99, scaleLimit)
			}
		})
	}
}

// scale is the data: a conversation "big" of ann and fifty others, and zoe's, whose
// messages were said in turn.
type scale struct {
	s      *sqlite.Store
	ctx    context.Context
	random *rand.Rand
	words  *rand.Zipf
}

type reading struct {
	name string
	slow bool // it is not held to the limit
	read func(round int) error
}

func (w *scale) readings() []reading {
	big := scaleID[parley.ConversationID](0)
	page := make([]parley.ConversationID, 100)
	for i := range page {
		page[i] = scaleID[parley.ConversationID](1 + i*97)
	}
	messages := func(id parley.ConversationID, limit int) error {
		got, err := w.s.Messages(w.ctx, "org", id, 0, 0, limit, true)
		return want(len(got) == limit, "messages", len(got), err)
	}
	conversations := func(limit int) error {
		got, _, err := w.s.ConversationsOf(w.ctx, "org", "zoe", parley.Page{Limit: limit})
		return want(len(got) == limit, "conversations", len(got), err)
	}
	unread := func(who parley.PrincipalID, ids []parley.ConversationID, limit, rows int) error {
		got, _, err := w.s.Unread(w.ctx, parley.UnreadQuery{Org: "org", Principal: who, Conversations: ids, Page: parley.Page{Limit: limit}})
		return want(len(got) == rows, "unread counts", len(got), err)
	}
	search := func(who parley.PrincipalID, text string, in parley.ConversationID, hits int) func(int) error {
		return func(int) error {
			got, next, err := w.s.Search(w.ctx, parley.SearchQuery{Org: "org", Principal: who, Text: text, Conversation: in, Page: parley.Page{Limit: 20}})
			return want(len(got) == hits || len(got) < hits && next != "", "hits", len(got), err)
		}
	}
	all := parley.ConversationID{}
	return []reading{
		{"messages: newest 50 of 1,000,000", false, func(int) error { return messages(big, 50) }},
		{"conversations: first 20 of 10,000", false, func(int) error { return conversations(20) }},
		{"conversations: first 100 of 10,000", false, func(int) error { return conversations(100) }},
		{"sync: newest 50 of 20 conversations", false, func(i int) error {
			for n := range 20 {
				if err := messages(scaleID[parley.ConversationID](1+(i*20+n)%scaleConversations), 50); err != nil {
					return err
				}
			}
			return nil
		}},
		{"unread: one conversation of 1,000,000", false, func(int) error { return unread("ann", []parley.ConversationID{big}, 0, 1) }},
		{"unread: 100 conversations named", false, func(int) error { return unread("zoe", page, 0, 100) }},
		{"unread: first 100 of 10,000", false, func(int) error { return unread("zoe", nil, 100, 100) }},
		{"unread: all of 10,000 at once", true, func(int) error { return unread("zoe", nil, scaleConversations, scaleConversations) }},
		{"search: rare word, one conversation", false, search("ann", "needle", big, 10)},
		{"search: common word, one conversation", false, search("ann", scaleWord(3), big, 20)},
		{"search: common letter, one conversation", false, search("ann", "t", big, 20)},
		{"search: two words, one conversation", false, search("ann", scaleWord(3)+" "+scaleWord(40), big, 20)},
		{"search: common word, one small conversation", false, search("zoe", scaleWord(3), page[7], 20)},
		{"search: rare word, all", false, search("zoe", "needle", all, 10)},
		{"search: common word, all", false, search("zoe", scaleWord(3), all, 20)},
		{"search: common letter, all", false, search("zoe", "t", all, 20)},
		{"search: word of others only, all", false, search("zoe", "secret", all, 0)},
		{"search: common word, all of one conversation", false, search("ann", scaleWord(3), all, 20)},
	}
}

func want(ok bool, what string, n int, err error) error {
	if err == nil && !ok {
		err = fmt.Errorf("got %d %s", n, what)
	}
	return err
}

func openScale(t *testing.T, path string) *scale {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	w := &scale{open(t, path), t.Context(), random, rand.NewZipf(random, 1.2, 8, 50_000)}
	warm(t, path)
	if _, err := w.s.Conversation(w.ctx, "org", scaleID[parley.ConversationID](0)); err == nil {
		return w
	}
	start := time.Now()
	const step = 20_000
	for from := 0; from < scaleMessages; from += step {
		err := w.s.Update(w.ctx, func(tx parley.Tx) error { return w.fill(tx, from, from+step) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.s.Update(w.ctx, w.begin); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled in %v", time.Since(start))
	return w
}

// warm reads the file once: what is measured is the store, not a disk's first look.
func warm(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(io.Discard, f); err != nil {
		t.Fatal(err)
	}
}

// begin stores the conversations and who is in them.
func (w *scale) begin(tx parley.Tx) error {
	for n := range scaleConversations + 1 {
		c := &parley.Conversation{
			Org: "org", ID: scaleID[parley.ConversationID](n), Kind: parley.KindGroup, Title: fmt.Sprint("no. ", n), CreatedBy: "zoe",
			Status: parley.StatusActive, Seq: scaleMessages / scaleConversations, ChangeSeq: 200, CreatedAt: scaleEpoch,
			LastActivity: scaleEpoch.Add(time.Duration(w.random.IntN(1e6)) * time.Second),
		}
		members := []parley.PrincipalID{"zoe", peer(n)}
		if n == 0 {
			c.Seq, members = scaleMessages, []parley.PrincipalID{"ann"}
			for i := range 50 {
				members = append(members, peer(i))
			}
		}
		if err := tx.InsertConversation(c); err != nil {
			return err
		}
		for _, who := range members {
			err := tx.InsertMember(&parley.Membership{
				Org: "org", Conversation: c.ID, Principal: who, Kind: parley.KindUser, Role: parley.RoleMember, JoinedAt: scaleEpoch, From: 1, FromSeq: 1,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// fill stores messages of both, by turns.
func (w *scale) fill(tx parley.Tx, from, to int) error {
	for n := from; n < to; n++ {
		if err := w.say(tx, 0, n+1, peer(n%50), n%100_000 == 77, n%1000 == 5); err != nil {
			return err
		}
		c, sender := 1+n%scaleConversations, peer(1+n%scaleConversations)
		if n/scaleConversations%50 == 49 {
			sender = "zoe"
		}
		if err := w.say(tx, c, 1+n/scaleConversations, sender, n%100_000 == 78, false); err != nil {
			return err
		}
	}
	return nil
}

func (w *scale) say(tx parley.Tx, conversation, seq int, sender parley.PrincipalID, needle, secret bool) error {
	var text strings.Builder
	for range 6 + w.random.IntN(8) {
		text.WriteString(scaleWord(w.words.Uint64()) + " ")
	}
	if needle {
		text.WriteString("needle ")
	}
	if secret {
		text.WriteString("secret ")
	}
	m := &parley.Message{
		ID: scaleID[parley.MessageID](conversation<<24 | seq), Conversation: scaleID[parley.ConversationID](conversation), Seq: uint64(seq),
		Sender: sender, SenderKind: parley.KindUser, Content: text.String(), ContentType: "text", ChangeSeq: uint64(seq + 1),
		CreatedAt: scaleEpoch.Add(time.Duration(seq) * time.Second), Internal: w.random.IntN(100) == 0,
	}
	if w.random.IntN(100) == 0 {
		m.Deleted, m.Content = true, ""
	}
	return tx.InsertMessage(m, "org")
}

// scaleWord is the nth word by how often it is said: of two syllables and more.
func scaleWord(n uint64) string {
	const consonants, vowels = "tsrnlcdmphgbfkwvjzxq", "eaiou"
	word := []byte{consonants[n%20], vowels[n/20%5]}
	for n = n*7 + 3; n > 0; n /= 100 {
		word = append(word, consonants[n%20], vowels[n/20%5])
	}
	return string(word)
}

// peer is who is with zoe in a conversation.
func peer(n int) parley.PrincipalID { return parley.PrincipalID(fmt.Sprint("peer-", n%500)) }

// scaleID is the nth id.
func scaleID[I ~[16]byte](n int) (id I) {
	b := [16]byte{0: 1}
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return I(b)
}
