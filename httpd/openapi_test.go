package httpd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-chat/parley/httpd"
)

// contract is the OpenAPI document, to check requests and answers against.
type contract struct {
	Paths      map[string]map[string]contractOperation `json:"paths"`
	Components struct {
		Schemas map[string]*jsonschema.Schema `json:"schemas"`
	} `json:"components"`

	mu       sync.Mutex
	resolved map[*jsonschema.Schema]*jsonschema.Resolved
	// met are the operations of which a request succeeded.
	met map[string]bool
}

type contractOperation struct {
	RequestBody *struct {
		Content contractContent `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content contractContent `json:"content"`
	} `json:"responses"`
}

type contractContent map[string]struct {
	Schema *jsonschema.Schema `json:"schema"`
}

func readContract(t *testing.T) *contract {
	t.Helper()
	text, err := httpd.Document()
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{resolved: map[*jsonschema.Schema]*jsonschema.Resolved{}, met: map[string]bool{}}
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	return c
}

var pathParam = regexp.MustCompile(`\\\{\w+\\\}`)

// find is the operation of a request: of a path without parameters first.
func (c *contract) find(method, path string) (name string, op contractOperation, ok bool) {
	path, _, _ = strings.Cut(path, "?")
	best := -1
	for template, ops := range c.Paths {
		pattern := "^" + pathParam.ReplaceAllString(regexp.QuoteMeta(template), `[^/]+`) + "$"
		if params := strings.Count(template, "{"); regexp.MustCompile(pattern).MatchString(path) && (best < 0 || params < best) {
			if found, has := ops[strings.ToLower(method)]; has {
				name, op, ok, best = method+" "+template, found, true, params
			}
		}
	}
	return name, op, ok
}

// check holds a request and its answer to the document; a request that was refused
// only by its answer.
func (c *contract) check(t *testing.T, method, path, body string, got answer) {
	t.Helper()
	name, op, ok := c.find(method, path)
	if !ok {
		return // unknown paths and methods have no operation
	}
	r, known := op.Responses[fmt.Sprint(got.status)]
	if !known {
		r = op.Responses["default"]
	}
	for kind, content := range r.Content {
		if kind == "*/*" {
			continue
		}
		if err := c.valid(content.Schema, got.text); err != nil {
			t.Errorf("%s: answer %d is not what the API document says: %v\n%s", name, got.status, err, got.text)
		}
	}
	if got.status/100 != 2 {
		return
	}
	c.mu.Lock()
	c.met[name] = true
	c.mu.Unlock()
	if op.RequestBody == nil || strings.TrimSpace(body) == "" || strings.Contains(got.text, `"error":{`) { // a part of it was refused
		return
	}
	content, ok := op.RequestBody.Content["application/json"]
	if !ok {
		return
	}
	if err := c.valid(content.Schema, body); err != nil {
		t.Errorf("%s: request is not what the API document says: %v\n%s", name, err, body)
	}
}

// valid checks a JSON text. The components come along, so that references hold.
func (c *contract) valid(s *jsonschema.Schema, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resolved := c.resolved[s]
	if resolved == nil {
		var err error
		if resolved, err = c.whole(s).Resolve(nil); err != nil {
			return fmt.Errorf("resolve: %w", err)
		}
		c.resolved[s] = resolved
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	return resolved.Validate(v)
}

// whole is a schema that stands alone: what it refers to in the document lies in
// its definitions.
func (c *contract) whole(s *jsonschema.Schema) *jsonschema.Schema {
	local := func(s *jsonschema.Schema) *jsonschema.Schema {
		text, _ := json.Marshal(s)
		out := new(jsonschema.Schema)
		_ = json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/components/schemas/", "#/$defs/")), out)
		return out
	}
	root := &jsonschema.Schema{AllOf: []*jsonschema.Schema{local(s)}, Defs: map[string]*jsonschema.Schema{}}
	for name, part := range c.Components.Schemas {
		root.Defs[name] = local(part)
	}
	return root
}

// The document says 3.1 and has an operation for each route and no other, under an
// id of its own; what it refers to is there.
func TestTheDocumentIsComplete(t *testing.T) {
	text, err := httpd.Document()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID, Summary string }
	}
	if err := json.Unmarshal(text, &d); err != nil || d.OpenAPI != "3.1.0" {
		t.Fatalf("version %q, error %v", d.OpenAPI, err)
	}
	ids, count := map[string]string{}, 0
	for path, ops := range d.Paths {
		for method, op := range ops {
			count++
			name := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] != "" || op.Summary == "" {
				t.Errorf("%s has id %q (also of %q), summary %q", name, op.OperationID, ids[op.OperationID], op.Summary)
			}
			ids[op.OperationID] = name
		}
	}
	for _, rt := range httpd.Routes() {
		if _, ok := d.Paths[rt.Path][strings.ToLower(rt.Method)]; !ok {
			t.Errorf("%s %s is missing", rt.Method, rt.Path)
		}
	}
	if count != len(httpd.Routes()) {
		t.Errorf("there are %d operations for %d routes", count, len(httpd.Routes()))
	}
	c := readContract(t)
	for name, part := range c.Components.Schemas {
		if _, err := c.whole(part).Resolve(nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The document and the page are served to everybody.
func TestTheReferenceIsServed(t *testing.T) {
	h := open(t)
	a := h.send("GET", "/api-reference/openapi.json", "", "", nil)
	if a.status != http.StatusOK || a.field(t, "openapi") != "3.1.0" {
		t.Errorf("document: %d %.80s", a.status, a.text)
	}
	a = h.send("GET", "/api-reference", "", "", nil)
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") ||
		!strings.Contains(a.text, "/v1/chat/messages/search") || strings.Contains(a.text, "://") && strings.Contains(a.text, "src=") {
		t.Errorf("page: %d %s", a.status, a.header.Get("Content-Type"))
	}
}
