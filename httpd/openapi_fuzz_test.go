package httpd_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-chat/parley/httpd"
)

var fuzzFor = flag.Duration("openapi-fuzz", 2*time.Second, "how long TestNoRouteFails goes on")

// Whatever a client sends that knows the API document, no route answers 500, and
// every answer is in the shape that the document gives. Requests are made from the
// document: mostly well formed, with ids that exist, and spoilt here and there.
func TestNoRouteFails(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := open(t, func(c *httpd.Config) { c.Limits.MessagesBurst = 1 << 30 })
	f := &prober{
		t: t, h: h, api: readContract(t), rand: rand.New(rand.NewPCG(seed, 0)),
		ids: map[string][]string{"user": {"ada", "bob", "cyd", "demo", "nobody", "a/b", "ü"}},
	}
	for _, who := range []string{"ada", "bob"} {
		a := h.must("POST", "/v1/chat/conversations", who, `{"type":"group","participant_ids":["ada","bob","demo"]}`)
		f.learn(a.text)
	}
	requests := 0
	for end := time.Now().Add(*fuzzFor); time.Now().Before(end) && !t.Failed(); requests++ {
		f.probe()
	}
	t.Logf("%d requests, of which %d succeeded on %d operations", requests, f.good, len(f.api.met))
}

// prober makes requests.
type prober struct {
	t    *testing.T
	h    *house
	api  *contract
	rand *rand.Rand
	ids  map[string][]string // by prefix
	good int
}

func (f *prober) probe() {
	routes := httpd.Routes()
	rt := routes[f.rand.IntN(len(routes))]
	if rt.Surface == httpd.SurfaceServer {
		return
	}
	op := f.api.Paths[rt.Path][strings.ToLower(rt.Method)]
	path, body := f.path(rt.Path), ""
	if q := f.query(rt.Method, rt.Path); q != "" {
		path += "?" + q
	}
	if op.RequestBody != nil && f.rand.IntN(20) > 0 {
		var value any
		if content, ok := op.RequestBody.Content["application/json"]; ok {
			value = f.value(content.Schema, "", 0)
		}
		text, err := json.Marshal(value)
		if err != nil {
			f.t.Fatal(err)
		}
		body = f.spoil(string(text))
	}
	token := []string{"ada", "bob", "cyd", "robot", "backend", "stranger"}[f.rand.IntN(6)]
	got := f.h.send(rt.Method, path, token, body, nil)
	if got.status >= http.StatusInternalServerError && got.status != http.StatusServiceUnavailable {
		f.t.Errorf("%s %s %s by %s: %d %s\n%s", rt.Method, path, body, token, got.status, got.text, f.h.log.String())
	}
	if got.status/100 == 2 {
		f.good++
		f.learn(got.text)
	}
	f.api.check(f.t, rt.Method, path, "", got)
}

// learn keeps the ids of an answer for later requests.
func (f *prober) learn(text string) {
	for _, prefix := range []string{"conv_", "msg_", "task_", "att_"} {
		rest := text
		for {
			at := strings.Index(rest, `"`+prefix)
			if at < 0 {
				break
			}
			rest = rest[at+1:]
			end := strings.IndexByte(rest, '"')
			id := rest[:end]
			if list := f.ids[prefix]; !slices.Contains(list, id) {
				if len(list) > 50 {
					list = slices.Delete(list, 0, 10)
				}
				f.ids[prefix] = append(list, id)
			}
		}
	}
}

// id is one that exists, mostly.
func (f *prober) id(prefix string) string {
	list := f.ids[prefix]
	if len(list) == 0 || f.rand.IntN(15) == 0 {
		return f.text()
	}
	return list[f.rand.IntN(len(list))]
}

func (f *prober) path(template string) string {
	kind := "conv_"
	switch {
	case strings.Contains(template, "/messages/{id}"):
		kind = "msg_"
	case strings.Contains(template, "/attachments/{id}"):
		kind = "att_"
	case strings.Contains(template, "/tasks/{id}"):
		kind = "task_"
	}
	path := strings.ReplaceAll(template, "{id}", segment(f.id(kind)))
	return strings.ReplaceAll(path, "{userId}", segment(f.id("user")))
}

// segment spells a text in a path, in which an empty, "." or ".." segment would be
// another path.
func segment(s string) string {
	if s == "" || s == "." || s == ".." {
		s = "x"
	}
	return url.PathEscape(s)
}

func (f *prober) query(method, path string) string {
	if method != http.MethodGet || f.rand.IntN(3) == 0 {
		return ""
	}
	q := url.Values{}
	for _, key := range []string{"limit", "cursor", "from_seq", "to_seq", "q", "conversation_id", "before_seq", "offset", "status"} {
		if f.rand.IntN(4) > 0 && !(key == "q" && strings.HasSuffix(path, "/search")) {
			continue
		}
		switch key {
		case "q", "cursor", "status":
			q.Set(key, f.text())
		case "conversation_id":
			q.Set(key, f.id("conv_"))
		default:
			q.Set(key, f.number())
		}
	}
	return q.Encode()
}

func (f *prober) number() string {
	return []string{"0", "1", "2", "3", "17", "500", "-1", "9223372036854775807", "18446744073709551615", "1e3", "x", ""}[f.rand.IntN(12)]
}

// hostileTexts are what breaks careless servers.
var hostileTexts = []string{
	"", "a", "hello", "maps at noon", "👍", "é", "\u2028", "'; DROP TABLE messages; --", `"`, `\`, "a\x00b", "AND OR NOT NEAR(", "*", "^x", "col:x",
	"\x02\x03", strings.Repeat("x", 300), strings.Repeat("é", 3000), "9999-12-31T23:59:59Z", "2030-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "for_me",
	"for_everyone", "start", "stop", "main", "aside", "group", "direct", "owner", "admin", "agent", "text", "image", "completed", "running", "%", "_", "\ufffd", "conv_", "null",
}

func (f *prober) text() string { return hostileTexts[f.rand.IntN(len(hostileTexts))] }

// value makes a value of a schema; now and then of another type.
func (f *prober) value(s *jsonschema.Schema, name string, depth int) any {
	if f.rand.IntN(40) == 0 || depth > 6 {
		return []any{nil, 1, -1.5, "x", true, []any{}, map[string]any{}, 1e300}[f.rand.IntN(8)]
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = f.api.Components.Schemas[name]
	}
	if len(s.Enum) > 0 {
		return s.Enum[f.rand.IntN(len(s.Enum))]
	}
	kind := s.Type
	if kind == "" && len(s.Types) > 0 {
		kind = s.Types[f.rand.IntN(len(s.Types))]
	}
	switch kind {
	case "object":
		o := map[string]any{}
		for key, property := range s.Properties {
			if slices.Contains(s.Required, key) && f.rand.IntN(30) > 0 || f.rand.IntN(3) == 0 {
				o[key] = f.value(property, key, depth+1)
			}
		}
		return o
	case "array":
		list := []any{}
		for range f.rand.IntN(4) {
			list = append(list, f.value(s.Items, strings.TrimSuffix(name, "s"), depth+1))
		}
		return list
	case "integer", "number":
		return []any{0, 1, 2, 5, 100, uint64(1) << 63, uint64(1<<64 - 1), -1}[f.rand.IntN(8)]
	case "boolean":
		return f.rand.IntN(2) == 0
	case "null":
		return nil
	}
	switch {
	case strings.HasSuffix(name, "conversation_id"):
		return f.id("conv_")
	case strings.HasSuffix(name, "message_id"), name == "reply_to_id":
		return f.id("msg_")
	case name == "attachment":
		return f.id("att_")
	case name == "content_type" && f.rand.IntN(2) == 0:
		return "image/png"
	case name == "parent_id":
		return f.id("task_")
	case strings.HasSuffix(name, "_id"):
		return f.id("user")
	}
	return f.text()
}

// spoil breaks a body, seldom.
func (f *prober) spoil(text string) string {
	if f.rand.IntN(40) > 0 || text == "" {
		return text
	}
	at := f.rand.IntN(len(text))
	switch f.rand.IntN(4) {
	case 0:
		return text[:at]
	case 1:
		return text[:at] + "\xff" + text[at:]
	case 2:
		return strings.Repeat("[", 2000) + text
	}
	return fmt.Sprintf("%s%c%s", text[:at], rune(f.rand.IntN(128)), text[at:])
}
