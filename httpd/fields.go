package httpd

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
)

// fields reads the fields of a body one after the other and keeps the first
// mistake, so that a handler asks for err once. A field that is null counts as
// absent where not said otherwise.
type fields struct {
	object jsonr.Object
	err    error
}

// text is a string field, "" where it is absent.
func (f *fields) text(key string) string {
	s, _, err := f.object.Text(key)
	f.fail(err)
	return s
}

// textOrNil is a string field, nil where it is absent; null empties it.
func (f *fields) textOrNil(key string) *string {
	if _, sent := f.object[key]; !sent {
		return nil
	}
	s := f.text(key)
	return &s
}

// need is a string field that must be there and not be empty.
func (f *fields) need(key string) string {
	s := f.text(key)
	if s == "" {
		f.bad(key, "%s is required and must be a string that is not empty", key)
	}
	return s
}

// principals is a field that is an array of principals' ids, nil where it is
// absent.
func (f *fields) principals(key string) []parley.PrincipalID {
	texts, err := f.object.Texts(key)
	f.fail(err)
	var ids []parley.PrincipalID
	for i, s := range texts {
		if s == "" {
			f.bad(key, "%s[%d] must not be empty", key, i)
		}
		ids = append(ids, parley.PrincipalID(s))
	}
	return ids
}

// raw is a field that is a JSON object as it was sent, nil where it is absent;
// null is a mistake, for it is published as it is.
func (f *fields) raw(key string) parley.RawJSON {
	text, ok := f.object[key]
	if !ok {
		return nil
	}
	if len(text) == 0 || text[0] != '{' {
		f.bad(key, "%s must be an object", key)
		return nil
	}
	return parley.RawJSON(text)
}

// objects is a field that must be an array of objects.
func (f *fields) objects(key string) []fields {
	var list []fields
	wrong := -1
	ok := jsonr.Elements(f.object[key], func(text []byte) {
		o, err := jsonr.ParseOwned(text)
		if err != nil && wrong < 0 {
			wrong = len(list)
		}
		list = append(list, fields{object: o})
	})
	switch {
	case !ok:
		f.bad(key, "%s is required and must be an array of objects", key)
	case wrong >= 0:
		f.bad(key, "%s[%d] must be an object", key, wrong)
	}
	return list
}

// once is the key under which a request may be repeated: of the field or, where
// clients cannot add one, of the header Idempotency-Key. Empty for none.
func (f *fields) once(key, header string) string {
	s := f.text(key)
	if s != "" && header != "" && s != header {
		f.bad(key, "%s and the header Idempotency-Key differ", key)
	}
	if s == "" {
		return header
	}
	return s
}

func (f *fields) bad(key, format string, args ...any) {
	f.fail(&jsonr.Error{Field: key, Message: fmt.Sprintf(format, args...)})
}

func (f *fields) badIf(wrong bool, key, format string, args ...any) {
	if wrong {
		f.bad(key, format, args...)
	}
}

// fail keeps the first mistake.
func (f *fields) fail(err error) {
	if err == nil || f.err != nil {
		return
	}
	f.err = err
	if e, ok := errors.AsType[*jsonr.Error](err); ok {
		f.err = &parley.Error{Code: parley.CodeInvalidArgument, Message: e.Message, Field: e.Field}
	}
}

// number reads a query parameter that is a whole number, fallback where it is
// absent or empty.
func number(q url.Values, key string, fallback uint64) (uint64, error) {
	s := q.Get(key)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, &parley.Error{Code: parley.CodeInvalidArgument, Message: key + " must be a whole number, 0 or more", Field: key}
	}
	return n, nil
}

// limit reads how many rows are asked for: 1 to most, more is most.
func limit(q url.Values, fallback, most int) (int, error) {
	n, err := number(q, "limit", uint64(fallback))
	if err == nil && n == 0 {
		err = &parley.Error{Code: parley.CodeInvalidArgument, Message: "limit must be 1 or more", Field: "limit"}
	}
	return int(min(n, uint64(most))), err
}
