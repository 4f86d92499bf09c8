package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
)

func TestAnErrorOfFnIsReturnedAsItIsAndNothingIsKept(t *testing.T) {
	s := open(t, pgtest.Start(t))
	id := begin(t, s)
	own := errors.New("own")
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		c, err := tx.Conversation(org, id)
		if err != nil {
			return err
		}
		c.Title = "changed"
		if err := tx.UpdateConversation(c); err != nil {
			return err
		}
		return own
	})
	if err != own {
		t.Errorf("Update: %v, want fn's own error", err)
	}
	if c, err := s.Conversation(t.Context(), org, id); err != nil || c.Title != "" {
		t.Errorf("title is %q, %v; want it unchanged", c.Title, err)
	}
}

func TestATransactionGoesOnAfterAConflict(t *testing.T) {
	s := open(t, pgtest.Start(t))
	first := parley.Conversation{Org: org, ID: newID(), PairKey: "ana+ben", Status: parley.StatusActive}
	second := first
	second.ID = newID()
	var found *parley.Conversation
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		if err := tx.InsertConversation(&first); err != nil {
			return err
		}
		if err := tx.InsertConversation(&second); !errors.Is(err, parley.ErrConflict) {
			return fmt.Errorf("second of a pair: %v, want ErrConflict", err)
		}
		var err error
		found, err = tx.ConversationByPair(org, "ana+ben")
		return err
	})
	if err != nil || found.ID != first.ID {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestASwallowedFailureIsNotAcknowledged(t *testing.T) {
	s := open(t, pgtest.Start(t))
	id := begin(t, s)
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		c, err := tx.Conversation(org, id)
		if err != nil {
			return err
		}
		c.Title = "not\x00text"
		_ = tx.UpdateConversation(c)
		return nil
	})
	if err == nil {
		t.Error("a transaction that the database gave up was acknowledged")
	}
}

func TestTextThatTheDatabaseCannotHoldIsTheCallersMistake(t *testing.T) {
	s := open(t, pgtest.Start(t))
	for name, p := range map[string]parley.Principal{
		"U+0000":          {Org: org, ID: "ana", Name: "a\x00na"},
		"not UTF-8":       {Org: org, ID: "ana", Name: "\xff"},
		"an enormous key": {Org: org, ID: parley.PrincipalID(randomText(100_000))},
	} {
		err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.UpsertPrincipal(&p) })
		if !errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}) {
			t.Errorf("%s: %v, want invalid_argument", name, err)
		}
	}
}

// randomText does not compress.
func randomText(n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x", newID())
	}
	return b.String()
}

func TestWhatAMessageSaysMayHoldAnything(t *testing.T) {
	s := open(t, pgtest.Start(t))
	id := begin(t, s)
	m := parley.Message{
		ID: newID(), Conversation: id, Seq: 1, Sender: "ana", Content: "a\x00b", ContentMeta: "\u2028",
		ClientMsgID: strings.Repeat("k", 100_000) + "\x00", CreatedAt: now(),
	}
	if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.InsertMessage(&m, org) }); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(tx parley.Tx) error {
		got, err := tx.MessageByClientID(org, id, "ana", m.ClientMsgID)
		if err == nil && !reflect.DeepEqual(*got, m) {
			err = errors.New("the message came back changed")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestATransactionIsOverWhenItsFunctionReturns(t *testing.T) {
	s := open(t, pgtest.Start(t))
	var kept parley.Tx
	if err := s.Update(t.Context(), func(tx parley.Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Conversation(org, newID()); err == nil || errors.Is(err, parley.ErrNotFound) {
		t.Errorf("a Tx after its end: %v", err)
	}
}

// Two updates take two conversations in opposite orders: the database ends one of
// them, which is run again.
func TestADeadlockIsRunAgain(t *testing.T) {
	s := open(t, pgtest.Start(t))
	a, b := begin(t, s), begin(t, s)
	var runs [2]int
	var met sync.WaitGroup
	met.Add(2)
	update := func(i int, first, second parley.ConversationID) error {
		return s.Update(t.Context(), func(tx parley.Tx) error {
			runs[i]++
			if _, err := tx.Conversation(org, first); err != nil {
				return err
			}
			if runs[i] == 1 {
				met.Done()
				met.Wait()
			}
			_, err := tx.Conversation(org, second)
			return err
		})
	}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() { errs[0] = update(0, a, b) })
	wg.Go(func() { errs[1] = update(1, b, a) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if runs[0]+runs[1] != 3 {
		t.Errorf("fn ran %d and %d times, want one of them twice", runs[0], runs[1])
	}
}

func TestAConversationIsHeldUntilTheTransactionEnds(t *testing.T) {
	s := open(t, pgtest.Start(t))
	id := begin(t, s)
	held, done := make(chan struct{}), make(chan error)
	go func() {
		done <- s.Update(context.Background(), func(tx parley.Tx) error {
			_, err := tx.Conversation(org, id)
			close(held)
			<-done
			return err
		})
	}()
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := post(ctx, s, id, "c1"); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("post to a held conversation: %v, want ErrUnavailable when the context ends", err)
	}
	done <- nil
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if seq := mustPost(t, s, id, "c1"); seq != 1 {
		t.Errorf("seq %d, want 1", seq)
	}
}

// A refusal that is about the moment, not about what was asked, is no failure of the
// caller's: somebody holds a lock too long, or this is a standby.
func TestARefusalOfTheMomentIsUnavailable(t *testing.T) {
	url := pgtest.Start(t)
	patient, hasty := open(t, url), open(t, url+"&lock_timeout=20")
	id := begin(t, patient)
	err := patient.Update(t.Context(), func(tx parley.Tx) error {
		if _, err := tx.Conversation(org, id); err != nil {
			return err
		}
		if _, err := post(t.Context(), hasty, id, "c1"); !errors.Is(err, parley.ErrUnavailable) {
			t.Errorf("post to a held conversation: %v, want ErrUnavailable", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	standby := postgres.Config{URL: url + "&default_transaction_read_only=on"}
	if _, err := postgres.Open(t.Context(), standby); !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Open of a database that cannot be written: %v, want ErrUnavailable", err)
	}
}

// The one case in which an error stands for something that was kept: the answer
// to the commit is lost. The idempotency key settles it.
func TestALostCommitAnswerIsSettledByTheKey(t *testing.T) {
	p, url := newProxy(t, pgtest.Start(t))
	s := open(t, url)
	id := begin(t, s)
	p.cutAfter("commit\x00")
	if _, err := post(t.Context(), s, id, "c1"); !errors.Is(err, parley.ErrUnavailable) {
		t.Fatalf("post without an answer: %v, want ErrUnavailable", err)
	}
	if seq := mustPost(t, s, id, "c1"); seq != 1 {
		t.Errorf("the second try has seq %d, want the first one's", seq)
	}
	if list, err := s.Messages(t.Context(), org, id, 1, 0, 10, false); err != nil || len(list) != 1 {
		t.Errorf("%d messages, %v; want 1", len(list), err)
	}
}

// A connection that breaks before the commit was said is no failure: nothing was
// kept, and the transaction is run again on another.
func TestAConnectionThatBreaksBeforeTheCommitIsReplaced(t *testing.T) {
	p, url := newProxy(t, pgtest.Start(t))
	s := open(t, url)
	id := begin(t, s)
	for i, said := range []string{"begin", "c2"} {
		p.cutAfter(said)
		if seq := mustPost(t, s, id, fmt.Sprint("c", i+1)); seq != uint64(i+1) {
			t.Errorf("seq %d, want %d", seq, i+1)
		}
	}
}

// A server whose connections are killed all the time loses nothing that it
// acknowledged, and keeps nothing twice.
func TestKilledConnectionsLoseNoAcknowledgedMessage(t *testing.T) {
	url := pgtest.Start(t)
	s, killer := open(t, url), admin(t, url)
	conversations := []parley.ConversationID{begin(t, s), begin(t, s)}
	const writers, each = 4, 40

	var wg sync.WaitGroup
	fail := make(chan error, writers)
	for w := range writers {
		id := conversations[w%len(conversations)]
		wg.Go(func() {
			for i := range each {
				if err := postUntilKept(t.Context(), s, id, fmt.Sprint(w, "-", i)); err != nil {
					fail <- err
					return
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	for kills := 0; ; kills++ {
		select {
		case <-written:
		case <-time.After(15 * time.Millisecond):
			if kills < 20 {
				killAll(t, killer)
			}
			if _, err := s.Sequence(t.Context(), 10); err != nil && !errors.Is(err, parley.ErrUnavailable) {
				t.Error(err)
			}
			continue
		}
		break
	}
	close(fail)
	for err := range fail {
		t.Fatal(err)
	}
	drain(t, s)
	if n := len(wholeLog(t, s)); n != writers*each {
		t.Errorf("the log has %d events, want %d", n, writers*each)
	}
}

// postUntilKept tries again, under the same key, while the store is unavailable.
func postUntilKept(ctx context.Context, s *postgres.Store, id parley.ConversationID, key string) error {
	for {
		_, err := post(ctx, s, id, key)
		if !errors.Is(err, parley.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}
