package httpd_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// exported reads an export, which must say that it is complete, by the types of its
// lines.
func (h *house) exported(path, token string) map[string][]map[string]any {
	h.t.Helper()
	a := h.send("GET", path, token, "", nil)
	if a.status != 200 {
		h.t.Fatalf("GET %s: %d %s", path, a.status, a.text)
	}
	all := map[string][]map[string]any{}
	lines := strings.Split(strings.TrimSuffix(a.text, "\n"), "\n")
	for i, text := range lines {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			h.t.Fatalf("line %d: %v: %s", i+1, err, text)
		}
		if i == len(lines)-1 && (line["type"] != "end" || line["lines"] != float64(i)) {
			h.t.Errorf("the last of %d lines is %s", len(lines), text)
		}
		all[line["type"].(string)] = append(all[line["type"].(string)], line)
	}
	return all
}

// What is exported is read back and compared with what was said: over many pages, in
// the order of seq, each once.
func TestExport(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Limits.MessagesBurst = 2000 })
	id := h.group("bob")
	said := map[string]string{}
	var first string
	const n = 450 // more than two pages
	for i := range n {
		who := []string{"ada", "bob"}[i%2]
		text := fmt.Sprintf("no. %d <&>", i)
		a := h.send("POST", "/v1/chat/messages/send", who, fmt.Sprintf(`{"conversation_id":%q,"content_text":%q,"client_msg_id":"%d"}`, id, text, i), nil)
		if a.status != 200 {
			t.Fatal(a.text)
		}
		message := a.field(t, "id").(string)
		said[message] = text
		if i == 0 {
			first = message
		}
	}
	for path, body := range map[string]string{
		"PATCH /v1/chat/messages/" + first:               `{"content_text":"edited"}`,
		"POST /v1/chat/messages/" + first + "/reactions": `{"emoji":"👍"}`,
		"POST /v1/chat/conversations/" + id + "/read":    `{}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if a := h.send(method, path, "ada", body, nil); a.status/100 != 2 {
			t.Fatal(a.text)
		}
	}
	said[first] = "edited"
	whole := h.exported("/v1/chat/conversations/"+id+"/export", "admin")
	ada := h.exported("/v1/users/ada/export", "ada")
	for _, c := range []struct {
		what  string
		lines map[string][]map[string]any
		want  int
	}{{"the conversation", whole, n}, {"ada", ada, n / 2}} {
		seq, seen := 0.0, map[string]bool{}
		for _, m := range c.lines["message"] {
			id := m["message_id"].(string)
			if m["content_text"] != said[id] || seen[id] || m["seq_num"].(float64) <= seq {
				t.Errorf("%s has %v, want %q", c.what, m, said[id])
			}
			seq, seen[id] = m["seq_num"].(float64), true
		}
		edits, _ := c.lines["message"][0]["edits"].([]any)
		if len(seen) != c.want || len(edits) != 1 || len(c.lines["reaction"]) != 1 || len(c.lines["conversation"]) != 1 {
			t.Errorf("%s: %d messages, edits %v, reactions %v, conversations %v", c.what, len(seen), edits, c.lines["reaction"], c.lines["conversation"])
		}
	}
	if len(whole["stay"]) != 2 || len(ada["stay"]) != 1 || len(ada["profile"]) != 1 || ada["conversation"][0]["last_read_seq"] != float64(n) {
		t.Errorf("stays %v, %v, profile %v, conversation %v", whole["stay"], ada["stay"], ada["profile"], ada["conversation"])
	}
	for path, token := range map[string]string{
		"/v1/users/ada/export": "bob", "/v1/chat/conversations/" + id + "/export": "ada",
	} {
		if a := h.send("GET", path, token, "", nil); a.status != 403 || !strings.Contains(a.text, string(parley.CodeForbidden)) {
			t.Errorf("GET %s of %s: %d %s", path, token, a.status, a.text)
		}
	}
}
