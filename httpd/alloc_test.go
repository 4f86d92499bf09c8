package httpd_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/httpd"
	"github.com/parley-chat/parley/internal/allocs"
)

// yes is an engine that did everything already.
type yes struct{ parley.Result }

func (y yes) Do(context.Context, *parley.Principal, parley.Command) (parley.Result, error) {
	return y.Result, nil
}

// nowhere is a ResponseWriter that keeps the status only.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }

// What the route itself costs, without net/http's connection before it and the
// engine behind it.
func TestAllocationBudget(t *testing.T) {
	published := yes{parley.Result{Event: &parley.Event{ID: parley.EventID{1}, Org: "org_demo", Time: noon}}}
	h := httpd.New(httpd.Config{
		Engine: published, Auth: everybody(), Store: struct{ parley.Store }{}, Limits: parley.DefaultLimits(),
		Listening: func(parley.OrgID, *parley.Event) int { return 7 },
	}).Handler()
	text := []byte(`{"type":"order.shipped","channel":"app","data":{"order":"o1","text":"` + string(bytes.Repeat([]byte("x"), 200)) + `"}}`)
	body := bytes.NewReader(text)
	r := httptest.NewRequest("POST", "/api/events/publish", io.NopCloser(body))
	r.ContentLength = int64(len(text))
	r.Header.Set("Authorization", "Bearer backend")
	r.Header.Set("Content-Type", "application/json")
	w := &nowhere{header: http.Header{}}
	original := r.Body
	allocs.Check(t, allocs.Row{Name: "publish", Most: 26, Do: func() {
		body.Reset(text)
		r.Body = original
		clear(w.header)
		if h.ServeHTTP(w, r); w.status != http.StatusOK {
			t.Fatalf("status %d", w.status)
		}
	}})
}
