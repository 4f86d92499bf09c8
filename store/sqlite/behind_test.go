package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

// The indexes of the log and of what was said follow behind; nobody can tell.

// replayed returns the offsets of a channel's events.
func replayed(t *testing.T, s *sqlite.Store, channel string) (offsets []uint64) {
	t.Helper()
	q := parley.ReplayQuery{Org: "org", UpTo: 1 << 30, Keys: []string{parley.ChannelKey(channel)}, Limit: 1 << 20}
	events, _, err := s.Replay(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		offsets = append(offsets, e.Position.Offset)
	}
	return offsets
}

// told appends n events, in turn on a channel that each has heard of and on a new one.
func told(t *testing.T, s *sqlite.Store, n int) {
	t.Helper()
	for i := range n {
		e := event(1)
		if i%2 == 1 {
			e.Channel = fmt.Sprintf("new%d", i)
		}
		if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.AppendEvent(e) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayFindsWhatWasJustStored(t *testing.T) {
	s := newStore(t)
	told(t, s, 5)
	for range 2 { // what waits, and what was written for the first to ask
		if got := replayed(t, s, "ci"); fmt.Sprint(got) != "[1 3 5]" {
			t.Errorf("replay gave %v, want 1, 3 and 5", got)
		}
	}
	if got := replayed(t, s, "new3"); fmt.Sprint(got) != "[4]" {
		t.Errorf("replay gave %v, want 4", got)
	}
	told(t, s, 1)
	if last, err := s.LastOffset(t.Context(), "org", parley.ChannelKey("ci")); err != nil || last != 6 {
		t.Errorf("the last offset is %d (%v), want 6", last, err)
	}
	if last, err := s.LastOffset(t.Context(), "org", parley.ChannelKey("new1")); err != nil || last != 2 {
		t.Errorf("the last offset is %d (%v), want 2", last, err)
	}
}

func TestSearchFindsWhatWasJustSaid(t *testing.T) {
	s := newStore(t)
	for n := range 3 {
		said(t, s)
		if got := found(t, s, "word"); got != n+1 {
			t.Errorf("%d of %d messages are found", got, n+1)
		}
	}
}

// Beyond a number the indexes are written without anybody who asks.
func TestTheIndexesAreNotFarBehind(t *testing.T) {
	s := newStore(t)
	for n := range 3 * sqlite.MaxBehind / 50 {
		err := s.Update(t.Context(), func(tx parley.Tx) error {
			for range 50 {
				if err := appendEvent(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if waiting := s.Waiting(t.Context()); waiting > sqlite.MaxBehind+50 {
			t.Fatalf("%d events wait after %d", waiting, 50*(n+1))
		}
	}
	if got := replayed(t, s, "ci"); len(got) != 3*sqlite.MaxBehind/50*50 {
		t.Errorf("replay gave %d events", len(got))
	}
}

// A commit that fails takes nothing from what waits.
func TestAFailedCommitLosesNothingThatWaits(t *testing.T) {
	s := newStore(t)
	told(t, s, 5)
	said(t, s)
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		if err := appendEvent(tx); err != nil {
			return err
		}
		sqlite.Break(tx)
		return nil
	})
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Fatalf("the commit gave %v, want ErrUnavailable", err)
	}
	if got := replayed(t, s, "ci"); fmt.Sprint(got) != "[1 3 5]" {
		t.Errorf("replay gave %v, want 1, 3 and 5", got)
	}
	if n := found(t, s, "word"); n != 1 {
		t.Errorf("%d messages are found, want 1", n)
	}
	told(t, s, 1)
	if got := replayed(t, s, "ci"); fmt.Sprint(got) != "[1 3 5 7]" {
		t.Errorf("replay gave %v, want 1, 3, 5 and 7", got)
	}
}

// What is trimmed while it waits is not told by a key afterwards.
func TestTrimmingWaitsForTheIndex(t *testing.T) {
	s := newStore(t)
	told(t, s, 5)
	if n, err := s.TrimLog(t.Context(), time.Now()); err != nil || n != 5 {
		t.Fatalf("%d events were trimmed (%v), want 5", n, err)
	}
	q := parley.ReplayQuery{Org: "org", Keys: []string{parley.ChannelKey("new1")}}
	head, err := s.Head(t.Context(), "org")
	if err != nil {
		t.Fatal(err)
	}
	head.Offset = 1
	if err := s.CheckCursor(t.Context(), q, head); !errors.Is(err, parley.ErrGone) {
		t.Errorf("a cursor before what was trimmed: %v, want ErrGone", err)
	}
}

// A server that was killed has left events and messages out of the indexes; the next
// one finds them before it is asked, or tells of new ones.
func TestWhatAKilledServerLeftIsIndexed(t *testing.T) {
	for name, first := range map[string]func(*testing.T, *sqlite.Store) uint64{
		"to be asked": func(*testing.T, *sqlite.Store) uint64 { return 0 },
		"to go on": func(t *testing.T, s *sqlite.Store) uint64 {
			said(t, s)
			return 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "parley.db")
			killWriter(t, path, 100)
			s := open(t, path)
			more := first(t, s)
			head, err := s.Head(t.Context(), "org")
			if err != nil || head.Offset < 100+more {
				t.Fatalf("the head is %v (%v)", head, err)
			}
			if n := found(t, s, "word"); uint64(n) != head.Offset {
				t.Fatalf("%d of %d messages are found", n, head.Offset)
			}
			q := parley.ReplayQuery{Org: "org", UpTo: head.Offset, Keys: []string{parley.ConversationKey(killed)}, Limit: 1 << 20}
			events, _, err := s.Replay(t.Context(), q)
			if err != nil || uint64(len(events)) != head.Offset {
				t.Fatalf("replay gave %d of %d events (%v)", len(events), head.Offset, err)
			}
		})
	}
}

// A word that was taken back while it waited is not found, and the one that came for
// it is.
func TestAMessageIsEditedWhileItWaits(t *testing.T) {
	s := newStore(t)
	said(t, s)
	messages, err := s.Messages(t.Context(), "org", killed, 0, 0, 1, false)
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages (%v)", len(messages), err)
	}
	err = s.Update(t.Context(), func(tx parley.Tx) error {
		m, err := tx.Message("org", messages[0].ID)
		if err != nil {
			return err
		}
		m.Content = "another one"
		return tx.UpdateMessage(m, "org")
	})
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]int{"word": 0, "another": 1} {
		if n := found(t, s, word); n != want {
			t.Errorf("%d messages are found by %q, want %d", n, word, want)
		}
		if held, err := s.IndexHolds(t.Context(), word); err != nil || held != (want == 1) {
			t.Errorf("the index holds %q: %v (%v)", word, held, err)
		}
	}
}

// found counts the messages of the conversation that have a word.
func found(t *testing.T, s *sqlite.Store, word string) (n int) {
	t.Helper()
	s.SearchByWords()
	q := parley.SearchQuery{Org: "org", Principal: "ann", Text: word, Conversation: killed, Page: parley.Page{Limit: 1 << 20}}
	for first := true; first || q.Page.Cursor != ""; first = false {
		hits, next, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += len(hits)
		q.Page.Cursor = next
	}
	return n
}

// said posts a message, "word 1" where it is the first.
func said(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx parley.Tx) error { _, err := say(tx); return err }); err != nil {
		t.Fatal(err)
	}
}
