package httpd_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// What one who left may read is what it was when it left: whatever happens later, every
// answer stays the same, but for what is deleted for everyone.
func TestForWhoLeftTheConversationStandsStill(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	say := func(who, text string) string {
		t.Helper()
		body := `{"conversation_id":"` + c + `","content_text":"` + text + `"}`
		return h.must("POST", "/v1/chat/messages/send", who, body).field(t, "id").(string)
	}
	conversation := "/v1/chat/conversations/" + c
	edit := func(message, text string) {
		t.Helper()
		h.must("PATCH", "/v1/chat/messages/"+message, "ada", `{"content_text":"`+text+`"}`)
	}
	first, second, third := say("ada", "early words"), say("ada", "plain words"), say("ada", "last words")
	edit(first, "middle words")
	h.must("PATCH", conversation, "ada", `{"name":"Before"}`)
	h.must("DELETE", conversation+"/participants/bob", "ada", "")

	look := func() map[string]string {
		t.Helper()
		seen := map[string]string{}
		for _, path := range []string{
			conversation, conversation + "/messages", conversation + "/participants", conversation + "/receipts", conversation + "/tasks",
			"/v1/chat/messages/" + first, "/v1/chat/messages/" + first + "/edits", "/v1/chat/messages/" + second + "/edits",
			"/v1/chat/messages/search?q=later", "/v1/chat/messages/search?q=last&conversation_id=" + c,
			"/api/sessions/" + c, "/api/sessions/" + c + "/history",
		} {
			seen[path] = h.must("GET", path, "bob", "").text
		}
		sync := `{"conversations":[{"conversation_id":"` + c + `","last_seq":0,"last_change_seq":0}]}`
		seen["sync"] = h.must("POST", "/v1/chat/messages/sync", "bob", sync).text
		return seen
	}
	before := look()
	if text := before["/v1/chat/messages/"+first]; !strings.Contains(text, `"middle words"`) || !strings.Contains(text, `"edit_count":1`) {
		t.Errorf("who left sees %s, want what the message said last in its time", text)
	}
	if text := before["/v1/chat/messages/"+first+"/edits"]; !strings.Contains(text, `"early words"`) {
		t.Errorf("who left sees the edits %s, want the one of its time", text)
	}

	edit(first, "later words")
	edit(second, "words of later")
	edit(second, "words of much later")
	say("ada", "said later")
	h.must("POST", "/v1/chat/messages/"+third+"/reactions", "ada", `{"emoji":"x"}`)
	h.must("PATCH", conversation, "ada", `{"name":"After","description":"later"}`)
	h.must("POST", conversation+"/participants", "ada", `{"user_ids":["cyd"]}`)
	h.must("POST", conversation+"/participants", "ada", `{"user_ids":["demo"]}`)
	h.must("POST", conversation+"/read", "ada", "")
	h.must("POST", "/api/sessions/"+c+"/end", "ada", "")
	for path, after := range look() {
		if after != before[path] {
			t.Errorf("%s changed for who left:\nfrom %s\n  to %s", path, before[path], after)
		}
	}

	h.must("DELETE", "/v1/chat/messages/"+third, "ada", `{"mode":"for_everyone"}`)
	if text := h.must("GET", conversation+"/messages", "bob", "").text; strings.Contains(text, "last words") {
		t.Errorf("who left sees what was deleted for everyone: %s", text)
	}
}

// fewEdits is a store that is asked for a few versions of a message at a time: there may
// be any number of them, each as long as a message.
type fewEdits struct {
	keeper
	t    *testing.T
	read atomic.Int64
}

func (s *fewEdits) Edits(ctx context.Context, org parley.OrgID, id parley.ConversationID, m parley.MessageID, from, limit int) ([]parley.Edit, error) {
	if limit == 0 || limit > 64 {
		s.t.Errorf("%d versions are asked for at once, 0 for all", limit)
	}
	edits, err := s.keeper.Edits(ctx, org, id, m, from, limit)
	s.read.Add(int64(len(edits)))
	return edits, err
}

// What a message said when somebody left is found without a look at all it ever said,
// and so is all of it exported.
func TestOfWhatWasEditedOftenLittleIsReadAtOnce(t *testing.T) {
	few := &fewEdits{keeper: onSQLite(t), t: t}
	h := openOn(t, few, func(c *httpd.Config) { c.Limits.MessagesBurst = 1000 })
	c := h.group("bob")
	h.say("ada", c, "version 0")
	id := h.must("GET", "/v1/chat/conversations/"+c+"/messages", "ada", "").field(t, "messages").([]any)[0].(map[string]any)["id"].(string)
	const versions = 200
	for i := 1; i <= versions; i++ {
		if i == 77 {
			h.must("DELETE", "/v1/chat/conversations/"+c+"/participants/bob", "ada", "")
		}
		h.must("PATCH", "/v1/chat/messages/"+id, "ada", fmt.Sprintf(`{"content_text":"version %d"}`, i))
	}
	few.read.Store(0)
	if p := h.messages("bob", c, ""); len(p.Messages) != 1 || p.Messages[0].Text != "version 76" {
		t.Errorf("who left sees %+v", p.Messages)
	}
	if n := few.read.Load(); n > 40 {
		t.Errorf("%d of %d versions were read", n, versions)
	}
	m := h.exported("/v1/users/ada/export", "ada")["message"][0]
	edits := m["edits"].([]any)
	for i, e := range edits {
		if text := e.(map[string]any)["content_text"]; text != fmt.Sprint("version ", i) {
			t.Errorf("version %d is exported as %v", i, text)
		}
	}
	if len(edits) != versions || m["content_text"] != fmt.Sprint("version ", versions) {
		t.Errorf("exported are %d versions and %v", len(edits), m["content_text"])
	}
}

// Who comes back sees what is there now.
func TestWhoComesBackSeesWhatMessagesSayNow(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	h.say("ada", c, "before")
	h.must("DELETE", "/v1/chat/conversations/"+c+"/participants/bob", "ada", "")
	id := h.must("GET", "/v1/chat/conversations/"+c+"/messages", "ada", "").field(t, "messages").([]any)[0].(map[string]any)["id"].(string)
	h.must("PATCH", "/v1/chat/messages/"+id, "ada", `{"content_text":"after"}`)
	h.must("POST", "/v1/chat/conversations/"+c+"/participants", "ada", `{"user_ids":["bob"]}`)
	if p := h.messages("bob", c, ""); len(p.Messages) != 1 || p.Messages[0].Text != "after" {
		t.Errorf("who came back sees %+v", p.Messages)
	}
}
