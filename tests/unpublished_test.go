package tests

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/app"
	"github.com/parley-chat/parley/bus/natsbus"
	"github.com/parley-chat/parley/config"
	"github.com/parley-chat/parley/engine"
)

// The child posts one message through an engine that has no relay, so that it is
// committed and acknowledged but never published, and then kills itself.
const (
	childVariable = "PARLEY_TESTS_POST_AND_DIE" // data directory, store URL, conversation, text; tab-separated
	childSaid     = "acknowledged"
)

func postAndDie(args string) error {
	parts := strings.Split(args, "\t")
	cfg := config.Default()
	cfg.Data, cfg.StoreURL = parts[0], parts[1]
	ctx := context.Background()
	store, err := app.OpenStore(ctx, cfg, cfg.StoreURL == "")
	if err != nil {
		return err
	}
	bus, err := natsbus.Open(ctx, natsbus.Config{Dir: filepath.Join(os.TempDir(), uuid.NewString())})
	if err != nil {
		return err
	}
	id, err := parley.ParseConversationID(parts[2])
	if err != nil {
		return err
	}
	e := engine.New(engine.Config{Store: store, Bus: bus, IDs: uuids{}, Limits: parley.DefaultLimits(), Node: "child"})
	owner := &parley.Principal{Org: org, ID: "owner", Kind: parley.KindUser, Class: parley.ClassAccess, Scopes: parley.UserScopes}
	if _, err := e.Do(ctx, owner, parley.PostMessage{Conversation: id, Content: parts[3]}); err != nil {
		return err
	}
	fmt.Println(childSaid)
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

type uuids struct{}

func (uuids) NewID() [16]byte { return uuid.Must(uuid.NewV7()) }

// dieAfterPosting runs the child to its end.
func dieAfterPosting(t *testing.T, dir, storeURL, conversation, text string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+strings.Join([]string{dir, storeURL, conversation, text}, "\t"))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() || said.Text() != childSaid {
		t.Fatalf("the child did not post: %q", said.Text())
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child lives on")
	}
}

// surfacesOf listens on all four surfaces.
func surfacesOf(ctx context.Context, t *testing.T, s *server, conversation string) (ears []*listener) {
	for _, surface := range []string{"events", "bot", "topics", "chat"} {
		ears = append(ears, listen(ctx, t, s, surface, s.token("ear"), []string{conversation}))
	}
	return ears
}

func allHear(t *testing.T, ears []*listener, n int) {
	t.Helper()
	for _, ear := range ears {
		eventually(t, 20*time.Second, fmt.Sprintf("%s hears %d messages", ear.surface, n), func() bool { return ear.count() >= n })
	}
}

// P1 and P3 where the process dies between commit and publish, on SQLite: whoever
// resumes hears what nobody was told.
func TestAKillBetweenCommitAndPublishLosesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	owner := s.token("owner")
	conversation := s.conversation(owner, "group", "ear")
	post := func(text string) {
		s.must("POST", "/v1/chat/messages/send", owner, map[string]any{"conversation_id": conversation, "content_text": text}, nil)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears := surfacesOf(ctx, t, s, conversation)
	post("told")
	allHear(t, ears, 1)
	s.kill()
	dieAfterPosting(t, s.dir, "", conversation, "committed, not told")
	s.start()
	post("told again")
	allHear(t, ears, 3)
	stop()
	for _, ear := range ears {
		ear.checkOnceInOrder(map[string]uint64{conversation: 3})
	}
}

// The same on PostgreSQL, where another node lives on: its relay gives the event
// a Position, and its listeners hear it without anyone restarting.
func TestWhatADeadNodeCommittedIsToldByAnother(t *testing.T) {
	t.Parallel()
	store := pgURL(t)
	s := newServer(t, "--store-url", store)
	s.start()
	owner := s.token("owner")
	conversation := s.conversation(owner, "group", "ear")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ears := surfacesOf(ctx, t, s, conversation)
	dieAfterPosting(t, s.dir, store, conversation, "committed, not told")
	allHear(t, ears, 1)
	s.must("POST", "/v1/chat/messages/send", owner, map[string]any{"conversation_id": conversation, "content_text": "told"}, nil)
	allHear(t, ears, 2)
	stop()
	for _, ear := range ears {
		ear.checkOnceInOrder(map[string]uint64{conversation: 2})
	}
}
