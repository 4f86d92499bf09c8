package httpd_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
)

var (
	modelSteps = flag.Int("model-steps", 0, "operations of TestTheChatIsTheModel; 0 is a few thousand")
	modelUsers = flag.Int("model-users", 12, "users of TestTheChatIsTheModel")
	modelSeed  = flag.Uint64("model-seed", 0, "seed of TestTheChatIsTheModel; 0 is another one each time")
)

// quick is how many operations the model's test has where no flag says it: on
// PostgreSQL, where each is a round trip, fewer.
const quick, quickPostgres = 3000, 1000

// Users do at random what the chat surface lets them do, over several devices
// each, and a model of maps does the same. What one sees of a conversation, the
// list of conversations with its counts, and what search finds equal the model's
// whenever they are looked at.
func TestTheChatIsTheModel(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { theChatIsTheModel(t, onSQLite(t), cmp.Or(*modelSteps, quick)) })
	t.Run("postgres", func(t *testing.T) { theChatIsTheModel(t, onPostgres(t), cmp.Or(*modelSteps, quickPostgres)) })
}

func theChatIsTheModel(t *testing.T, store keeper, steps int) {
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	tokens := people{}
	for i := range *modelUsers {
		for device := range 5 {
			tokens[fmt.Sprintf("u%d.%d", i, device)] = &parley.Principal{
				Org: "org_demo", ID: parley.PrincipalID(fmt.Sprintf("u%d", i)), Kind: parley.KindUser,
				Class: parley.ClassAccess, Scopes: parley.UserScopes,
			}
		}
	}
	h := openOn(t, store, func(c *httpd.Config) {
		c.Auth = tokens
		c.Limits.MessagesBurst, c.Limits.MessagesPerSecond = 1<<30, 1<<30
	})
	m := &model{
		t: t, handler: h.server.Handler(), rand: rand.New(rand.NewPCG(seed, 1)),
		blocks: map[[2]string]bool{}, users: *modelUsers,
	}
	for step := 0; step < steps && !t.Failed(); step++ {
		m.step()
		if step%97 == 0 {
			m.check()
		}
	}
	for range 50 {
		m.check()
	}
	t.Logf("%d operations in %d conversations", steps, len(m.rooms))
}

// model is what the users expect.
type model struct {
	t       *testing.T
	handler http.Handler
	rand    *rand.Rand
	users   int
	rooms   []*room
	blocks  map[[2]string]bool // owner, blocked
}

// room is a conversation.
type room struct {
	id       string
	owner    string
	pair     bool
	messages []*said // by seq-1
	stays    map[string][]stay
	states   map[string]*standing
	left     map[string][]int // of who left: how often each message had been edited then
}

// stay is the messages that one may see by it; to 0 is open.
type stay struct {
	from, to int
	open     bool
}

type standing struct {
	read, hiddenTo  int
	hidden          bool // it was deleted for oneself and nothing came since
	muted, archived bool
}

type said struct {
	id, sender string
	texts      []string // what it said, the last one now
	deleted    bool
	hiddenFor  map[string]bool
	reactions  map[string]map[string]bool // emoji, users
}

func (r *room) state(user string) *standing {
	if r.states[user] == nil {
		r.states[user] = &standing{}
	}
	return r.states[user]
}

func (r *room) in(user string) bool {
	list := r.stays[user]
	return len(list) > 0 && list[len(list)-1].open
}

// clip is the last message up to a seq that one of the user's stays reaches.
func (r *room) clip(user string, seq int) (last int) {
	for _, s := range r.stays[user] {
		to := len(r.messages)
		if !s.open {
			to = s.to
		}
		if to = min(to, seq); to >= s.from {
			last = max(last, to)
		}
	}
	return last
}

// covers reports whether a seq is the user's to see at all.
func (r *room) covers(user string, seq int) bool {
	return seq > r.state(user).hiddenTo && slices.ContainsFunc(r.stays[user], func(s stay) bool {
		return s.from <= seq && (s.open || seq <= s.to)
	})
}

// shows reports whether a message that is covered is shown in full.
func (m *model) shows(r *room, user string, seq int) bool {
	s := r.messages[seq-1]
	return r.covers(user, seq) && !s.deleted && !s.hiddenFor[user] && !m.blocks[[2]string{user, s.sender}]
}

// edits is how often a message was edited, as far as the user may know: who left does
// not see what became of it since.
func (r *room) edits(user string, seq int) int {
	if !r.in(user) {
		return r.left[user][seq-1]
	}
	return len(r.messages[seq-1].texts) - 1
}

func (m *model) unread(r *room, user string) (n int) {
	for seq := r.state(user).read + 1; seq <= len(r.messages); seq++ {
		if m.shows(r, user, seq) && r.messages[seq-1].sender != user {
			n++
		}
	}
	return n
}

func (m *model) user() string { return fmt.Sprintf("u%d", m.rand.IntN(m.users)) }

// call makes a request of one of the user's devices.
func (m *model) call(user, method, path string, body any) (int, map[string]any) {
	var reader io.Reader = http.NoBody
	if body != nil {
		text, _ := json.Marshal(body)
		reader = strings.NewReader(string(text))
	}
	r := httptest.NewRequestWithContext(m.t.Context(), method, path, reader)
	r.Header.Set("Authorization", fmt.Sprintf("Bearer %s.%d", user, m.rand.IntN(5)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		m.t.Fatalf("%s %s: %q", method, path, w.Body.String())
	}
	return w.Code, answer
}

// does makes a request that must have the status.
func (m *model) does(want int, user, method, path string, body any) map[string]any {
	status, answer := m.call(user, method, path, body)
	if status != want && !(want == http.StatusOK && status == http.StatusCreated) {
		m.t.Errorf("%s: %s %s %v: %d %v, want %d", user, method, path, body, status, answer, want)
	}
	return answer
}

type fieldsOf map[string]any

func (m *model) step() {
	if len(m.rooms) == 0 || m.rand.IntN(200) == 0 && len(m.rooms) < 3*m.users {
		m.begin()
		return
	}
	r := m.rooms[m.rand.IntN(len(m.rooms))]
	user := m.user()
	switch n := m.rand.IntN(100); {
	case n < 35:
		m.send(r, user)
	case n < 45:
		m.read(r, user)
	case n < 53:
		m.edit(r, user)
	case n < 58:
		m.deleteMessage(r, user)
	case n < 63:
		m.hideMessage(r, user)
	case n < 75:
		m.react(r, user)
	case n < 79:
		m.mute(r, user)
	case n < 82:
		m.archive(r, user)
	case n < 84:
		m.hide(r, user)
	case n < 90:
		m.join(r, user)
	case n < 95:
		m.leave(r, user)
	default:
		m.block(user)
	}
}

func (m *model) begin() {
	owner := m.user()
	others := []string{}
	for range 1 + m.rand.IntN(5) {
		if other := m.user(); other != owner && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	answer := m.does(http.StatusOK, owner, "POST", "/v1/chat/conversations", fieldsOf{"type": "group", "participant_ids": others})
	id, _ := answer["id"].(string)
	r := &room{id: id, owner: owner, stays: map[string][]stay{}, states: map[string]*standing{}, left: map[string][]int{}}
	for _, user := range append(others, owner) {
		r.stays[user] = []stay{{from: 1, open: true}}
	}
	m.rooms = append(m.rooms, r)
}

func (m *model) send(r *room, user string) {
	text := fmt.Sprintf("word%d and word%d", m.rand.IntN(40), m.rand.IntN(40))
	body := fieldsOf{"conversation_id": r.id, "content_text": text}
	if !r.in(user) {
		m.does(http.StatusNotFound, user, "POST", "/v1/chat/messages/send", body)
		return
	}
	answer := m.does(http.StatusOK, user, "POST", "/v1/chat/messages/send", body)
	id, _ := answer["id"].(string)
	r.messages = append(r.messages, &said{id: id, sender: user, texts: []string{text}, hiddenFor: map[string]bool{}, reactions: map[string]map[string]bool{}})
	if seq, _ := answer["seq_num"].(float64); int(seq) != len(r.messages) {
		m.t.Errorf("message has seq %v, want %d", answer["seq_num"], len(r.messages))
	}
	for _, st := range r.states {
		st.hidden = false
	}
}

func (m *model) read(r *room, user string) {
	upTo := m.rand.IntN(len(r.messages) + 3)
	path := "/v1/chat/conversations/" + r.id + "/read"
	if !r.in(user) {
		m.does(http.StatusNotFound, user, "POST", path, fieldsOf{"up_to_seq": upTo})
		return
	}
	m.does(http.StatusOK, user, "POST", path, fieldsOf{"up_to_seq": upTo})
	st := r.state(user)
	st.read = max(st.read, r.clip(user, upTo))
}

// pick is a message of the room, 0 where there is none.
func (m *model) pick(r *room) int {
	if len(r.messages) == 0 {
		return 0
	}
	return 1 + m.rand.IntN(len(r.messages))
}

func (m *model) edit(r *room, user string) {
	seq := m.pick(r)
	if seq == 0 || !r.in(user) || !m.shows(r, user, seq) {
		return
	}
	s := r.messages[seq-1]
	text := fmt.Sprintf("edited word%d", m.rand.IntN(40))
	if s.sender != user {
		m.does(http.StatusForbidden, user, "PATCH", "/v1/chat/messages/"+s.id, fieldsOf{"content_text": text})
		return
	}
	m.does(http.StatusOK, user, "PATCH", "/v1/chat/messages/"+s.id, fieldsOf{"content_text": text})
	if s.texts[len(s.texts)-1] != text {
		s.texts = append(s.texts, text)
	}
}

func (m *model) deleteMessage(r *room, user string) {
	seq := m.pick(r)
	if seq == 0 || !r.in(user) || !m.shows(r, user, seq) {
		return
	}
	s := r.messages[seq-1]
	want := http.StatusForbidden
	if s.sender == user || r.owner == user {
		want = http.StatusOK
		s.deleted = true
	}
	m.does(want, user, "DELETE", "/v1/chat/messages/"+s.id, fieldsOf{"mode": "for_everyone"})
}

func (m *model) hideMessage(r *room, user string) {
	seq := m.pick(r)
	if seq == 0 || !r.in(user) || !m.shows(r, user, seq) {
		return
	}
	s := r.messages[seq-1]
	m.does(http.StatusOK, user, "DELETE", "/v1/chat/messages/"+s.id, fieldsOf{"mode": "for_me"})
	s.hiddenFor[user] = true
}

func (m *model) react(r *room, user string) {
	seq := m.pick(r)
	if seq == 0 || !r.in(user) || !m.shows(r, user, seq) {
		return
	}
	s, emoji := r.messages[seq-1], []string{"👍", "🎉", "x"}[m.rand.IntN(3)]
	answer := m.does(http.StatusOK, user, "POST", "/v1/chat/messages/"+s.id+"/reactions", fieldsOf{"emoji": emoji})
	if s.reactions[emoji] == nil {
		s.reactions[emoji] = map[string]bool{}
	}
	want := "added"
	if s.reactions[emoji][user] {
		want = "removed"
		delete(s.reactions[emoji], user)
	} else {
		s.reactions[emoji][user] = true
	}
	if answer["action"] != want {
		m.t.Errorf("reaction %v, want %s", answer, want)
	}
}

func (m *model) mute(r *room, user string) {
	if !r.in(user) {
		return
	}
	st, method := r.state(user), "POST"
	if st.muted {
		method = "DELETE"
	}
	m.does(http.StatusOK, user, method, "/v1/chat/conversations/"+r.id+"/mute", nil)
	st.muted = !st.muted
}

func (m *model) archive(r *room, user string) {
	if !r.in(user) {
		return
	}
	st, method := r.state(user), "POST"
	if st.archived {
		method = "DELETE"
	}
	m.does(http.StatusOK, user, method, "/v1/chat/conversations/"+r.id+"/archive", nil)
	st.archived = !st.archived
}

func (m *model) hide(r *room, user string) {
	if !r.in(user) {
		return
	}
	m.does(http.StatusOK, user, "DELETE", "/v1/chat/conversations/"+r.id, fieldsOf{"mode": "for_me"})
	st := r.state(user)
	st.hidden, st.hiddenTo = true, len(r.messages)
}

func (m *model) join(r *room, user string) {
	path := "/v1/chat/conversations/" + r.id + "/participants"
	if !r.in(r.owner) {
		return
	}
	m.does(http.StatusOK, r.owner, "POST", path, fieldsOf{"user_ids": []string{user}})
	if !r.in(user) {
		r.stays[user] = append(r.stays[user], stay{from: len(r.messages) + 1, open: true})
		r.state(user).hidden = false // who is added again finds it again
	}
}

func (m *model) leave(r *room, user string) {
	if user == r.owner {
		return
	}
	path := "/v1/chat/conversations/" + r.id + "/participants/" + user
	if !r.in(user) {
		m.does(http.StatusNotFound, user, "DELETE", path, nil)
		return
	}
	m.does(http.StatusOK, user, "DELETE", path, nil)
	list := r.stays[user]
	list[len(list)-1].open, list[len(list)-1].to = false, len(r.messages)
	r.left[user] = nil
	for _, s := range r.messages {
		r.left[user] = append(r.left[user], len(s.texts)-1)
	}
}

func (m *model) block(user string) {
	other := m.user()
	if other == user {
		return
	}
	key, method := [2]string{user, other}, "POST"
	if m.blocks[key] {
		method = "DELETE"
	}
	m.does(http.StatusOK, user, method, "/v1/chat/users/"+other+"/block", nil)
	m.blocks[key] = !m.blocks[key]
}

// check compares what one user sees with the model.
func (m *model) check() {
	user := m.user()
	m.checkList(user)
	if len(m.rooms) > 0 {
		r := m.rooms[m.rand.IntN(len(m.rooms))]
		m.checkHistory(r, user)
		m.checkSearch(user)
	}
}

// checkList compares the list of conversations and the unread counts.
func (m *model) checkList(user string) {
	got, counts, cursor := map[string]string{}, map[string]float64{}, ""
	for {
		answer := m.does(http.StatusOK, user, "GET", "/v1/chat/conversations?limit=7&cursor="+cursor, nil)
		list, _ := answer["conversations"].([]any)
		for _, v := range list {
			c := v.(map[string]any)
			got[c["id"].(string)] = fmt.Sprint(c["unread_count"], c["muted_until"] != nil, c["archived_at"] != nil, c["last_read_seq"])
		}
		if cursor, _ = answer["next_cursor"].(string); cursor == "" {
			break
		}
	}
	for {
		answer := m.does(http.StatusOK, user, "GET", "/v1/chat/conversations/unread?limit=7&cursor="+cursor, nil)
		list, _ := answer["conversations"].([]any)
		for _, v := range list {
			c := v.(map[string]any)
			counts[c["conversation_id"].(string)] = c["unread_count"].(float64)
		}
		if cursor, _ = answer["next_cursor"].(string); cursor == "" {
			break
		}
	}
	want, wantCounts := map[string]string{}, map[string]float64{}
	for _, r := range m.rooms {
		st := r.state(user)
		if !r.in(user) || st.hidden {
			continue
		}
		n := m.unread(r, user)
		want[r.id] = fmt.Sprint(n, st.muted, st.archived, st.read)
		if n > 0 {
			wantCounts[r.id] = float64(n)
		}
	}
	if !maps.Equal(got, want) {
		for _, r := range m.rooms {
			if got[r.id] != want[r.id] {
				m.t.Errorf("%s in %s, begun by %s: got %q, want %q; it has %d messages, stays %+v, state %+v",
					user, r.id, r.owner, got[r.id], want[r.id], len(r.messages), r.stays[user], *r.state(user))
			}
		}
	}
	if !maps.Equal(counts, wantCounts) {
		m.t.Errorf("%s: unread\n got %v\nwant %v", user, counts, wantCounts)
	}
}

// checkHistory compares all messages of a conversation.
func (m *model) checkHistory(r *room, user string) {
	var got, want []string
	path, from := "/v1/chat/conversations/"+r.id+"/messages", 1
	if len(r.stays[user]) == 0 {
		m.does(http.StatusNotFound, user, "GET", path, nil)
		return
	}
	for {
		answer := m.does(http.StatusOK, user, "GET", fmt.Sprintf("%s?limit=50&from_seq=%d", path, from), nil)
		list, _ := answer["messages"].([]any)
		for _, v := range list {
			s := v.(map[string]any)
			from = int(s["seq_num"].(float64)) + 1
			if s["hidden"] == true {
				got = append(got, fmt.Sprint(from-1, " hidden"))
				continue
			}
			var reactions []string
			for _, e := range s["reactions"].([]any) {
				reaction := e.(map[string]any)
				for _, who := range reaction["user_ids"].([]any) {
					reactions = append(reactions, fmt.Sprint(reaction["emoji"], who))
				}
			}
			slices.Sort(reactions)
			got = append(got, fmt.Sprint(from-1, s["id"], s["sender_id"], s["content_text"], s["edit_count"], reactions))
		}
		if len(list) < 50 {
			break
		}
	}
	for seq := 1; seq <= len(r.messages); seq++ {
		s := r.messages[seq-1]
		switch {
		case !r.covers(user, seq):
		case !m.shows(r, user, seq):
			want = append(want, fmt.Sprint(seq, " hidden"))
		default:
			var reactions []string
			for emoji, users := range s.reactions {
				for who := range users {
					if r.in(user) && !m.blocks[[2]string{user, who}] {
						reactions = append(reactions, emoji+who)
					}
				}
			}
			slices.Sort(reactions)
			edits := r.edits(user, seq)
			want = append(want, fmt.Sprint(seq, s.id, s.sender, s.texts[edits], edits, reactions))
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%s in %s:\n got %q\nwant %q", user, r.id, got, want)
	}
}

// checkSearch compares what is found for one word.
func (m *model) checkSearch(user string) {
	word := fmt.Sprintf("word%d", m.rand.IntN(40))
	r := m.rooms[m.rand.IntN(len(m.rooms))]
	if len(r.stays[user]) == 0 {
		return
	}
	var got, want []string
	cursor := ""
	for {
		answer := m.does(http.StatusOK, user, "GET", "/v1/chat/messages/search?q="+word+"&conversation_id="+r.id+"&cursor="+cursor, nil)
		list, _ := answer["results"].([]any)
		for _, v := range list {
			got = append(got, v.(map[string]any)["message"].(map[string]any)["id"].(string))
		}
		if cursor, _ = answer["next_cursor"].(string); cursor == "" {
			break
		}
	}
	for seq := len(r.messages); seq > 0; seq-- {
		s := r.messages[seq-1]
		if !m.shows(r, user, seq) {
			continue
		}
		// The last word of a search may be the beginning of one.
		found := func(text string) bool {
			return slices.ContainsFunc(strings.Fields(text), func(w string) bool { return strings.HasPrefix(w, word) })
		}
		if found(s.texts[len(s.texts)-1]) && found(s.texts[r.edits(user, seq)]) {
			want = append(want, s.id)
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%s finds %s in %s:\n got %v\nwant %v", user, word, r.id, got, want)
	}
}
