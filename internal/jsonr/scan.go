package jsonr

import (
	"encoding/json"
	"unicode/utf8"
)

// Each reads text as exactly one JSON object and calls fn with its fields in their
// order, repeated ones too: the key, and the value as it stands in text, without
// the blanks around it. compact says that text has no blanks between its tokens.
// The error is an *Error; fn may have been called before it. Bytes that are not
// UTF-8 are not looked for.
func Each(text []byte, fn func(key string, value []byte)) (compact bool, err error) {
	s := scanner{text: text, compact: true}
	s.blanks()
	if s.at >= len(text) || text[s.at] != '{' {
		if json.Valid(text) {
			return false, &Error{Message: "it must be one JSON object"}
		}
		return false, errSyntax()
	}
	if !s.object(1, fn) {
		return false, s.failure()
	}
	if s.blanks(); s.at < len(text) {
		return false, errSyntax()
	}
	return s.compact, nil
}

// Elements calls fn with the values of a valid JSON array, in their order, as they
// stand in it; false where the value is none.
func Elements(value []byte, fn func(value []byte)) bool {
	if len(value) == 0 || value[0] != '[' {
		return false
	}
	s := scanner{text: value}
	return s.array(1, fn)
}

// Compact appends a valid JSON text to dst without the blanks between its tokens.
func Compact(dst, text []byte) []byte {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && isBlank(c):
			dst = append(dst, text[start:i]...)
			start = i + 1
		}
	}
	return append(dst, text[start:]...)
}

// plain marks the bytes that mean nothing within a string but themselves.
var plain = func() (t [256]bool) {
	for c := 0x20; c < len(t); c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// scanner walks a text once. Its methods report whether what they stand before is
// there, and then stand behind it.
type scanner struct {
	text    []byte
	at      int
	compact bool // no blanks so far
	deep    bool // it was left because it nests too deep
}

func errSyntax() *Error { return &Error{Message: "it is not valid JSON"} }

func (s *scanner) failure() *Error {
	if s.deep {
		return errDepth()
	}
	return errSyntax()
}

func (s *scanner) blanks() {
	for s.at < len(s.text) && isBlank(s.text[s.at]) {
		s.at++
		s.compact = false
	}
}

// next takes the byte c, after blanks.
func (s *scanner) next(c byte) bool {
	s.blanks()
	if s.at >= len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// object reads an object; fn is nil where nobody wants to know its fields.
func (s *scanner) object(depth int, fn func(key string, value []byte)) bool {
	if !s.enter(depth) {
		return false
	}
	if s.next('}') {
		return true
	}
	for {
		s.blanks()
		from := s.at
		if !s.quoted() {
			return false
		}
		key := s.text[from:s.at]
		if !s.next(':') {
			return false
		}
		s.blanks()
		from = s.at
		if !s.value(depth + 1) {
			return false
		}
		if fn != nil {
			fn(unquote(key), s.text[from:s.at])
		}
		if s.next('}') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// array reads an array; fn is nil where nobody wants to know its elements.
func (s *scanner) array(depth int, fn func(value []byte)) bool {
	if !s.enter(depth) {
		return false
	}
	if s.next(']') {
		return true
	}
	for {
		s.blanks()
		from := s.at
		if !s.value(depth + 1) {
			return false
		}
		if fn != nil {
			fn(s.text[from:s.at])
		}
		if s.next(']') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// enter takes the bracket that opens an object or array.
func (s *scanner) enter(depth int) bool {
	s.at++
	s.deep = depth > MaxDepth
	return !s.deep
}

func (s *scanner) value(depth int) bool {
	if s.at >= len(s.text) {
		return false
	}
	switch c := s.text[s.at]; c {
	case '{':
		return s.object(depth, nil)
	case '[':
		return s.array(depth, nil)
	case '"':
		return s.quoted()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) word(w string) bool {
	end := s.at + len(w)
	if end > len(s.text) || string(s.text[s.at:end]) != w {
		return false
	}
	s.at = end
	return true
}

// quoted reads a string.
func (s *scanner) quoted() bool {
	text, i := s.text, s.at
	if i >= len(text) || text[i] != '"' {
		return false
	}
	for i++; i < len(text); i++ {
		if plain[text[i]] {
			continue
		}
		if text[i] == '"' {
			s.at = i + 1
			return true
		}
		n := escape(text[i:])
		if n == 0 {
			return false
		}
		i += n - 1
	}
	return false
}

// escape is the length of the escape sequence that text begins with, 0 for none.
func escape(text []byte) int {
	if len(text) < 2 || text[0] != '\\' {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) < 6 {
			return 0
		}
		for _, c := range text[2:6] {
			if (c < '0' || '9' < c) && (c < 'a' || 'f' < c) && (c < 'A' || 'F' < c) {
				return 0
			}
		}
		return 6
	}
	return 0
}

// number reads a number: a sign, digits without a leading zero, fraction and
// exponent.
func (s *scanner) number() bool {
	if s.text[s.at] == '-' {
		s.at++
	}
	from := s.at
	n := s.digits()
	if n == 0 || n > 1 && s.text[from] == '0' {
		return false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return false
		}
	}
	if s.at >= len(s.text) || s.text[s.at]|0x20 != 'e' {
		return true
	}
	s.at++
	if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
		s.at++
	}
	return s.digits() > 0
}

func (s *scanner) digits() (n int) {
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
		n++
	}
	return n
}

// unquote is the string that a valid JSON string spells.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if isOwnText(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return s
}

// isOwnText reports whether the inside of a JSON string stands for itself.
func isOwnText(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' {
			return false
		}
		if c >= utf8.RuneSelf {
			return utf8.Valid(inner) && !hasEscape(inner)
		}
	}
	return true
}

func hasEscape(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' {
			return true
		}
	}
	return false
}
