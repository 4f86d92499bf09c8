// Package jsonr reads one small JSON object that a stranger sent. It is strict
// where encoding/json is lenient: keys match exactly, nesting is bounded, and
// what is wrong is said in a sentence that may be shown to the sender.
//
// A field that is null counts as absent, as it does for clients that write
// undefined values out.
package jsonr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// MaxDepth bounds how deep objects and arrays may nest; the object itself is 1.
const MaxDepth = 64

// Error says what is wrong with the text. Message is a sentence for whoever sent
// it; Field names the field it is about, empty where it is the text as a whole.
type Error struct{ Field, Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Object is a JSON object, its values unread. The nil Object has no fields.
type Object map[string]json.RawMessage

func errDepth() *Error {
	return &Error{Message: fmt.Sprintf("the JSON is nested deeper than %d", MaxDepth)}
}

// Parse reads text as exactly one JSON object and keeps nothing of it. Of fields
// that are there twice the last counts. The error is an *Error.
func Parse(text []byte) (Object, error) { return ParseOwned(bytes.Clone(text)) }

// ParseOwned is Parse of a text that is the object's from then on: the values lie
// in it.
func ParseOwned(text []byte) (Object, error) {
	o := Object{}
	if _, err := Each(text, func(key string, value []byte) { o[key] = value }); err != nil {
		return nil, err
	}
	return o, nil
}

// String is the string that a valid JSON value is; false where it is none.
func String(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unquote(value), true
}

// Has reports whether the field is there and not null.
func (o Object) Has(key string) bool {
	raw, ok := o[key]
	return ok && string(raw) != "null"
}

// Text returns a string field; ok is false where it is absent.
func (o Object) Text(key string) (s string, ok bool, err error) {
	if s, ok = String(o[key]); ok {
		return s, true, nil
	}
	ok, err = o.read(key, "a string", &s)
	return s, ok, err
}

// Texts returns a field that is an array of strings; nil where it is absent.
func (o Object) Texts(key string) ([]string, error) {
	if !o.Has(key) {
		return nil, nil
	}
	list, all := []string{}, true
	if !Elements(o[key], func(value []byte) {
		s, ok := String(value)
		list, all = append(list, s), all && ok
	}) || !all {
		return nil, wrong(key, "an array of strings")
	}
	return list, nil
}

// Uint returns a field that is a whole number, written without fraction or
// exponent; ok is false where it is absent.
func (o Object) Uint(key string) (n uint64, ok bool, err error) {
	if !o.Has(key) {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(string(o[key]), 10, 64); err != nil {
		return 0, false, wrong(key, "a whole number, 0 or more")
	}
	return n, true, nil
}

// IsNumber reports whether the field is a number of any sort.
func (o Object) IsNumber(key string) bool {
	raw := o[key]
	return len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9')
}

// Object returns a field that is an object; nil where it is absent.
func (o Object) Object(key string) (Object, error) {
	var child Object
	_, err := o.read(key, "an object", &child)
	return child, err
}

func (o Object) read(key, want string, into any) (ok bool, err error) {
	if !o.Has(key) {
		return false, nil
	}
	if err := json.Unmarshal(o[key], into); err != nil {
		return false, wrong(key, want)
	}
	return true, nil
}

func wrong(key, want string) error {
	return &Error{Field: key, Message: key + " must be " + want}
}
