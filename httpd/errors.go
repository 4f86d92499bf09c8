package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/parley-chat/parley"
)

// statusGone is what the log says of a client that did not wait for the answer.
const statusGone = 499

// fail answers with an error in the shape of the path's surface. It is the one
// place where an unknown error gets its answer: an id, under which the log has
// the rest.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, who *parley.Principal, err error) {
	id := w.Header().Get(headerRequestID)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		if ex, ok := w.(*exchange); ok {
			ex.status = statusGone
		}
		return
	}
	e := parley.AsError(err)
	if e.Code == parley.CodeInternal && errors.Is(err, context.DeadlineExceeded) {
		e = &parley.Error{Code: parley.CodeUnavailable, Message: "the answer took too long", RetryAfter: time.Second, Err: err}
	}
	switch e.Code.Spec().Status {
	case http.StatusInternalServerError:
		s.Logger.ErrorContext(r.Context(), "request failed", "id", id, "path", r.URL.Path, "org", orgOf(who), "err", err)
		e = parley.Errorf(parley.CodeInternal, "internal error; the server's log has it under %s", id)
	case http.StatusServiceUnavailable:
		s.Logger.WarnContext(r.Context(), "request refused", "id", id, "path", r.URL.Path, "org", orgOf(who), "err", err)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	setRetryAfter(w.Header(), e)
	surface := surfaceOf(r.URL.Path)
	contentType := jsonContent
	if surface == SurfaceEvents || surface == SurfaceServer {
		contentType = []string{"application/problem+json"}
	}
	text, _ := json.Marshal(errorBody(surface, e, id)) // plain values: it cannot fail
	writeJSON(w, contentType, e.Code.Spec().Status, text)
}

// errorBody is the error as the surface documents it (contracts.md 1.3, C11, C15).
func errorBody(surface Surface, e *parley.Error, requestID string) any {
	switch surface {
	case SurfaceBot:
		return botError{Error: botErrorDetail{botCode(e.Code), e.Message}}
	case SurfaceChat:
		d := chatErrorDetails{Field: e.Field, RequestID: requestID}
		if e.RetryAfter > 0 {
			d.RetryAfter = retrySeconds(e)
		}
		return chatError{e.Message, e.Code, d}
	}
	return problemOf(e, requestID)
}

func problemOf(e *parley.Error, requestID string) problem {
	status := e.Code.Spec().Status
	return problem{
		Type: "urn:parley:error:" + string(e.Code), Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Field: e.Field, RequestID: requestID,
	}
}

// problem is an error of RFC 9457.
type problem struct {
	Type      string      `json:"type"`
	Title     string      `json:"title"`
	Status    int         `json:"status"`
	Detail    string      `json:"detail"`
	Code      parley.Code `json:"code"`
	Field     string      `json:"field,omitempty"`
	RequestID string      `json:"request_id,omitempty"`
}

type botError struct {
	Success bool           `json:"success"` // always false
	Error   botErrorDetail `json:"error"`
}

type botErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// chatError is an error of the chat surface, whose clients print Error: it is
// never anything but a string.
type chatError struct {
	Error   string           `json:"error"`
	Code    parley.Code      `json:"code"`
	Details chatErrorDetails `json:"details"`
}

type chatErrorDetails struct {
	Field      string `json:"field,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds
	RequestID  string `json:"request_id,omitempty"`
}

// botCode spells a code as contracts.md 2.4 does.
func botCode(c parley.Code) string {
	switch c.Spec().Status {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "FORBIDDEN"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "CONFLICT"
	case http.StatusTooManyRequests:
		return "RATE_LIMITED"
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return "INTERNAL_ERROR"
	}
	return "BAD_REQUEST"
}

// setRetryAfter says when to come back, where that is known or must be said.
func setRetryAfter(h http.Header, e *parley.Error) {
	if e.RetryAfter > 0 || e.Code == parley.CodeRateLimited {
		h.Set("Retry-After", strconv.Itoa(retrySeconds(e)))
	}
}

// rateHeaders says which limit was met and when it opens again, in Unix seconds
// (contracts.md 1.3). Other errors leave the headers alone.
func rateHeaders(h http.Header, now time.Time, rate int, err error) {
	e := parley.AsError(err)
	if e.Code != parley.CodeRateLimited {
		return
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(rate))
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Unix()+int64(retrySeconds(e)), 10))
}

// retrySeconds rounds up: who comes back after it is not too early.
func retrySeconds(e *parley.Error) int {
	return max(1, int(math.Ceil(e.RetryAfter.Seconds())))
}

func orgOf(who *parley.Principal) parley.OrgID {
	if who == nil {
		return ""
	}
	return who.Org
}

// isNotFound reports whether there is no such thing, or the caller may not know of
// it.
func isNotFound(err error) bool {
	return errors.Is(err, parley.ErrNotFound) || errors.Is(err, &parley.Error{Code: parley.CodeNotFound})
}
