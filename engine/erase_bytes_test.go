package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

// Nothing of what an erased user said is in the files of the store: not in its tables
// and indexes, nor in what they no longer use, nor in the WAL.
func TestAnErasedUserIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), sqlite.Config{
		Path: filepath.Join(dir, "parley.db"), Synchronous: sqlite.SyncNormal, Exclusive: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOn(t, store, func(c *Config) {
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst, c.Limits.PublishesPerMinute = 1e6, 1e6, 1e6
	})
	ben := person("ben")
	ben.Name = "zqsecret ben"
	elsewhere := *ann
	elsewhere.Org = "org_other" // its places in the log lie behind
	other := w.must(&elsewhere, parley.CreateConversation{Kind: parley.KindGroup}).Conversation.ID
	ids := []parley.ConversationID{w.group("ben"), w.group("ben", "cleo")}
	var all []parley.MessageID
	for i := range 1500 {
		id := ids[i%len(ids)]
		text := fmt.Sprintf("zqsecret%d is said here %s", i, strings.Repeat("zqsecret ", i%7*i%90))
		m := w.must(ben, parley.PostMessage{Conversation: id, Content: text, ClientMsgID: fmt.Sprint("zqsecret", i)}).Message.ID
		all = append(all, m)
		w.said(ann, id, fmt.Sprintf("number %d of somebody else", i))
		w.said(&elsewhere, other, "and elsewhere")
		switch i % 5 {
		case 0:
			w.must(ben, parley.EditMessage{Message: all[i/2], Content: text + "zqsecret edited"})
		case 1:
			w.must(ben, parley.React{Message: m, Emoji: "zqsecret"})
		case 2:
			w.must(ann, parley.DeleteMessage{Message: all[i/3], ForEveryone: true})
		case 3:
			w.must(ben, parley.PublishEvent{Channel: "app", Type: "note.made", Data: parley.RawJSON(`{"id":"1","note":"zqsecret"}`)})
		}
	}
	if n := occurrences(t, dir, "zqsecret"); n == 0 {
		t.Fatal("the word is not found where it must be")
	}
	w.erased(w.must(ben, parley.EraseUser{Principal: "ben"}).Erasure.ID)
	if n := occurrences(t, dir, "zqsecret"); n != 0 {
		t.Errorf("the word is in the files %d times", n)
	}
	if n := occurrences(t, dir, "somebody else"); n < 1500 {
		t.Errorf("what others said is in the files %d times", n)
	}
}

// occurrences counts how often a word is in the files of a directory, in lower case as
// it is given or in the case of the search index.
func occurrences(t *testing.T, dir, word string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if found := bytes.Count(data, []byte(word)); found > 0 {
			n += found
			t.Logf("%s: %d", d.Name(), found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
