package httpd_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// post posts a message and returns its id.
func (h *house) post(token, conversation, text string) string {
	h.t.Helper()
	body := `{"conversation_id":"` + conversation + `","content_text":"` + text + `"}`
	return h.must("POST", "/v1/chat/messages/send", token, body).field(h.t, "id").(string)
}

// What one deleted for oneself does not come back with what becomes of it later, however
// it was deleted; that it was deleted for everyone may be known.
func TestSyncTellsNothingOfWhatOneHidFromOneself(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	first, second := h.post("ada", c, "one"), h.post("ada", c, "two")
	h.must("DELETE", "/v1/chat/messages/"+first, "bob", `{"mode":"for_me"}`)
	edit := func(id, text string) {
		h.must("PATCH", "/v1/chat/messages/"+id, "ada", `{"content_text":"`+text+`"}`)
		h.must("POST", "/v1/chat/messages/"+id+"/reactions", "ada", `{"emoji":"`+text+`"}`)
	}
	changes := func() string {
		return h.must("POST", "/v1/chat/messages/sync", "bob",
			`{"conversations":[{"conversation_id":"`+c+`","last_seq":2,"last_change_seq":2}]}`).text
	}
	edit(first, "secret")
	edit(second, "open")
	if text := changes(); strings.Contains(text, "secret") || strings.Count(text, "open") != 2 {
		t.Errorf("bob is told %s", text)
	}
	h.must("DELETE", "/v1/chat/conversations/"+c, "bob", `{"mode":"for_me"}`)
	edit(second, "later")
	h.post("ada", c, "three")
	if text := changes(); strings.Contains(text, "later") {
		t.Errorf("bob is told of what he deleted with the conversation: %s", text)
	}
}

// A task is seen by who heard its last report, whoever was there before.
func TestTasksAreSeenByWhoHeardOfThem(t *testing.T) {
	h := open(t, func(c *httpd.Config) {
		demo := parley.Principal{
			Org: "org_demo", ID: "demo", Kind: parley.KindAgent, Class: parley.ClassKey, Scopes: parley.UserScopes,
		}
		c.Auth = people{"ada": everybody()["ada"], "bob": everybody()["bob"], "cyd": everybody()["cyd"], "demo": &demo}
	})
	c := h.group("bob", "demo")
	begin := func(title string) string {
		return h.must("POST", "/v1/chat/tasks", "demo", `{"conversation_id":"`+c+`","title":"`+title+`"}`).field(t, "task_id").(string)
	}
	sees := func(who string, want ...string) {
		t.Helper()
		text := h.must("GET", "/v1/chat/conversations/"+c+"/tasks?limit=2", who, "").text
		for _, title := range []string{"early", "late"} {
			listed := false
			for _, w := range want {
				listed = listed || w == title
			}
			if strings.Contains(text, title) != listed {
				t.Errorf("%s sees %s, want %v", who, text, want)
			}
		}
	}
	early := begin("early")
	h.must("POST", "/v1/chat/conversations/"+c+"/participants", "ada", `{"user_ids":["cyd"]}`)
	sees("cyd")
	if a := h.send("GET", "/v1/chat/tasks/"+early, "cyd", "", nil); a.status != 404 {
		t.Errorf("cyd reads a task from before her stay: %d %s", a.status, a.text)
	}
	sees("bob", "early")
	h.must("PATCH", "/v1/chat/tasks/"+early, "demo", `{"current_step":"on"}`)
	sees("cyd", "early")
	h.must("POST", "/v1/chat/users/demo/block", "bob", "")
	sees("bob")
	if a := h.send("GET", "/v1/chat/tasks/"+early, "bob", "", nil); a.status != 404 {
		t.Errorf("bob reads a task of whom he blocks: %d %s", a.status, a.text)
	}
	h.post("ada", c, "hello")
	h.must("DELETE", "/v1/chat/conversations/"+c, "cyd", `{"mode":"for_me"}`)
	sees("cyd")
	h.post("ada", c, "hello again")
	begin("late")
	sees("cyd", "late")
	sees("ada", "early", "late")
}

// Where a forwarded message comes from is told to who may see it there.
func TestOnlyWhoSeesItThereIsToldWhereAMessageComesFrom(t *testing.T) {
	h := open(t)
	secret, shared := h.group(), h.group("bob")
	m := h.post("ada", secret, "words")
	forward := func(who, message, to string) answer {
		return h.must("POST", "/v1/chat/messages/forward", who, `{"message_id":"`+message+`","conversation_ids":["`+to+`"]}`)
	}
	told := forward("ada", m, shared)
	if !strings.Contains(told.text, secret) {
		t.Errorf("who forwards it is told %s, want where it comes from", told.text)
	}
	list := "/v1/chat/conversations/" + shared + "/messages"
	for who, sees := range map[string]bool{"ada": true, "bob": false} {
		text := h.must("GET", list, who, "").text
		if !strings.Contains(text, `"is_forwarded":true`) || strings.Contains(text, "forwarded_from") != sees {
			t.Errorf("%s sees %s", who, text)
		}
	}
	// Nor is it told to who forwards it again.
	copied := told.field(t, "forwarded").([]any)[0].(map[string]any)["id"].(string)
	if text := forward("bob", copied, shared).text; strings.Contains(text, "forwarded_from") || strings.Contains(text, secret) {
		t.Errorf("bob is told %s", text)
	}
	h.must("DELETE", "/v1/chat/messages/"+m, "ada", `{"mode":"for_everyone"}`)
	if text := h.must("GET", list, "ada", "").text; strings.Contains(text, "forwarded_from") {
		t.Errorf("ada is told of a message that was deleted: %s", text)
	}
}
