package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/pgtest"
	"github.com/parley-chat/parley/store/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const org = parley.OrgID("org_demo")

// open opens a store; it is closed when the test ends.
func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// admin is a connection of the test's own to the database.
func admin(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// killAll ends every connection to the database but the admin's own.
func killAll(t testing.TB, c *pgx.Conn) {
	t.Helper()
	const kill = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`
	if _, err := c.Exec(t.Context(), kill); err != nil {
		t.Fatal(err)
	}
}

func newID() [16]byte { return uuid.Must(uuid.NewV7()) }

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// begin stores a conversation.
func begin(t testing.TB, s *postgres.Store) parley.ConversationID {
	t.Helper()
	c := parley.Conversation{
		Org: org, ID: newID(), Kind: parley.KindGroup, Status: parley.StatusActive,
		CreatedBy: "ana", CreatedAt: now(), LastActivity: now(),
	}
	if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.InsertConversation(&c) }); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// post does what the engine does for a message: it finds the one that was sent
// under the client id, or takes the next numbers of the conversation.
func post(ctx context.Context, s *postgres.Store, id parley.ConversationID, clientMsgID string) (seq uint64, err error) {
	err = s.Update(ctx, func(tx parley.Tx) error {
		c, err := tx.Conversation(org, id)
		if err != nil {
			return err
		}
		old, err := tx.MessageByClientID(org, id, "ana", clientMsgID)
		if err == nil {
			seq = old.Seq
			return nil
		}
		if !errors.Is(err, parley.ErrNotFound) {
			return err
		}
		c.Seq++
		c.ChangeSeq++
		c.LastActivity = now()
		seq = c.Seq
		m := parley.Message{
			ID: newID(), Conversation: id, Seq: c.Seq, Sender: "ana", SenderKind: parley.KindUser,
			Content: "hello", ContentType: "text", ClientMsgID: clientMsgID, CreatedAt: c.LastActivity,
		}
		if err := tx.InsertMessage(&m, org); err != nil {
			return err
		}
		if err := tx.UpdateConversation(c); err != nil {
			return err
		}
		return tx.AppendEvent(&parley.Event{
			ID: newID(), Org: org, Type: parley.MessageCreated, Class: parley.Durable, Time: c.LastActivity,
			Actor: "ana", ActorKind: parley.KindUser, Conversation: id, ChangeSeq: c.ChangeSeq,
			Channel: parley.ChannelConversation, Body: &parley.MessageBody{Message: m},
		})
	})
	return seq, err
}

func mustPost(t testing.TB, s *postgres.Store, id parley.ConversationID, clientMsgID string) uint64 {
	t.Helper()
	seq, err := post(t.Context(), s, id, clientMsgID)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func sequence(t testing.TB, s *postgres.Store) []*parley.Event {
	t.Helper()
	events, err := s.Sequence(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// wholeLog reads an org's log and sees that offsets have no gap and every
// conversation its change_seq order.
func wholeLog(t testing.TB, s *postgres.Store) []*parley.Event {
	t.Helper()
	var all []*parley.Event
	changes := map[parley.ConversationID]uint64{}
	for {
		page, err := s.ReadLog(t.Context(), org, uint64(len(all)), 1<<62, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		for _, e := range page {
			all = append(all, e)
			if e.Position.Offset != uint64(len(all)) {
				t.Fatalf("event %d of the log has offset %d", len(all), e.Position.Offset)
			}
			if e.ChangeSeq != changes[e.Conversation]+1 {
				t.Fatalf("change_seq %d of %s follows %d", e.ChangeSeq, e.Conversation, changes[e.Conversation])
			}
			changes[e.Conversation]++
		}
	}
}

func TestSeveralNodesMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	url := pgtest.Start(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 2})
			if err == nil {
				err = s.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		url  string
		want error // nil: a configuration error
	}{
		"no url":          {"", nil},
		"not a url":       {"postgres://ana:hunter2@[::1/db", nil},
		"bad parameter":   {"postgres://ana:hunter2@localhost/db?sslmode=perhaps", nil},
		"nobody listens":  {"postgres://ana:hunter2@127.0.0.1:1/db?connect_timeout=2", parley.ErrUnavailable},
		"no such machine": {"postgres://ana:hunter2@/db?host=/nonexistent", parley.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), postgres.Config{URL: c.url})
			if err == nil || errors.Is(err, parley.ErrUnavailable) != (c.want != nil) {
				t.Errorf("Open: %v", err)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	s := open(t, pgtest.Start(t))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, sequenceErr := s.Sequence(t.Context(), 1)
	_, readErr := s.Head(t.Context(), org)
	for what, err := range map[string]error{
		"Ping":     s.Ping(t.Context()),
		"Update":   s.Update(t.Context(), func(parley.Tx) error { return nil }),
		"Sequence": sequenceErr,
		"Head":     readErr,
	} {
		if !errors.Is(err, parley.ErrUnavailable) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}
