package httpd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

// largest is the largest answer of these tests: what one has room for, and the last
// item, which may go beyond it.
const largest = 3 << 20

// vast is a text that a message may say and that is six times as long in JSON.
var vast = strings.Repeat("<", 60000)

// shout has ada say n messages that are as long as can be, and returns what their
// seqs are.
func (h *house) shout(conversation string, n int) (seqs []int) {
	h.t.Helper()
	for i := range n {
		h.say("ada", conversation, "word "+vast)
		seqs = append(seqs, i+1)
	}
	return seqs
}

func (h *house) small(a answer) answer {
	h.t.Helper()
	if len(a.text) > largest {
		h.t.Errorf("an answer of %d bytes", len(a.text))
	}
	return a
}

func (h *house) page(path, token string, v any) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.small(h.must("GET", path, token, "")).text), v); err != nil {
		h.t.Fatal(err)
	}
}

// However long messages are, an answer is not, and whoever asks on gets each once,
// from either end.
func TestListsAreBoundedInBytes(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	want := h.shout(c, 20)
	list := "/v1/chat/conversations/" + c + "/messages"
	var forward, back []int
	for from, more := 1, true; more; {
		var p page
		h.page(list+"?from_seq="+strconv.Itoa(from), "bob", &p)
		if len(p.Messages) == 0 || len(p.Messages) == len(want) {
			t.Fatalf("a page of %d messages", len(p.Messages))
		}
		forward, more = append(forward, p.seqs()...), p.HasMore
		from = forward[len(forward)-1] + 1
	}
	for to, more := 1000, true; more; {
		var p page
		h.page(list+"?to_seq="+strconv.Itoa(to), "bob", &p)
		if len(p.Messages) == 0 {
			t.Fatal("an empty page")
		}
		back, more = append(p.seqs(), back...), p.HasMore
		to = back[0] - 1
	}
	if !slices.Equal(forward, want) || !slices.Equal(back, want) {
		t.Errorf("read %v from the first, %v from the last", forward, back)
	}
	var pairs [][2]string
	h.page("/api/sessions/"+c+"/history", "bob", &pairs)
	if len(pairs) == 0 || len(pairs) == len(want) {
		t.Errorf("the bot surface tells %d", len(pairs))
	}
}

func TestAPageThatIsJustFullHasNoMore(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	for range 3 {
		h.say("ada", c, "x")
	}
	for query, more := range map[string]bool{"?limit=3": false, "?limit=2": true, "?from_seq=1&limit=3": false, "?from_seq=1&limit=2": true, "?from_seq=2&to_seq=3&limit=2": false} {
		if p := h.messages("bob", c, query); p.HasMore != more {
			t.Errorf("%s: has_more %v", query, p.HasMore)
		}
	}
}

// The same of sync, over messages and changes of several conversations.
func TestSyncIsBoundedInBytes(t *testing.T) {
	h := open(t)
	type place struct {
		ID     string `json:"conversation_id"`
		Seq    int    `json:"last_seq"`
		Change int    `json:"last_change_seq"`
	}
	var places []place
	for range 2 {
		c := h.group("bob")
		h.shout(c, 9)
		var p page
		if err := json.Unmarshal([]byte(h.must("GET", "/v1/chat/conversations/"+c+"/messages?limit=5", "ada", "").text), &p); err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Messages {
			h.must("PATCH", "/v1/chat/messages/"+m.ID, "ada", `{"content_text":"edited `+vast+`"}`)
		}
		places = append(places, place{ID: c})
	}
	seqs, changes := map[string][]int{}, map[string][]int{}
	for more, rounds := true, 0; more; rounds++ {
		if rounds > 50 {
			t.Fatal("sync does not come to an end")
		}
		body, _ := json.Marshal(map[string]any{"conversations": places})
		var list struct {
			Batches []struct {
				page
				ID      string `json:"conversation_id"`
				Changes []struct {
					Seq int `json:"change_seq"`
				}
				ChangesTo int `json:"changes_complete_to"`
				Reload    bool
			}
		}
		if err := json.Unmarshal([]byte(h.small(h.must("POST", "/v1/chat/messages/sync", "bob", string(body))).text), &list); err != nil {
			t.Fatal(err)
		}
		more = false
		for i, b := range list.Batches {
			if b.Reload {
				t.Error("told to reload")
			}
			seqs[b.ID] = append(seqs[b.ID], b.seqs()...)
			for _, c := range b.Changes {
				changes[b.ID] = append(changes[b.ID], c.Seq)
			}
			places[i] = place{b.ID, b.CompleteTo, b.ChangesTo}
			more = more || b.HasMore
		}
	}
	for _, p := range places {
		edits := changes[p.ID][max(0, len(changes[p.ID])-5):]
		if !slices.Equal(seqs[p.ID], []int{1, 2, 3, 4, 5, 6, 7, 8, 9}) || len(edits) != 5 ||
			!slices.IsSorted(changes[p.ID]) || len(slices.Compact(slices.Clone(changes[p.ID]))) != len(changes[p.ID]) {
			t.Errorf("got messages %v and changes %v", seqs[p.ID], changes[p.ID])
		}
	}
}

func TestSearchIsBoundedInBytes(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	h.shout(c, 70)
	found := map[int]int{}
	for cursor, pages := "", 0; ; pages++ {
		var list struct {
			Results []struct {
				Message struct {
					Seq int `json:"seq_num"`
				}
			}
			NextCursor string `json:"next_cursor"`
		}
		a := h.must("GET", "/v1/chat/messages/search?q=word&cursor="+url.QueryEscape(cursor), "bob", "")
		if err := json.Unmarshal([]byte(a.text), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Results) > 32 {
			t.Errorf("%d results that are as long as can be", len(list.Results))
		}
		for _, r := range list.Results {
			found[r.Message.Seq]++
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	for seq := 1; seq <= 70; seq++ {
		if found[seq] != 1 {
			t.Errorf("message %d was found %d times", seq, found[seq])
		}
	}
}

// What a message said before comes in pages too, by number and by bytes.
func TestEditsArePaged(t *testing.T) {
	h := open(t)
	c := h.group("bob")
	a := h.must("POST", "/v1/chat/messages/send", "ada", `{"conversation_id":"`+c+`","content_text":"0"}`)
	edits := "/v1/chat/messages/" + a.field(t, "id").(string)
	const versions = 25
	for i := range versions {
		h.must("PATCH", edits, "ada", fmt.Sprintf(`{"content_text":"%d%s"}`, i+1, vast))
	}
	edits += "/edits"
	type list struct {
		Edits []struct {
			Version int    `json:"version"`
			Text    string `json:"content_text"`
		}
		NextCursor string `json:"next_cursor"`
	}
	for _, limit := range []string{"", "?limit=4", "?limit=25"} {
		var got []int
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			var l list
			h.page(edits+"?cursor="+cursor+strings.Replace(limit, "?", "&", 1), "bob", &l)
			if len(l.Edits) == 0 || pages > versions {
				t.Fatalf("page %d of %q is empty", pages, limit)
			}
			for _, e := range l.Edits {
				if !strings.HasPrefix(e.Text, strconv.Itoa(e.Version)) {
					t.Errorf("version %d is %.5q", e.Version, e.Text)
				}
				got = append(got, e.Version)
			}
			if limit == "?limit=4" && len(l.Edits) > 4 {
				t.Errorf("a page of %d", len(l.Edits))
			}
			cursor = l.NextCursor
		}
		if len(got) != versions || !slices.IsSorted(got) || got[0] != 0 || got[versions-1] != versions-1 {
			t.Errorf("%q: versions %v", limit, got)
		}
	}
	for _, query := range []string{"?cursor=x", "?cursor=-1", "?cursor=99999999999", "?limit=0"} {
		if a := h.send("GET", edits+query, "bob", "", nil); a.status != 422 {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
	}
	var l list
	if h.page(edits+"?cursor=900", "bob", &l); len(l.Edits) != 0 || l.NextCursor != "" {
		t.Errorf("beyond the end: %+v", l)
	}
}

// popular is a store in which each message has 3,000 reactions, and the third more
// than are read at once; it counts what it was made to read.
type popular struct {
	parley.Reader
	read *int
}

func (p popular) Reactions(_ context.Context, _ parley.OrgID, _ parley.ConversationID, from, to uint64, limit int) (list []parley.Reaction, _ error) {
	for seq := from; seq <= to; seq++ {
		n := 3000
		if seq == 3 {
			n = 12000
		}
		for i := range n {
			if limit > 0 && len(list) == limit {
				break
			}
			list = append(list, parley.Reaction{Seq: seq, Principal: parley.PrincipalID(strconv.Itoa(i)), Emoji: "+"})
		}
	}
	*p.read += len(list)
	return list, nil
}

// Where a page has more reactions than are read at once it is shorter; a message is
// shown with all of its own.
func TestReactionsAreBounded(t *testing.T) {
	read := 0
	h := open(t, func(c *httpd.Config) { c.Store = popular{c.Store, &read} })
	c := h.group("bob")
	for range 10 {
		h.say("ada", c, "x")
	}
	type list struct {
		Messages []struct {
			Seq       int `json:"seq_num"`
			Reactions []struct{ Count int }
		}
		HasMore bool `json:"has_more"`
	}
	var seqs []int
	for from, more := 1, true; more; {
		var l list
		h.page("/v1/chat/conversations/"+c+"/messages?from_seq="+strconv.Itoa(from), "bob", &l)
		if len(l.Messages) == 0 {
			t.Fatal("an empty page")
		}
		for _, m := range l.Messages {
			want := 3000
			if m.Seq == 3 {
				want = 12000
			}
			if m.Reactions[0].Count != want {
				t.Errorf("message %d has %d reactions, want %d", m.Seq, m.Reactions[0].Count, want)
			}
			seqs = append(seqs, m.Seq)
		}
		if n := len(l.Messages); n > 4 {
			t.Errorf("a page of %d messages", n)
		}
		from, more = seqs[len(seqs)-1]+1, l.HasMore
	}
	if !slices.Equal(seqs, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("read %v", seqs)
	}
	var l list
	if h.page("/v1/chat/conversations/"+c+"/messages", "bob", &l); len(l.Messages) == 0 || l.Messages[len(l.Messages)-1].Seq != 10 || !l.HasMore {
		t.Errorf("the newest are %d", len(l.Messages))
	}
}
