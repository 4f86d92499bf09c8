package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/auth"
	"github.com/parley-chat/parley/httpd"
)

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	text   string
}

// request sends one request as it is told to.
func (s *server) request(t testing.TB, method, path, token, contentType, body string) reply {
	t.Helper()
	r, err := http.NewRequest(method, s.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{answer.StatusCode, answer.Header, string(text)}
}

// checkShape fails the test unless an error has the shape that its surface
// documents: problem+json with `detail` (contracts.md 1.3), {success,error{code,
// message}} (C11), or `error` as a string with `code` beside it (C15).
func checkShape(t testing.TB, surface httpd.Surface, a reply) {
	t.Helper()
	var e struct {
		Success *bool
		Error   json.RawMessage
		Code    string
		Detail  string
		Status  int
	}
	d := json.NewDecoder(strings.NewReader(a.text))
	if err := d.Decode(&e); err != nil {
		t.Errorf("%d is not JSON: %.300q", a.status, a.text)
		return
	}
	var nested struct{ Code, Message string }
	var sentence string
	contentType, ok := "application/json", false
	switch surface {
	case httpd.SurfaceBot:
		ok = e.Success != nil && !*e.Success && json.Unmarshal(e.Error, &nested) == nil &&
			nested.Message != "" && nested.Code != "" && nested.Code == strings.ToUpper(nested.Code)
	case httpd.SurfaceChat:
		ok = json.Unmarshal(e.Error, &sentence) == nil && sentence != "" && e.Code != ""
	default:
		contentType = "application/problem+json"
		ok = e.Detail != "" && e.Code != "" && e.Status == a.status
	}
	if got := a.header.Get("Content-Type"); !ok || got != contentType {
		t.Errorf("%d is not in the shape of %s: %s %.300s", a.status, surface, got, a.text)
	}
	if d.More() {
		t.Errorf("more than one JSON value: %.300q", a.text)
	}
}

// placed is a route's path with the ids filled in.
func placed(path, conversation string) string {
	return strings.NewReplacer("{id}", conversation, "{userId}", "bob").Replace(path)
}

// Every body that is none is refused, by every route that reads one, in shape.
func TestBadBodiesAreRefusedInShape(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ada := s.token("ada", append(parley.UserScopes.List(), parley.ScopeAdmin)...)
	conversation := s.conversation(ada, "group", "bob")
	bodies := map[string]string{
		"null": "null", "an array": "[]", "a string": `"x"`, "a number": "7", "cut off": `{"type":"a`, "two": "{} {}",
		"deep": `{"data":` + nested(20000, "[", "]") + `}`, "not UTF-8": "{\"type\":\"\xff\"}", "a NUL": "{\"type\":\"\x00\"}",
		"64 KiB and 1": `{"x":"` + strings.Repeat("x", 64<<10) + `"}`,
		"1 MiB":        `{"x":"` + strings.Repeat("x", 1<<20) + `"}`,
		"2 MiB":        `{"x":"` + strings.Repeat("x", 2<<20) + `"}`,
		"wrong types":  `{"type":7,"channel":{},"content":[],"conversation_id":7,"user_ids":"x","conversations":7,"state":7,"user_id":{},"bot_id":7,"participant_ids":7,"content_text":1}`,
	}
	for _, rt := range httpd.Routes() {
		if rt.Body == httpd.NoBody || rt.Body == httpd.FileBody {
			continue
		}
		for name, body := range bodies {
			t.Run(rt.Method+" "+rt.Path+" "+name, func(t *testing.T) {
				a := s.request(t, rt.Method, placed(rt.Path, conversation), ada, "application/json", body)
				if name == "wrong types" && a.status/100 == 2 { // a route with no field of these
					return
				}
				if large := strings.Contains(name, "iB") && rt.Body == httpd.LargeBody; a.status/100 != 4 && !large {
					t.Errorf("status %d: %.200s", a.status, a.text)
				}
				if name == "2 MiB" && a.status != http.StatusRequestEntityTooLarge {
					t.Errorf("status %d, want 413: %.200s", a.status, a.text)
				}
				if a.status/100 != 2 {
					checkShape(t, rt.Surface, a)
				}
			})
		}
	}
	if a := s.request(t, "GET", "/v1/chat/conversations", ada, "", ""); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.text)
	}
}

// What has no door is refused in the shape of the surface it would belong to.
func TestUnknownRoutesAndMethodsAreRefusedInShape(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	for path, surface := range map[string]httpd.Surface{
		"/": httpd.SurfaceServer, "/nonsense": httpd.SurfaceServer, "/api/events/nonsense": httpd.SurfaceEvents,
		"/v1/events/nonsense": httpd.SurfaceEvents, "/api/nonsense": httpd.SurfaceBot, "/v1/nonsense": httpd.SurfaceChat,
		"/v1/chat/conversations/%00/messages": httpd.SurfaceChat, "/api/sessions/%ff": httpd.SurfaceBot,
		"/v1/chat/conversations/" + strings.Repeat("x", 8000) + "/messages": httpd.SurfaceChat,
	} {
		a := s.request(t, "GET", path, s.token("ada"), "", "")
		if a.status/100 != 4 {
			t.Errorf("GET %.60s: %d", path, a.status)
		}
		checkShape(t, surface, a)
	}
	for _, rt := range httpd.Routes() {
		a := s.request(t, "PROPFIND", placed(rt.Path, "x"), s.token("ada"), "application/json", "{}")
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
			t.Errorf("PROPFIND %s: %d, Allow %q", rt.Path, a.status, a.header.Get("Allow"))
		}
		checkShape(t, rt.Surface, a)
	}
}

// named is a conversation that a stranger names, in one of the spellings of its id.
type named struct{ text, other string }

// anonymous takes the id out of what was said of it.
func (n named) anonymous(said string) string {
	return strings.NewReplacer(n.text, "$", n.other, "$").Replace(said)
}

// conversationsNotOf are conversations that the user "stranger" may not know of,
// by why.
func (s *server) conversationsNotOf(t testing.TB) map[string]named {
	t.Helper()
	ada := s.token("ada")
	abroad, err := s.keys.Mint(auth.Claims{Subject: "ada", Org: "org_other"})
	if err != nil {
		t.Fatal(err)
	}
	ended := s.conversation(ada, "group", "bob")
	s.must("POST", "/api/sessions/"+ended+"/end", ada, nil, nil)
	ids := map[string]named{}
	for what, id := range map[string]string{
		"does not exist":    parley.ConversationID(uuids{}.NewID()).String(),
		"is of others":      s.conversation(ada, "group", "bob"),
		"is of another org": s.conversation(abroad, "group", "bob"),
		"was closed":        ended,
		"is of two":         s.conversation(ada, "direct", "bob"),
	} {
		parsed, err := parley.ParseConversationID(id)
		if err != nil {
			t.Fatal(err)
		}
		ids[what] = named{parsed.String(), parsed.UUID()}
		ids[what+", as a UUID"] = named{parsed.UUID(), parsed.String()}
	}
	return ids
}

// sameForAll fails the test unless all was said alike.
func sameForAll(t testing.TB, said map[string]string) {
	t.Helper()
	var reference, of string
	for what, text := range said {
		if of == "" {
			reference, of = text, what
		}
		if text != reference {
			t.Errorf("a conversation that %s:\n%s\none that %s:\n%s", what, text, of, reference)
		}
	}
}

var cursors = regexp.MustCompile(`"(cursor|request_id|timestamp|id)":"[^"]*"`)

// withoutCursors takes out what differs from one answer to the next.
func withoutCursors(said string) string { return cursors.ReplaceAllString(said, `"$1":""`) }

// The same over HTTP, for every route that takes a conversation's id.
func TestUnknownAndForbiddenLookTheSameOverHTTP(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	ids := s.conversationsNotOf(t)
	stranger := s.token("stranger")
	bodies := map[string]string{
		"/api/sessions/{id}/messages":               `{"content":"x"}`,
		"/v1/chat/conversations/{id}/participants":  `{"user_ids":["stranger"]}`,
		"/v1/chat/conversations/{id}/typing":        `{"state":"start"}`,
		"/v1/chat/messages/send":                    `{"conversation_id":"$","content_text":"x"}`,
		"/v1/chat/messages/sync":                    `{"conversations":[{"conversation_id":"$","last_seq":0}]}`,
		"/api/events/publish":                       `{"type":"a.b","channel":"c","data":{"conversation_id":"$"}}`,
		"/v1/events/publish":                        `{"type":"a.b","channel":"c","data":{"conversation_id":"$"},"targets":["bob"]}`,
		"/v1/chat/conversations/{id}/participants/": "",

		"/v1/chat/conversations/{id}":                       `{"name":"x"}`,
		"/v1/chat/conversations/{id}/participants/{userId}": `{"role":"admin"}`,
		"/v1/chat/conversations/{id}/retention":             `{"days":7}`,
		"/v1/chat/messages/{id}":                            `{"content_text":"x"}`,
		"/v1/chat/messages/{id}/reactions":                  `{"emoji":"x"}`,
		"/v1/chat/tasks/{id}":                               `{"status":"running"}`,
		"/v1/chat/tasks/{id}/stream":                        `{"delta":"x"}`,
		"/v1/chat/attachments":                              `{"conversation_id":"$","name":"a.png","content_type":"image/png","size":1}`,
	}
	for _, rt := range httpd.Routes() {
		body, named := bodies[rt.Path]
		if !strings.Contains(rt.Path, "{id}") && !named {
			continue
		}
		said := map[string]string{}
		for what, id := range ids {
			a := s.request(t, rt.Method, placed(rt.Path, id.text), stranger, "application/json", strings.ReplaceAll(body, "$", id.text))
			if rt.Path != "/v1/chat/messages/sync" { // which names what is missing
				want := http.StatusNotFound
				if strings.HasSuffix(rt.Path, "/export") { // for administrators alone, whatever there is
					want = http.StatusForbidden
				}
				if a.status != want {
					t.Errorf("%s %s: %d for a conversation that %s: %s", rt.Method, rt.Path, a.status, what, a.text)
				}
				checkShape(t, rt.Surface, a)
			}
			a.header.Del("Date")
			a.header.Del("X-Request-Id")
			a.header.Del("Content-Length") // follows from the body
			var head bytes.Buffer
			_ = a.header.Write(&head)
			said[what] = fmt.Sprint(a.status, head.String(), id.anonymous(withoutCursors(a.text)))
		}
		sameForAll(t, said)
	}
}
