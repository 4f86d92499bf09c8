package httpd_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// A transcript is a text of requests and their answers:
//
//	# what this shows
//	> POST /v1/chat/conversations ada
//	> {"participant_ids":["bob"]}
//	< 201
//	< {"id":"conv_…",…}
//	= conv id
//
// `>` is method, path and token (- for none), then the body; `<` the status and
// the JSON answer; `=` keeps a field of the answer, which later requests name as
// $conv. With -update the answers are written anew: review them like a change of
// the protocol.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	api := readContract(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(text), api)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, string(text), got)
		})
	}
	if t.Failed() || testing.Short() {
		return
	}
	for path, ops := range api.Paths {
		for method := range ops {
			if name := strings.ToUpper(method) + " " + path; !api.met[name] && !strings.HasSuffix(path, "/stream") && !strings.HasSuffix(path, "/export") && !strings.HasPrefix(path, "/api-reference") {
				t.Errorf("no transcript shows %s succeed", name)
			}
		}
	}
}

func compare(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			t.Errorf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	if len(w) != len(g) {
		t.Errorf("got %d lines, want %d", len(g), len(w))
	}
}

// What differs each time: a request's id, and cursors, which name the epoch.
var (
	requestID = regexp.MustCompile(`"request_id":"[0-9a-f]{16}"`)
	cursor    = regexp.MustCompile(`"cursor":"[^"]*"`)
)

// replay sends the requests of a transcript and returns it with the answers it
// got.
func replay(t *testing.T, text string, api *contract) string {
	h := open(t)
	var out bytes.Buffer
	var request []string
	var last answer
	names := map[string]string{}
	flush := func() {
		if len(request) == 0 {
			return
		}
		words := strings.Fields(strings.ReplaceAll(request[0], "https://parley.test", ""))
		token := strings.TrimPrefix(words[2], "-")
		last = h.send(words[0], words[1], token, strings.Join(request[1:], "\n"), nil)
		api.check(t, words[0], words[1], strings.Join(request[1:], "\n"), last)
		shown := cursor.ReplaceAllString(last.text, `"cursor":"…"`)
		shown = requestID.ReplaceAllString(shown, `"request_id":"…"`)
		if !json.Valid([]byte(last.text)) {
			t.Errorf("%s: answer is not JSON: %q", request[0], last.text)
		}
		fmt.Fprintf(&out, "< %d\n< %s\n", last.status, shown)
		request = nil
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "> "); ok {
			for name, value := range names {
				rest = strings.ReplaceAll(rest, "$"+name, value)
			}
			request = append(request, strings.TrimSuffix(rest, "\n"))
			out.WriteString(line)
			continue
		}
		flush()
		switch {
		case strings.HasPrefix(line, "<"):
			continue
		case strings.HasPrefix(line, "= "):
			words := strings.Fields(line)
			kept, ok := last.field(t, words[2]).(string)
			if !ok {
				t.Fatalf("%s: there is no %s in %s", strings.TrimSpace(line), words[2], last.text)
			}
			names[words[1]] = kept
		}
		out.WriteString(line)
	}
	flush()
	return out.String()
}
