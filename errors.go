package parley

import (
	"errors"
	"fmt"
	"time"
)

// Code names an error for every reader: clients switch on it (each surface in
// its own spelling), operators grep for it, the reference page documents it.
type Code string

// The codes. ErrorSpecs says what each means at every door.
const (
	CodeInvalidFormat    Code = "invalid_format"
	CodeInvalidArgument  Code = "invalid_argument"
	CodeTooLarge         Code = "too_large"
	CodeUnauthenticated  Code = "unauthenticated"
	CodeForbidden        Code = "forbidden"
	CodeNotFound         Code = "not_found"
	CodeConflict         Code = "conflict"
	CodeClosed           Code = "closed"
	CodeRateLimited      Code = "rate_limited"
	CodeMethodNotAllowed Code = "method_not_allowed"
	CodeUnavailable      Code = "unavailable"
	CodeInternal         Code = "internal"

	// Codes that only ever close a socket.
	CodeTakenOver    Code = "taken_over"
	CodeIdle         Code = "idle"
	CodeTokenExpired Code = "token_expired"
	CodeRevoked      Code = "revoked"
	CodeSlow         Code = "slow"
	CodeDraining     Code = "draining"
)

// CloseCode is a WebSocket close code. 4000–4499 mean "come back", 4500–4999 "do
// not" (design.md section 11).
type CloseCode uint16

// ErrorSpec is what an error code means at every door.
type ErrorSpec struct {
	Code   Code
	Status int       // the HTTP status
	Close  CloseCode // the close code, where a socket is closed for it
	Doc    string
}

var errorSpecs = []ErrorSpec{
	{CodeInvalidFormat, 400, 4400, "the frame or body is not well formed"},
	{CodeInvalidArgument, 422, 4422, "a field has a value that cannot be used"},
	{CodeTooLarge, 413, 1009, "the frame or body is over the limit"},
	{CodeUnauthenticated, 401, 4401, "the credential is missing, wrong or expired"},
	{CodeForbidden, 403, 4503, "the credential does not allow this"},
	{CodeNotFound, 404, 4404, "there is no such thing, or it is not yours to see"},
	{CodeConflict, 409, 4409, "the same idempotency key came with a different body, or the state does not allow it"},
	{CodeClosed, 409, 4410, "the conversation takes no more messages"},
	{CodeRateLimited, 429, 4429, "too many requests; try again after the time given"},
	{CodeMethodNotAllowed, 405, 4405, "the route does not take this method"},
	{CodeUnavailable, 503, 4013, "a part the server needs is away; nothing was stored"},
	{CodeInternal, 500, 1011, "an unexpected failure; the id given is in the server's log"},
	{CodeTakenOver, 409, 4401, "another socket with the same client_id took over"},
	{CodeIdle, 408, 4408, "the socket was idle for too long"},
	{CodeTokenExpired, 401, 4401, "the token expired and was not refreshed in band"},
	{CodeRevoked, 401, 4501, "the credential was revoked"},
	{CodeSlow, 408, 4413, "the client read too slowly; it may resume with its cursor"},
	{CodeDraining, 503, 4012, "the server is going away; come back"},
}

// ErrorSpecs lists every code in documentation order.
func ErrorSpecs() []ErrorSpec { return errorSpecs }

// Spec returns what the code means; an unknown code is CodeInternal.
func (c Code) Spec() ErrorSpec {
	for _, s := range errorSpecs {
		if s.Code == c {
			return s
		}
	}
	return CodeInternal.Spec()
}

// Error is a failure with a meaning for the client. Message is a sentence for
// the client and never holds a secret or says what exists.
type Error struct {
	Code    Code
	Message string
	// Field names the offending field, may be empty.
	Field string
	// RetryAfter says when to try again; zero where that is not known.
	RetryAfter time.Duration
	// Err is the cause, for the log; may be nil, never shown to a client.
	Err error
}

// Error is the text for the log: code, message and cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Code: c}) ask for the code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Errorf makes an Error; the text is for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError returns the *Error within err, or wraps one that is not: store and
// context failures are CodeUnavailable or CodeInternal with a plain sentence.
// It is the one place where an unknown error gets its meaning. Nil stays nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrNotFound):
		return &Error{Code: CodeNotFound, Message: "not found", Err: err}
	case errors.Is(err, ErrUnavailable):
		return &Error{Code: CodeUnavailable, Message: "the service is not available at the moment", RetryAfter: time.Second, Err: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}

// Errors of the ports, to be tested with errors.Is.
var (
	// ErrNotFound: the store has no such row.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a unique key is taken already.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the store or the bus cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
	// ErrCursor: the cursor is not of this log: unknown epoch, or an offset outside
	// its epoch's range.
	ErrCursor = errors.New("cursor is not valid")
	// ErrGone: the log no longer keeps what lies after the cursor.
	ErrGone = errors.New("log is no longer kept")
	// ErrBlobSize: there are fewer bytes, or more, than was said.
	ErrBlobSize = errors.New("not the number of bytes that was said")
	// ErrFenced: another owner took the run over, or it has ended.
	ErrFenced = errors.New("fenced by a newer owner")
)
