package httpd_test

import (
	"strings"
	"testing"
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
