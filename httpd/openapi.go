package httpd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-chat/parley"
)

// Where the API documents are served.
const (
	apiDocument = "/api-reference/openapi.json"
	apiPage     = "/api-reference"
)

// document is an OpenAPI 3.1 document, as far as this server needs one.
type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       documentInfo                     `json:"info"`
	Security   []map[string][]string            `json:"security"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components documentParts                    `json:"components"`
}

type documentInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type documentParts struct {
	Schemas         map[string]*jsonschema.Schema `json:"schemas"`
	SecuritySchemes map[string]map[string]string  `json:"securitySchemes"`
}

type operation struct {
	ID          string                 `json:"operationId"`
	Summary     string                 `json:"summary"`
	Tags        []string               `json:"tags"`
	Security    *[]map[string][]string `json:"security,omitempty"` // empty, where no credential is needed
	Parameters  []parameter            `json:"parameters,omitempty"`
	RequestBody *requestBody           `json:"requestBody,omitempty"`
	Responses   map[string]response    `json:"responses"`
}

type parameter struct {
	Name        string             `json:"name"`
	In          string             `json:"in"`
	Description string             `json:"description,omitempty"`
	Required    bool               `json:"required,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
}

type requestBody struct {
	Required bool             `json:"required"`
	Content  map[string]media `json:"content"`
}

type response struct {
	Description string           `json:"description"`
	Content     map[string]media `json:"content,omitempty"`
}

type media struct {
	Schema *jsonschema.Schema `json:"schema"`
}

// Document is the OpenAPI 3.1 document of all routes, JSON.
func Document() ([]byte, error) {
	return formOf(wholeDocument, (*document).text)
}

func wholeDocument() (*document, error) { return newDocument(Routes(), bodiesOf()) }

// reference is the API documents in the two forms they are served in, each made
// at its first use.
type reference struct {
	json func() ([]byte, error)
	html func() ([]byte, error)
}

func newReference() reference {
	whole := sync.OnceValues(wholeDocument)
	once := func(form func(*document) ([]byte, error)) func() ([]byte, error) {
		return sync.OnceValues(func() ([]byte, error) { return formOf(whole, form) })
	}
	return reference{once((*document).text), once((*document).render)}
}

// formOf makes a form of a document.
func formOf(whole func() (*document, error), form func(*document) ([]byte, error)) ([]byte, error) {
	d, err := whole()
	if err != nil {
		return nil, err
	}
	return form(d)
}

// text is the document as it is published.
func (d *document) text() ([]byte, error) {
	return json.MarshalIndent(d, "", " ")
}

func newDocument(routes []Route, known map[string]bodies) (*document, error) {
	d := &document{
		OpenAPI: "3.1.0",
		Info: documentInfo{
			"Parley", "1",
			"The HTTP routes of the four surfaces. What sockets say is in the reference of each surface. " +
				"Lists page with limit and cursor, and a page may be shorter than its limit where what is in it is long: " +
				"has_more or next_cursor says that there is more. A request that may be sent again safely names an idempotency key.",
		},
		Security: []map[string][]string{{"bearer": {}}},
		Paths:    map[string]map[string]*operation{},
		Components: documentParts{
			Schemas: map[string]*jsonschema.Schema{},
			SecuritySchemes: map[string]map[string]string{
				"bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
			},
		},
	}
	schemas := newSchemas()
	for name, t := range components() {
		s, err := schemas.whole(t)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", name, err)
		}
		d.Components.Schemas[name] = s
	}
	for _, rt := range routes {
		b, ok := known[rt.Method+" "+rt.Path]
		if !ok {
			return nil, fmt.Errorf("nothing describes %s %s", rt.Method, rt.Path)
		}
		op, err := schemas.operation(&rt, &b)
		if err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", rt.Method, rt.Path, err)
		}
		if d.Paths[rt.Path] == nil {
			d.Paths[rt.Path] = map[string]*operation{}
		}
		d.Paths[rt.Path][strings.ToLower(rt.Method)] = op
	}
	return d, nil
}

// schemas infers schemas from types.
type schemas struct {
	named map[reflect.Type]*jsonschema.Schema // those that stand for themselves
	refs  map[reflect.Type]*jsonschema.Schema // those and the components
}

func newSchemas() *schemas {
	text := func(format, doc string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Format: format, Description: doc}
	}
	enum := func(values ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: values} }
	id := func(prefix string) *jsonschema.Schema {
		return text("", "An id: "+prefix+"_ and 26 digits; a UUID is taken too.")
	}
	s := &schemas{named: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[stamp]():                   text("date-time", "UTC, with milliseconds."),
		reflect.TypeFor[parley.ConversationID]():   id("conv"),
		reflect.TypeFor[parley.MessageID]():        id("msg"),
		reflect.TypeFor[parley.EventID]():          id("evt"),
		reflect.TypeFor[parley.TaskID]():           id("task"),
		reflect.TypeFor[parley.AttachmentID]():     id("att"),
		reflect.TypeFor[parley.ErasureID]():        id("era"),
		reflect.TypeFor[parley.PrincipalID]():      text("", "A principal's id: the sub of its token."),
		reflect.TypeFor[parley.Role]():             enum("owner", "admin", "member", "agent"),
		reflect.TypeFor[parley.ConversationKind](): enum("direct", "group", "agent_direct", "agent_group"),
		reflect.TypeFor[parley.PresenceStatus]():   enum("online", "away", "offline"),
		reflect.TypeFor[parley.TaskStatus]():       enum("pending", "running", "waiting", "completed", "failed", "cancelled"),
		reflect.TypeFor[json.RawMessage]():         {Description: "Any JSON."},
		reflect.TypeFor[shown]():                   anyOf("Message", "Tombstone"),
		reflect.TypeFor[publishOutcome]():          anyOf("Published", "Refusal"),
		reflect.TypeFor[pair](): {
			Type: "array", MinItems: jsonschema.Ptr(2), MaxItems: jsonschema.Ptr(2), Items: &jsonschema.Schema{Type: "string"},
		},
	}}
	s.refs = map[reflect.Type]*jsonschema.Schema{}
	for t, schema := range s.named {
		s.refs[t] = schema
	}
	for name, t := range components() {
		s.refs[t] = ref(name)
	}
	return s
}

func ref(component string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/components/schemas/" + component}
}

func anyOf(names ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for _, name := range names {
		s.AnyOf = append(s.AnyOf, ref(name))
	}
	return s
}

// of is the schema of a type, which names the components it is made of.
func (s *schemas) of(t reflect.Type) (*jsonschema.Schema, error) {
	if r := s.refs[t]; r != nil {
		return r, nil
	}
	return jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: s.refs})
}

// whole is the schema of a component itself. What it embeds is a part of it.
func (s *schemas) whole(t reflect.Type) (*jsonschema.Schema, error) {
	others := maps.Clone(s.refs)
	delete(others, t)
	leaveEmbedded(others, t)
	return jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: others})
}

// leaveEmbedded takes out the components that a struct, or a field of it, embeds.
func leaveEmbedded(from map[reflect.Type]*jsonschema.Schema, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			delete(from, f.Type)
		}
		if from[f.Type] == nil {
			leaveEmbedded(from, f.Type)
		}
	}
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

func (s *schemas) operation(rt *Route, b *bodies) (*operation, error) {
	op := &operation{ID: operationID(rt), Summary: rt.Doc, Tags: []string{string(rt.Surface)}, Responses: map[string]response{}}
	if rt.Open {
		op.Security = &[]map[string][]string{}
	}
	for _, m := range pathParameter.FindAllStringSubmatch(rt.Path, -1) {
		op.Parameters = append(op.Parameters, parameter{m[1], "path", "", true, &jsonschema.Schema{Type: "string"}})
	}
	for _, q := range b.query {
		op.Parameters = append(op.Parameters, parameter{q.name, "query", q.doc, q.required, &jsonschema.Schema{Type: q.kind}})
	}
	if b.in != nil {
		schema, err := s.of(reflect.TypeOf(b.in))
		if err != nil {
			return nil, err
		}
		op.RequestBody = &requestBody{rt.Body != OptionalBody, map[string]media{"application/json": {schema}}}
	}
	success := response{Description: "It is done."}
	if b.out != nil {
		schema, err := s.of(reflect.TypeOf(b.out))
		if err != nil {
			return nil, err
		}
		success.Content = map[string]media{"application/json": {schema}}
	}
	if b.file {
		anything := map[string]media{"*/*": {&jsonschema.Schema{Type: "string", Format: "binary"}}}
		if rt.Body == FileBody {
			op.RequestBody = &requestBody{true, anything}
		} else {
			success.Content = anything
		}
	}
	if b.code != 0 {
		op.Responses[strconv.Itoa(b.code)] = success // and 200, where it was there already
	}
	op.Responses["200"] = success
	op.Responses["default"] = errorResponse(rt.Surface)
	return op, nil
}

// errorResponse is how a surface says errors.
func errorResponse(surface Surface) response {
	name, kind := "Problem", "application/problem+json"
	switch surface {
	case SurfaceChat:
		name, kind = "ChatError", "application/json"
	case SurfaceBot:
		name, kind = "BotError", "application/json"
	}
	return response{"An error, in the shape of the surface.", map[string]media{kind: {ref(name)}}}
}

// operationID is the handler's name; an alias says so.
func operationID(rt *Route) string {
	name := runtime.FuncForPC(reflect.ValueOf(rt.handle).Pointer()).Name()
	name = strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
	if strings.HasSuffix(rt.Doc, "(alias)") {
		name += "Alias"
	}
	return name
}

// apiJSON serves the document.
func (s *Server) apiJSON(c *call) error {
	text, err := s.reference.json()
	if err != nil {
		return err
	}
	c.write(http.StatusOK, bytes.Clone(text))
	return nil
}
