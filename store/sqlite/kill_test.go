package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
	"go.uber.org/goleak"
)

// childEnv names the file for a copy of this binary that writes until it is killed.
const childEnv = "PARLEY_TEST_SQLITE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		fmt.Fprintln(os.Stderr, writeForEver(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

var killed = parley.ConversationID(uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"))

// writeForEver has eight writers post to one conversation, and prints each
// message's seq once it was acknowledged.
func writeForEver(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path, Exclusive: true})
	if err != nil {
		return err
	}
	failed := make(chan error)
	var mu sync.Mutex
	for range 8 {
		go func() {
			for {
				var seq uint64
				err := s.Update(ctx, func(tx parley.Tx) (err error) { seq, err = say(tx); return err })
				if err != nil {
					failed <- err
					return
				}
				mu.Lock()
				fmt.Println(seq)
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

// say posts a message, to a conversation that the first one begins.
func say(tx parley.Tx) (uint64, error) {
	c, err := tx.Conversation("org", killed)
	if err != nil {
		c = &parley.Conversation{Org: "org", ID: killed, Status: parley.StatusActive}
		if err := tx.InsertConversation(c); err != nil {
			return 0, err
		}
		ann := &parley.Membership{Org: "org", Conversation: killed, Principal: "ann", JoinedAt: time.Now(), From: 1, FromSeq: 1}
		if err := tx.InsertMember(ann); err != nil {
			return 0, err
		}
	}
	c.Seq++
	c.ChangeSeq++
	m := &parley.Message{
		ID: parley.MessageID(uuid.Must(uuid.NewV7())), Conversation: killed, Seq: c.Seq, CreatedAt: time.Now(),
		Content: fmt.Sprintf("word %d", c.Seq),
	}
	e := event(1)
	e.Type, e.Conversation, e.ChangeSeq, e.Body = parley.MessageCreated, killed, c.ChangeSeq, &parley.MessageBody{Message: *m}
	if err := tx.InsertMessage(m, "org"); err != nil {
		return 0, err
	}
	if err := tx.AppendEvent(e); err != nil {
		return 0, err
	}
	return c.Seq, tx.UpdateConversation(c)
}

// P1: what was acknowledged survives kill -9, whole, and numbers have no gap.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	for round := 1; round <= 3; round++ {
		acked := killWriter(t, path, 50*round)
		s := open(t, path)
		messages, err := s.Messages(t.Context(), "org", killed, 0, 0, 1<<30, false)
		if err != nil {
			t.Fatal(err)
		}
		if acked > uint64(len(messages)) {
			t.Fatalf("%d was acknowledged, %d messages are there", acked, len(messages))
		}
		events, err := s.ReadLog(t.Context(), "org", 0, 1<<40, 1<<30)
		if err != nil || len(events) != len(messages) {
			t.Fatalf("%d messages have %d events (%v)", len(messages), len(events), err)
		}
		for i, e := range events {
			n := uint64(i + 1)
			if messages[i].Seq != n || e.ChangeSeq != n || e.Position.Offset != n || e.Body.(*parley.MessageBody).ID != messages[i].ID {
				t.Fatalf("message %d has seq %d, change_seq %d, offset %d", n, messages[i].Seq, e.ChangeSeq, e.Position.Offset)
			}
		}
		c, err := s.Conversation(t.Context(), "org", killed)
		if err != nil || c.Seq != uint64(len(messages)) {
			t.Fatalf("the conversation is at %+v (%v), want seq %d", c, err, len(messages))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter runs a child until it has acknowledged n messages, kills it, and
// returns the largest seq it acknowledged.
func killWriter(t *testing.T, path string, n int) (largest uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	acks := 0
	for lines.Scan() { // on to the end: what was printed before the kill counts too
		var seq uint64
		if _, err := fmt.Sscan(lines.Text(), &seq); err != nil {
			break // the last line may be cut
		}
		largest = max(largest, seq)
		if acks++; acks == n {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait()
	if acks < n {
		t.Fatalf("the writer ended after %d acknowledgements", acks)
	}
	return largest
}
