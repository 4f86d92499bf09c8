package httpd

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

//go:embed openapi_page.html
var apiPageText string

// render renders the page, which needs nothing from elsewhere.
func (d *document) render() ([]byte, error) {
	page, err := template.New("api").Parse(apiPageText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, pageOf(d))
	return out.Bytes(), err
}

type pageView struct {
	Info     documentInfo
	Groups   []pageGroup
	Schemas  []pageSchema
	Document string
}

type pageGroup struct {
	Surface Surface
	Doc     string
	Routes  []pageRoute
}

type pageRoute struct {
	Method, Path, Doc, ID string
	Open                  bool
	Parameters            []parameter
	In, Out               string // schemas as JSON, empty for none
}

type pageSchema struct{ Name, Text string }

// pageOf orders a document for reading: by surface, as the routes are listed.
func pageOf(d *document) pageView {
	v := pageView{Info: d.Info, Document: apiDocument}
	for _, g := range []pageGroup{
		{Surface: SurfaceChat, Doc: "Conversations, messages, tasks, people. Errors are {error, code, details}."},
		{Surface: SurfaceEvents, Doc: "Publishing events. Errors are problem details of RFC 9457."},
		{Surface: SurfaceBot, Doc: "Sessions with an agent. Errors are {success, error{code, message}}."},
		{Surface: SurfaceServer, Doc: "The server itself."},
	} {
		for _, rt := range Routes() {
			if rt.Surface == g.Surface {
				g.Routes = append(g.Routes, pageRouteOf(&rt, d.Paths[rt.Path][strings.ToLower(rt.Method)]))
			}
		}
		v.Groups = append(v.Groups, g)
	}
	for name, s := range d.Components.Schemas {
		v.Schemas = append(v.Schemas, pageSchema{name, schemaText(s)})
	}
	slices.SortFunc(v.Schemas, func(a, b pageSchema) int { return strings.Compare(a.Name, b.Name) })
	return v
}

func pageRouteOf(rt *Route, op *operation) pageRoute {
	r := pageRoute{Method: rt.Method, Path: rt.Path, Doc: rt.Doc, ID: op.ID, Open: rt.Open, Parameters: op.Parameters}
	if op.RequestBody != nil {
		if m, ok := op.RequestBody.Content["application/json"]; ok {
			r.In = schemaText(m.Schema)
		}
	}
	if m, ok := op.Responses["200"].Content["application/json"]; ok {
		r.Out = schemaText(m.Schema)
	}
	return r
}

func schemaText(s *jsonschema.Schema) string {
	text, _ := json.MarshalIndent(s, "", "  ") // it was marshalled before
	return string(text)
}

// apiHTML serves the page.
func (s *Server) apiHTML(c *call) error {
	text, err := s.reference.html()
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(text)
	return nil
}
