package httpd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/httpd"
)

// refused fails unless the answer is a 4xx in the documented shape of a surface:
// problem details, the bot surface's envelope, or the chat surface's string.
func refused(t *testing.T, surface httpd.Surface, a answer) {
	t.Helper()
	if a.status/100 != 4 {
		t.Fatalf("status %d, want 4xx: %s", a.status, a.text)
	}
	text := func(path string) string {
		s, _ := a.field(t, path).(string)
		if s == "" {
			t.Errorf("%s is no text in %s", path, a.text)
		}
		return s
	}
	contentType := "application/json"
	switch surface {
	case httpd.SurfaceBot:
		if a.field(t, "success") != false {
			t.Errorf("success is not false in %s", a.text)
		}
		code := text("error.code")
		if code != strings.ToUpper(code) {
			t.Errorf("code %s is not one of the bot surface", code)
		}
		text("error.message")
	case httpd.SurfaceChat:
		text("error")
		text("code")
		text("details.request_id")
	default:
		contentType = "application/problem+json"
		text("detail")
		text("title")
		text("code")
		if a.field(t, "status") != float64(a.status) {
			t.Errorf("status %d differs in %s", a.status, a.text)
		}
	}
	if got := a.header.Get("Content-Type"); got != contentType {
		t.Errorf("Content-Type is %q, want %q", got, contentType)
	}
}

func nest(depth int) string {
	return `{"data":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
}

// What strangers send is refused by every route that reads a body, in the shape of
// its surface, and is never an internal error.
func TestHostileBodies(t *testing.T) {
	h := open(t)
	conversation := h.group("bob")
	for _, rt := range httpd.Routes() {
		if rt.Body == httpd.NoBody || rt.Body == httpd.FileBody {
			continue
		}
		path := strings.ReplaceAll(rt.Path, "{id}", conversation)
		for _, test := range []struct {
			name, body, contentType string
			status                  int
		}{
			{"null", "null", "application/json", 400},
			{"an array", "[]", "application/json", 400},
			{"a string", `"x"`, "application/json", 400},
			{"a number", "7", "application/json", 400},
			{"not JSON", "x=1", "application/json", 400},
			{"cut off", `{"type":"a`, "application/json", 400},
			{"garbage after the object", `{} {}`, "application/json", 400},
			{"nested over the limit", nest(64), "application/json", 400},
			{"nested very deep", nest(20000), "application/json", 400},
			{"not UTF-8", "{\"type\":\"\xff\"}", "application/json", 400},
			{"huge", `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, "application/json", 413},
			{"without content type", "{}", "", 400},
			{"of another content type", "{}", "text/plain", 400},
			{"of a content type that is none", "{}", ";;", 400},
		} {
			t.Run(rt.Method+" "+rt.Path+" "+test.name, func(t *testing.T) {
				a := h.send(rt.Method, path, "backend", test.body, func(r *http.Request) {
					r.Header.Del("Content-Type")
					if test.contentType != "" {
						r.Header.Set("Content-Type", test.contentType)
					}
				})
				refused(t, rt.Surface, a)
				// A body over the limit of a small route may be refused for its size first.
				if a.status != test.status && a.status != http.StatusRequestEntityTooLarge {
					t.Errorf("status %d, want %d: %s", a.status, test.status, a.text)
				}
			})
		}
		if rt.Body != httpd.OptionalBody {
			t.Run(rt.Method+" "+rt.Path+" empty", func(t *testing.T) {
				refused(t, rt.Surface, h.send(rt.Method, path, "backend", "", nil))
			})
		}
	}
}

// Values of the wrong type, by the type that is right.
var wrongValues = map[string][]string{
	"text":    {"7", "true", "{}", "[]", `["x"]`, `"\u0000"`},
	"texts":   {"7", `"x"`, "{}", "[7]", "[null]", `[""]`, `["\u0000"]`},
	"object":  {"7", `"x"`, "[]", "true"},
	"objects": {"7", `"x"`, "{}", "[7]", "[null]", "[[]]", "null", `[{"conversation_id":7}]`},
	"flag":    {"7", `"true"`, "[]", "{}"},
	"needed":  {`""`, "null"},

	"number":   {`"7"`, "true", "{}", "[]", "0", "-1", "1.5", "1e3"},
	"duration": {"true", "{}", "[]", `"x"`, "-1", "1.5", "0", "1e3", "99999999999", `"-1h"`, `"25h"`},
}

// Every field of every route refuses every wrong type, with a sentence that names
// the field.
func TestWrongTypes(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Limits.FrameBytes = 4096 })
	conversation := h.group("bob")
	for _, route := range []struct {
		path   string
		token  string
		good   string // the other fields, as they should be
		fields map[string]string
	}{
		{"/api/events/publish", "ada", `"type":"a.b","channel":"c"`, map[string]string{
			"type": "text needed", "channel": "text needed", "data": "object", "targets": "texts", "idempotency_key": "text",
		}},
		{"/api/sessions", "ada", ``, map[string]string{
			"bot_id": "text", "title": "text", "metadata": "object",
		}},
		{"/api/sessions/$/messages", "ada", `"content":"x"`, map[string]string{
			"content": "text needed", "type": "text", "client_msg_id": "text",
		}},
		{"/v1/chat/conversations", "ada", ``, map[string]string{
			"type": "text", "name": "text", "description": "text", "participant_ids": "texts",
		}},
		{"/v1/chat/conversations/$/participants", "ada", `"user_ids":["cyd"]`, map[string]string{
			"user_ids": "texts needed", "role": "text",
		}},
		{"/v1/chat/conversations/$/typing", "ada", `"state":"start"`, map[string]string{"state": "text needed"}},
		{"/v1/chat/messages/send", "ada", `"conversation_id":"$","content_text":"x"`, map[string]string{
			"conversation_id": "text needed", "content_text": "text needed", "content_type": "text", "content_meta": "text",
			"reply_to_id": "text", "thread_role": "text", "task_id": "text", "client_msg_id": "text", "is_internal": "flag",
		}},
		{"/v1/chat/messages/sync", "ada", `"conversations":[]`, map[string]string{"conversations": "objects", "limit": "number"}},
		{"/auth/signup", "-", `"email":"dora@example.com","password":"correct horse"`, map[string]string{
			"email": "text needed", "password": "text needed", "display_name": "text", "name": "text",
		}},
		{"/auth/login", "-", `"email":"dora@example.com","password":"correct horse"`, map[string]string{
			"email": "text needed", "password": "text needed",
		}},
		{"/auth/refresh", "-", `"refresh_token":"x"`, map[string]string{"refresh_token": "text needed"}},
		{"/auth/change-password", "ada", `"current_password":"correct horse","new_password":"correct horse"`, map[string]string{
			"current_password": "text needed", "new_password": "text needed",
		}},
		{"/v1/tokens", "backend", `"user_id":"dora"`, map[string]string{
			"user_id": "text needed", "name": "text", "email": "text", "scopes": "texts", "ttl": "duration",
		}},
	} {
		for field, kinds := range route.fields {
			for kind := range strings.FieldsSeq(kinds) {
				for _, value := range wrongValues[kind] {
					t.Run(route.path+" "+field+" "+value, func(t *testing.T) {
						body := `{"` + field + `":` + value + `}`
						if route.good != "" { // of fields that are there twice the last counts
							body = `{` + route.good + `,"` + field + `":` + value + `}`
						}
						fill := strings.NewReplacer("$", conversation)
						a := h.send("POST", fill.Replace(route.path), route.token, fill.Replace(body), nil)
						surface := httpd.SurfaceChat
						if strings.HasPrefix(route.path, "/api/") {
							surface = httpd.SurfaceBot
						}
						if strings.HasPrefix(route.path, "/api/events") {
							surface = httpd.SurfaceEvents
						}
						refused(t, surface, a)
						if a.status == http.StatusTooManyRequests {
							t.Fatal("met a rate limit instead")
						}
					})
				}
			}
		}
	}
}

// Strange paths and queries are refused in shape too.
func TestHostilePaths(t *testing.T) {
	h := open(t)
	conversation := h.group("bob")
	for _, path := range []string{
		"/v1/chat/conversations/%00/messages",
		"/v1/chat/conversations/%ff/messages",
		"/v1/chat/conversations/x%2Fy/messages",
		"/v1/chat/conversations/" + strings.Repeat("x", 4096) + "/messages",
		"/v1/chat/conversations/" + conversation + "/messages?from_seq=99999999999999999999",
		"/v1/chat/conversations/" + conversation + "/messages?limit=-1",
		"/v1/chat/conversations/" + conversation + "/messages?limit=1.5",
		"/v1/chat/conversations?cursor=%00",
		"/v1/chat/conversations?cursor=" + strings.Repeat("A", 4096),
	} {
		t.Run(path[:min(len(path), 80)], func(t *testing.T) {
			refused(t, httpd.SurfaceChat, h.send("GET", path, "ada", "", nil))
		})
	}
	t.Run("DELETE of a member whose id is strange", func(t *testing.T) {
		for _, id := range []string{"%00", "a%2Fb", "%ff", strings.Repeat("x", 4096)} {
			refused(t, httpd.SurfaceChat,
				h.send("DELETE", "/v1/chat/conversations/"+conversation+"/participants/"+id, "ada", "", nil))
		}
	})
}
