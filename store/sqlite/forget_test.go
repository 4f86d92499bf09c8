package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/store/sqlite"
)

// What was deleted is not in the file any more, neither where the rows were nor on
// the pages that are free, which a long text leaves.
func TestWhatIsDeletedIsGoneFromTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Synchronous: sqlite.SyncNormal})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.SecureDelete(t.Context()); n != 1 || err != nil {
		t.Errorf("secure_delete is %d, %v", n, err)
	}
	conversation, message := parley.ConversationID{1}, parley.MessageID{2}
	update := func(fn func(tx parley.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx parley.Tx) error {
		for i, text := range []string{"a short secret", strings.Repeat("a long secret ", 4000), "kept"} {
			e := &parley.Edit{Conversation: conversation, Message: message, Number: i, Content: text}
			if text == "kept" {
				e.Message = parley.MessageID{3}
			}
			if err := tx.InsertEdit("org", e); err != nil {
				return err
			}
		}
		return nil
	})
	update(func(tx parley.Tx) error { return tx.DeleteEdits("org", conversation, message) })
	if err := s.Close(); err != nil { // which writes all back into the file
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("kept")) {
		t.Fatal("what was kept is not in the file")
	}
	if n := bytes.Count(text, []byte("secret")); n > 0 {
		t.Errorf("what was deleted is in the file, %d times", n)
	}
}
