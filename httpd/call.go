package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// requestTimeout bounds the work on one request; what it led to is then rolled
// back and answered with 503.
const requestTimeout = 25 * time.Second

// call is one request on its way through its handler.
type call struct {
	ctx  context.Context // of the request, and ends after requestTimeout
	w    http.ResponseWriter
	r    *http.Request
	who  *parley.Principal // nil on open routes
	body fields            // without fields where none were sent
}

// serve makes the handler of one route: authenticate, read, act, and render what
// failed in the shape of the route's surface.
func (s *Server) serve(rt Route) http.HandlerFunc {
	counts := s.metrics.route(rt.Path, rt.Method)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		c := &call{ctx: ctx, w: w, r: r}
		if ex, ok := w.(*exchange); ok {
			ex.route = counts
		}
		if rt.Surface != SurfaceServer {
			w.Header()["Cache-Control"] = noStore
		}
		err := s.admit(rt, c)
		if err == nil {
			err = rt.handle(s, c)
		}
		if err != nil {
			if rt.rate != nil {
				rateHeaders(w.Header(), s.Now(), rt.rate(&s.Limits, c.who), err)
			}
			s.fail(w, r, c.who, err)
		}
	}
}

// admit finds out who asks and reads what is asked, in this order, so that a
// stranger's body is not looked at.
func (s *Server) admit(rt Route, c *call) (err error) {
	if !rt.Open {
		if c.who, err = s.authenticate(c.ctx, c.r); err != nil {
			return err
		}
		if ex, ok := c.w.(*exchange); ok {
			ex.who = c.who
		}
	}
	switch rt.Body {
	case NoBody, FileBody:
		return nil
	case LargeBody:
		c.body.object, err = readObject(c.w, c.r, s.Limits.DrainBytes)
	default:
		c.body.object, err = readObject(c.w, c.r, s.Limits.FrameBytes)
	}
	if err == nil && c.body.object == nil && rt.Body != OptionalBody {
		return parley.Errorf(parley.CodeInvalidFormat, "the body must be a JSON object, and is empty")
	}
	return err
}

// readObject reads a body that must be one JSON object in UTF-8; nil where the
// body is empty.
func readObject(w http.ResponseWriter, r *http.Request, limit int) (jsonr.Object, error) {
	text, err := readAll(http.MaxBytesReader(w, r.Body, int64(limit)), r.ContentLength, int64(limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, parley.Errorf(parley.CodeTooLarge, "the body is over %d bytes", limit)
	case err != nil:
		return nil, &parley.Error{Code: parley.CodeInvalidFormat, Message: "the body could not be read to its end", Err: err}
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil
	case !isJSON(r.Header.Get("Content-Type")):
		return nil, parley.Errorf(parley.CodeInvalidFormat, "the body must be sent with Content-Type: application/json")
	case !utf8.Valid(text):
		return nil, parley.Errorf(parley.CodeInvalidFormat, "the body is not valid UTF-8")
	}
	o, err := jsonr.ParseOwned(text)
	if err != nil {
		return nil, parley.Errorf(parley.CodeInvalidFormat, "the body cannot be used: %s", err)
	}
	return o, nil
}

// readAll reads to the end. size is how long the body says it is, -1 for unknown;
// what is within the limit needs one buffer of that length.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	if size < 0 || size > limit {
		return io.ReadAll(r)
	}
	text := make([]byte, size)
	_, err := io.ReadFull(r, text)
	return text, err
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// reply answers with a JSON value.
func (c *call) reply(status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.write(status, text)
	return nil
}

// write answers with a JSON text, which is its own from then on.
func (c *call) write(status int, text []byte) { writeJSON(c.w, jsonContent, status, text) }

// writeJSON answers with a JSON text; contentType is the value of that header.
func writeJSON(w http.ResponseWriter, contentType []string, status int, text []byte) {
	text = append(text, '\n')
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone: nobody to tell
}

// may refuses who lacks the scope. Commands are authorized by the engine; what
// only reads is authorized here.
func (c *call) may(scope parley.Scope) error {
	if c.who.Can(scope) {
		return nil
	}
	return parley.Errorf(parley.CodeForbidden, "this needs the scope %s", scope)
}

// conversation reads the id in the path.
func (c *call) conversation() (parley.ConversationID, error) {
	id, err := parley.ParseConversationID(c.r.PathValue("id"))
	if err != nil {
		return id, errNoConversation
	}
	return id, nil
}

var errNoConversation = parley.Errorf(parley.CodeNotFound, "there is no such conversation")
