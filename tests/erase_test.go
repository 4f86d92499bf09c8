package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// An erasure goes on after kill -9 of the server, and at its end no byte of what was
// said is in the data directory: not in the store, its WAL, or the log of answers.
func TestAnErasureSurvivesAKillAndLeavesNoByte(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada, bob := s.token("ada"), s.token("bob")
	group := s.conversation(ada, "group", "bob")
	session := s.conversation(bob, "agent_direct", "demo")
	const word = "zqsecret"
	say, ask := s.poster(bob, group), s.poster(bob, session)
	for range 400 {
		say("this is " + word + strings.Repeat(" "+word, 20))
	}
	s.poster(ada, group)("what ada said")
	ask("tell me about " + word)
	eventually(t, 20*time.Second, "the agent answers", func() bool { return s.seq(bob, session) == 2 })

	var job struct {
		ID     string `json:"erasure_id"`
		Status string
	}
	s.must("POST", "/v1/users/bob/erase", bob, nil, &job)
	s.kill()
	s.start()
	admin := s.token("ops", parley.ScopeAdmin)
	eventually(t, 30*time.Second, "the erasure ends", func() bool {
		s.must("GET", "/v1/erasures/"+job.ID, admin, nil, &job)
		return job.Status == "done"
	})
	eventually(t, 10*time.Second, "nothing of it is left", func() bool { return len(filesWith(t, s.dir, word)) == 0 })
	if len(filesWith(t, s.dir, "what ada said")) == 0 {
		t.Error("what somebody else said is gone")
	}
	if n := s.seq(ada, group); n != 401 {
		t.Errorf("the group has %d messages", n)
	}
}

// seq is the last seq of a conversation.
func (s *server) seq(token, conversation string) (n int) {
	s.t.Helper()
	var about struct {
		Seq int `json:"seq_counter"`
	}
	s.must("GET", "/v1/chat/conversations/"+conversation, token, nil, &about)
	return about.Seq
}

// filesWith lists the files of a directory that hold a word.
func filesWith(t *testing.T, dir, word string) (names []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it went meanwhile
		}
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(word)) {
			names = append(names, path)
		}
		return nil
	})
	if len(names) > 0 {
		t.Logf("%s is in %v", word, names)
	}
	return names
}
