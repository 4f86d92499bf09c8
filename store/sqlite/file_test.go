package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

func TestOneServerUsesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "parley.db")
	server := open(t, path)
	_, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Exclusive: true})
	if !errors.Is(err, sqlite.ErrLocked) || !strings.Contains(err.Error(), "another server uses this data directory") {
		t.Fatalf("a second server got %v", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path) // the lock ended with the first
}

func TestKeysAreMadeBesideARunningServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	server := open(t, path)
	cli, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	key := &parley.APIKey{ID: parley.KeyID(uuid.Must(uuid.NewV7())), Org: "org", Hash: []byte{1, 2, 3}}
	if err := cli.InsertKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := cli.InsertKey(t.Context(), key); !errors.Is(err, parley.ErrConflict) {
		t.Errorf("the same key again: %v, want ErrConflict", err)
	}
	if err := cli.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.KeyByHash(t.Context(), key.Hash); err != nil {
		t.Errorf("the server does not see the key: %v", err)
	}
	if err := server.Update(t.Context(), appendEvent); err != nil {
		t.Errorf("the server cannot write any more: %v", err)
	}
}

func TestAFileIsMadeByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "parley.db")
	failed := make(chan error, 6)
	for range cap(failed) {
		go func() {
			s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
			if err == nil {
				err = errors.Join(s.Ping(t.Context()), s.Close())
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// A copy of the file is put back after more was written: cursors from the lost
// time must not be taken for places in what is written after it.
func TestARestoredBackupIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	s := open(t, path)
	publish := func(n int) (last parley.Position) {
		t.Helper()
		for range n {
			e := event(1)
			if err := s.Update(t.Context(), func(tx parley.Tx) error { return tx.AppendEvent(e) }); err != nil {
				t.Fatal(err)
			}
			last = e.Position
		}
		return last
	}
	reopen := func(change func()) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		change()
		s = open(t, path)
	}
	var backup []byte
	before := publish(3)
	reopen(func() { backup = readFile(t, path) })
	lost := publish(2)
	reopen(func() { writeFile(t, path, backup) })

	q := parley.ReplayQuery{Org: "org", All: true}
	for what, want := range map[parley.Position]error{before: nil, lost: parley.ErrCursor} {
		if err := s.CheckCursor(t.Context(), q, what); !errors.Is(err, want) {
			t.Errorf("cursor at %d before anything new: %v, want %v", what.Offset, err, want)
		}
	}
	anew := publish(4)
	for what, want := range map[parley.Position]error{before: nil, lost: parley.ErrCursor, anew: nil} {
		if err := s.CheckCursor(t.Context(), q, what); !errors.Is(err, want) {
			t.Errorf("cursor at %d once the head is beyond it: %v, want %v", what.Offset, err, want)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABadSettingNamesItself(t *testing.T) {
	for want, cfg := range map[string]sqlite.Config{
		"path":        {},
		"synchronous": {Path: "x", Synchronous: "off"},
		"readers":     {Path: "x", Readers: -1},
	} {
		if _, err := sqlite.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error that names %s", cfg, err, want)
		}
	}
}

func TestAPageCursorFromElsewhereIsRefused(t *testing.T) {
	s := newStore(t)
	for _, cursor := range []string{"x", "AAAA", "!"} {
		_, _, err := s.ConversationsOf(t.Context(), "org", "ann", parley.Page{Cursor: cursor})
		if !errors.Is(err, &parley.Error{Code: parley.CodeInvalidArgument}) {
			t.Errorf("cursor %q: %v, want invalid_argument", cursor, err)
		}
	}
}

// Every step of a query must search an index by more than the org; what is walked
// whole is listed here.
func TestQueriesUseIndexes(t *testing.T) {
	walks := map[string]string{ // step: why
		"SCAN j VIRTUAL TABLE INDEX 1:":           "the listener's own list of keys or offsets",
		"SCAN json_each VIRTUAL TABLE INDEX 1:":   "the listener's own list of spans or senders",
		"SCAN search VIRTUAL TABLE INDEX 192:M1<": "the search index, by a match and a bound, the newest first",
		"SCAN span":                                        "the same once it was read",
		"SCAN (subquery-1)":                                "the rows that the bound of the count lets through",
		"SCAN sender":                                      "the same once it was read",
		"SCAN CONSTANT ROW":                                "no table at all",
		"SCAN runs USING INDEX runs_open":                  "a partial index: open runs only",
		"SEARCH runs USING INDEX runs_open (org=?)":        "the same of one org",
		"SCAN retentions USING INDEX retentions_days":      "a partial index: what is not kept for ever",
		"SEARCH l USING PRIMARY KEY (org=?)":               "one row",
		"SEARCH logs USING PRIMARY KEY (org=?)":            "one row",
		"SEARCH blocks USING PRIMARY KEY (org=?)":          "as many as there may be",
		"SEARCH api_keys USING INDEX api_keys_org (org=?)": "all keys are asked for",
	}
	sorts := map[string]string{ // query: why
		"conversations of":     "somebody's own, for the first page",
		"unread conversations": "the same",
		"scopes of a search":   "as many as there may be, then it ends",
		"unread stays":         "those asked for",
		"silent messages":      "the spans asked for",
		"numbered messages":    "a page",
		"events at offsets":    "a page",
		"active keys":          "the listener's own",
		"keys":                 "all are asked for",
		"open runs":            "all are asked for",
		"open runs of an org":  "all are asked for",
	}
	s := newStore(t)
	for name, query := range sqlite.Queries {
		steps, err := s.Plan(query)
		if err != nil || len(steps) == 0 {
			t.Errorf("%s has no plan: %v", name, err)
		}
		for _, step := range steps {
			if walks[step] == "" && (strings.HasPrefix(step, "SCAN") || strings.HasSuffix(step, "(org=?)")) {
				t.Errorf("%s: %s", name, step)
			}
			if sorts[name] == "" && strings.HasPrefix(step, "USE TEMP B-TREE") {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}
