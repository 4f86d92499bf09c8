package httpd_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/presence"
)

// What somebody says of itself is shown to the others while it is connected, and
// not before; its own answer is what they are shown.
func TestOneSaysThatOneIsAway(t *testing.T) {
	people := presence.New(presence.Config{})
	h := open(t, func(c *httpd.Config) { c.Presence, c.Say = people.Of, people.Say })
	h.must("POST", "/v1/chat/conversations", "ada", `{"type":"direct","participant_ids":["bob"]}`)
	shown := func() any {
		list := h.must("GET", "/v1/chat/conversations", "bob", "").field(t, "conversations").([]any)
		return list[0].(map[string]any)["contact"].(map[string]any)["status"]
	}
	say := func(body, want string) {
		t.Helper()
		if got := h.must("POST", "/v1/chat/presence", "ada", body).text; got != want {
			t.Errorf("%s is answered %s", body, got)
		}
	}
	say(`{"status":"away"}`, `{"user_id":"ada","status":"offline","status_detail":null}`)
	if got := shown(); got != "offline" {
		t.Errorf("without a connection she is %v", got)
	}
	people.Joined(everybody()["ada"])
	say(`{"status":"away","status_detail":"at lunch"}`, `{"user_id":"ada","status":"away","status_detail":"at lunch"}`)
	if got := shown(); got != "away" {
		t.Errorf("she is %v", got)
	}
	say(`{"status":"online"}`, `{"user_id":"ada","status":"online","status_detail":null}`)
	if got := shown(); got != "online" {
		t.Errorf("she is %v", got)
	}
}

func TestWherePresenceIsNotKeptNothingCanBeSaid(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Say = nil })
	if a := h.send("POST", "/v1/chat/presence", "ada", `{"status":"away"}`, nil); a.status != 503 {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// Whom one blocks one is not shown as present anywhere; the one who is blocked is told
// nothing of it and sees what it saw.
func TestThePresenceOfWhomOneBlocksIsNotShown(t *testing.T) {
	people := presence.New(presence.Config{})
	h := open(t, func(c *httpd.Config) { c.Presence, c.Say = people.Of, people.Say })
	h.must("POST", "/v1/chat/conversations", "ada", `{"type":"direct","participant_ids":["bob"]}`)
	group := h.group("bob")
	for _, id := range []string{"ada", "bob"} {
		people.Joined(everybody()[id])
	}
	paths := []string{
		"/v1/chat/conversations", "/v1/chat/conversations/" + group + "/participants", "/v1/chat/users",
	}
	online := func(who string) (n int) {
		t.Helper()
		for _, path := range paths {
			n += strings.Count(h.must("GET", path, who, "").text, `"status":"online"`)
		}
		return n
	}
	before := []int{online("ada"), online("bob")}
	if before[0] != 4 || before[1] != 4 {
		t.Fatalf("they see one another %v times", before)
	}
	h.must("POST", "/v1/chat/users/bob/block", "ada", "")
	if got := online("ada"); got != 2 {
		t.Errorf("ada sees %d who are online, want herself twice", got)
	}
	if got := online("bob"); got != before[1] {
		t.Errorf("bob, who is blocked, sees %d, and saw %d", got, before[1])
	}
	if text := h.must("GET", "/v1/chat/users", "ada", "").text; strings.Count(text, `"last_seen":null`) < 1 {
		t.Errorf("ada is shown when bob was there: %s", text)
	}
}

// Members of a conversation see who of them is there. Who left sees nothing of it
// any more, of a crowd nobody sees it, and where presence is not kept it is null.
func TestMembersSeeWhoIsOnline(t *testing.T) {
	online := func(org parley.OrgID, ids []parley.PrincipalID) map[parley.PrincipalID]parley.PresenceStatus {
		all := map[parley.PrincipalID]parley.PresenceStatus{}
		for _, id := range ids {
			all[id] = parley.PresenceOffline
			if org == "org_demo" && id == "bob" {
				all[id] = parley.PresenceOnline
			}
		}
		return all
	}
	h := open(t, func(c *httpd.Config) { c.Presence, c.Limits.PresenceMembers = online, 3 })
	make := func(kind, members string) string {
		a := h.must("POST", "/v1/chat/conversations", "ada", `{"type":"`+kind+`","participant_ids":`+members+`}`)
		return a.field(t, "id").(string)
	}
	pair, group, crowd := make("direct", `["bob"]`), make("group", `["bob","cyd"]`), make("group", `["bob","cyd","dan"]`)
	statuses := func(token, conversation string) string {
		var list struct {
			Participants []struct {
				UserID string `json:"user_id"`
				Status *string
			}
		}
		a := h.must("GET", "/v1/chat/conversations/"+conversation+"/participants", token, "")
		if err := json.Unmarshal([]byte(a.text), &list); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, p := range list.Participants {
			status := "null"
			if p.Status != nil {
				status = *p.Status
			}
			text += fmt.Sprintf("%s %s;", p.UserID, status)
		}
		return text
	}
	for _, c := range []struct{ name, token, conversation, want string }{
		{"of two", "ada", pair, "ada offline;bob online;"},
		{"of three", "cyd", group, "ada offline;bob online;cyd offline;"},
		{"of too many", "ada", crowd, "ada null;bob null;cyd null;dan null;"},
	} {
		if got := statuses(c.token, c.conversation); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	h.must("DELETE", "/v1/chat/conversations/"+group+"/participants/cyd", "cyd", "")
	if got := statuses("cyd", group); got != "ada null;bob null;" {
		t.Errorf("who left sees %s", got)
	}
	contact := func(token string) any {
		var list struct {
			Conversations []struct {
				ID      string
				Contact *struct{ Status any }
			}
		}
		if err := json.Unmarshal([]byte(h.must("GET", "/v1/chat/conversations", token, "").text), &list); err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Conversations {
			if c.ID == pair {
				return c.Contact.Status
			}
		}
		return "not listed"
	}
	if got := contact("ada"); got != "online" {
		t.Errorf("ada's contact is %v", got)
	}
	if got := contact("bob"); got != "offline" {
		t.Errorf("bob's contact is %v", got)
	}
}
