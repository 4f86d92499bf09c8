package httpd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// page is what one reads of GET …/messages and of a batch.
type page struct {
	ConversationID string `json:"conversation_id"`
	Messages       []struct {
		ID     string `json:"id"`
		Seq    int    `json:"seq_num"`
		Text   string `json:"content_text"`
		Hidden bool   `json:"hidden"`
	} `json:"messages"`
	CurrentSeq int  `json:"current_seq"`
	CompleteTo int  `json:"complete_to"`
	HasMore    bool `json:"has_more"`
}

func (p page) seqs() []int {
	list := []int{}
	for _, m := range p.Messages {
		list = append(list, m.Seq)
	}
	return list
}

func (h *house) messages(token, conversation, query string) page {
	h.t.Helper()
	var p page
	a := h.must("GET", "/v1/chat/conversations/"+conversation+"/messages"+query, token, "")
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// sync asks for what came after places; limit 0 asks for as much as there is.
func (h *house) sync(token string, limit int, places map[string]int) []page {
	h.t.Helper()
	var request struct {
		Conversations []map[string]any `json:"conversations"`
		Limit         int              `json:"limit,omitempty"`
	}
	request.Limit = limit
	for id, last := range places {
		request.Conversations = append(request.Conversations, map[string]any{"conversation_id": id, "last_seq": last})
	}
	body, err := json.Marshal(request)
	if err != nil {
		h.t.Fatal(err)
	}
	var list struct{ Batches []page }
	if err := json.Unmarshal([]byte(h.must("POST", "/v1/chat/messages/sync", token, string(body)).text), &list); err != nil {
		h.t.Fatal(err)
	}
	return list.Batches
}

// leaveAndReturn is a conversation in which bob was for 1 and 2, away for 3 and 4,
// and back for 5 and 6. Cyd was in it for nothing at all: she joined after 1 and
// left before 2.
func leaveAndReturn(h *house) string {
	c := h.group("bob")
	participants := "/v1/chat/conversations/" + c + "/participants"
	h.say("ada", c, "one")
	h.must("POST", participants, "ada", `{"user_ids":["cyd"]}`)
	h.must("DELETE", participants+"/cyd", "cyd", "")
	h.say("bob", c, "two")
	h.must("DELETE", participants+"/bob", "bob", "")
	h.say("ada", c, "three")
	h.say("ada", c, "four")
	h.must("POST", participants, "ada", `{"user_ids":["bob"]}`)
	h.say("ada", c, "five")
	h.say("bob", c, "six")
	return c
}

// What was said while one was away stays unsaid, whatever is asked for (P6).
func TestHistoryIsClippedToStays(t *testing.T) {
	h := open(t)
	c := leaveAndReturn(h)
	for _, test := range []struct {
		query string
		want  []int
	}{
		{"", []int{1, 2, 5, 6}},
		{"?limit=3", []int{2, 5, 6}},
		{"?limit=1", []int{6}},
		{"?from_seq=1", []int{1, 2, 5, 6}},
		{"?from_seq=1&limit=3", []int{1, 2, 5}},
		{"?from_seq=2&to_seq=5", []int{2, 5}},
		{"?from_seq=3&to_seq=4", []int{}},
		{"?to_seq=4&limit=1", []int{2}},
		{"?from_seq=7", []int{}},
		{"?from_seq=0", []int{1, 2, 5, 6}},
		{"?from_seq=6&to_seq=1", []int{}},
		{"?limit=100000", []int{1, 2, 5, 6}},
	} {
		p := h.messages("bob", c, test.query)
		if got := p.seqs(); !slices.Equal(got, test.want) || p.CurrentSeq != 6 {
			t.Errorf("%q: got %v of %d, want %v", test.query, got, p.CurrentSeq, test.want)
		}
	}
	if got := h.messages("ada", c, "").seqs(); !slices.Equal(got, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("who stayed sees %v", got)
	}
	if got := h.sync("bob", 0, map[string]int{c: 1})[0].seqs(); !slices.Equal(got, []int{2, 5, 6}) {
		t.Errorf("sync tells %v", got)
	}
	if got := h.must("GET", "/api/sessions/"+c+"/history", "bob", "").text; got != `[["user","one"],["user","two"],["user","five"],["user","six"]]` {
		t.Errorf("the bot surface tells %s", got)
	}
}

// Who left sees what was there, and not even how much came after.
func TestHistoryOfOneWhoLeft(t *testing.T) {
	h := open(t)
	c := leaveAndReturn(h)
	h.must("DELETE", "/v1/chat/conversations/"+c+"/participants/bob", "ada", "")
	h.say("ada", c, "seven")
	h.must("POST", "/v1/chat/conversations/"+c+"/participants", "ada", `{"user_ids":["demo"]}`)

	if p := h.messages("bob", c, ""); !slices.Equal(p.seqs(), []int{1, 2, 5, 6}) || p.CurrentSeq != 6 {
		t.Errorf("history is %v of %d", p.seqs(), p.CurrentSeq)
	}
	if b := h.sync("bob", 0, map[string]int{c: 0})[0]; b.CurrentSeq != 6 || b.CompleteTo != 6 || b.HasMore {
		t.Errorf("sync is %+v", b)
	}
	a := h.must("GET", "/v1/chat/conversations/"+c+"/participants", "bob", "")
	var list struct {
		Participants []struct {
			UserID string `json:"user_id"`
		}
	}
	if err := json.Unmarshal([]byte(a.text), &list); err != nil || len(list.Participants) != 1 || list.Participants[0].UserID != "ada" {
		t.Errorf("participants are %s", a.text)
	}
	if a := h.must("GET", "/v1/chat/conversations", "bob", ""); a.text != `{"conversations":[]}` {
		t.Errorf("the list still has it: %s", a.text)
	}
	if a := h.send("POST", "/v1/chat/messages/send", "bob", `{"conversation_id":"`+c+`","content_text":"x"}`, nil); a.status != http.StatusNotFound {
		t.Errorf("who left may still send: %d", a.status)
	}
}

// A stay without a message is a stay that shows none, not one that shows all.
func TestHistoryOfAnEmptyStay(t *testing.T) {
	h := open(t)
	c := leaveAndReturn(h)
	if p := h.messages("cyd", c, ""); len(p.Messages) != 0 || p.CurrentSeq != 0 {
		t.Errorf("got %v of %d", p.seqs(), p.CurrentSeq)
	}
	early := h.group("cyd") // cyd leaves before the first message
	h.must("DELETE", "/v1/chat/conversations/"+early+"/participants/cyd", "cyd", "")
	h.say("ada", early, "about cyd")
	if p := h.messages("cyd", early, ""); len(p.Messages) != 0 || p.CurrentSeq != 0 {
		t.Errorf("who left before anything was said sees %v of %d", p.seqs(), p.CurrentSeq)
	}
}

// A client that repeats sync with complete_to gets everything once and in order.
func TestSyncPages(t *testing.T) {
	h := open(t)
	const total = 7
	c, quiet := h.group("bob"), h.group("bob")
	for i := range total {
		h.say("ada", c, fmt.Sprint(i+1))
	}
	var got []int
	last, rounds := 0, 0
	for more := true; more; rounds++ {
		if rounds > total {
			t.Fatal("sync does not come to an end")
		}
		b := h.sync("bob", 3, map[string]int{c: last})[0]
		got = append(got, b.seqs()...)
		if b.CurrentSeq != total {
			t.Errorf("current_seq is %d", b.CurrentSeq)
		}
		last, more = b.CompleteTo, b.HasMore
	}
	if !slices.Equal(got, []int{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("got %v", got)
	}
	if b := h.sync("bob", 0, map[string]int{quiet: 0})[0]; b.HasMore || b.CompleteTo != 0 || len(b.Messages) != 0 {
		t.Errorf("of a quiet conversation: %+v", b)
	}
	if b := h.sync("bob", 0, map[string]int{c: 99})[0]; b.HasMore || b.CompleteTo != total || len(b.Messages) != 0 {
		t.Errorf("of a place that is not there yet: %+v", b)
	}
}

// crowded is a store in which every conversation is ada's and has 600 messages.
type crowded struct{ parley.Reader }

func (crowded) Conversation(_ context.Context, org parley.OrgID, id parley.ConversationID) (*parley.Conversation, error) {
	return &parley.Conversation{Org: org, ID: id, Kind: parley.KindGroup, Status: parley.StatusActive, Seq: 600}, nil
}

func (crowded) StaysOf(context.Context, parley.OrgID, parley.ConversationID, parley.PrincipalID) ([]parley.Membership, error) {
	return []parley.Membership{{Principal: "ada", From: 1, FromSeq: 1}}, nil
}

func (crowded) Messages(_ context.Context, _ parley.OrgID, _ parley.ConversationID, from, to uint64, limit int, _ bool) ([]parley.Message, error) {
	var list []parley.Message
	for seq := from; seq <= to && len(list) < limit; seq++ {
		list = append(list, parley.Message{Seq: seq})
	}
	return list, nil
}

// One sync answers so many messages and no more; what is left is said, for each
// conversation.
func TestSyncIsBounded(t *testing.T) {
	h := open(t, func(c *httpd.Config) { c.Store = crowded{c.Store} })
	places := map[string]int{}
	for i := range 6 {
		places[parley.ConversationID{15: byte(i + 1)}.String()] = 50
	}
	total := 0
	for i, b := range h.sync("ada", 0, places) {
		n := len(b.Messages)
		total += n
		if !b.HasMore || b.CompleteTo != 50+n || n > 500 {
			t.Errorf("batch %d has %d, complete to %d, more: %v", i, n, b.CompleteTo, b.HasMore)
		}
	}
	if total != 2000 {
		t.Errorf("got %d messages", total)
	}
}

// Sending again under the same key is the same answer, by field or by header;
// another body under it, or two keys, are mistakes.
func TestSendIsIdempotent(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	send := func(body, header string) answer {
		return h.send("POST", "/v1/chat/messages/send", "ada", `{"conversation_id":"`+c+`",`+body+`}`, func(r *http.Request) {
			if header != "" {
				r.Header.Set("Idempotency-Key", header)
			}
		})
	}
	first := send(`"content_text":"once","client_msg_id":"k"`, "")
	for name, again := range map[string]answer{
		"by field":  send(`"content_text":"once","client_msg_id":"k"`, ""),
		"by header": send(`"content_text":"once"`, "k"),
		"by both":   send(`"content_text":"once","client_msg_id":"k"`, "k"),
	} {
		if again.status != http.StatusOK || again.text != first.text {
			t.Errorf("%s: %d %s, first %s", name, again.status, again.text, first.text)
		}
	}
	if a := send(`"content_text":"twice","client_msg_id":"k"`, ""); a.status != http.StatusConflict {
		t.Errorf("another body: %d %s", a.status, a.text)
	}
	if a := send(`"content_text":"once","client_msg_id":"k"`, "other"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("two keys: %d %s", a.status, a.text)
	}
	if p := h.messages("bob", c, ""); len(p.Messages) != 1 {
		t.Errorf("stored %v", p.seqs())
	}
}
