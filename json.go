package parley

import "unicode/utf8"

// The scanners read JSON as encoding/json takes it: of strings they look at the
// escapes and not at the UTF-8. Each begins at text[i] and returns where what it
// read ends, or false where it is not well formed. The root may not import
// internal/jsonr, which reads what strangers send; this is for what the store and
// the bus bring back.

// scanObject reads the object that begins at i.
func scanObject(text []byte, i, depth int) (end int, ok bool) {
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return i + 1, true
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return i, false
		}
		if i, ok = scanString(text, i); !ok {
			return i, false
		}
		if i = skipSpace(text, i); i >= len(text) || text[i] != ':' {
			return i, false
		}
		if i, ok = scanValue(text, skipSpace(text, i+1), depth-1); !ok {
			return i, false
		}
		if i = skipSpace(text, i); i >= len(text) {
			return i, false
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case '}':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func scanArray(text []byte, i, depth int) (end int, ok bool) {
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = scanValue(text, i, depth-1); !ok {
			return i, false
		}
		if i = skipSpace(text, i); i >= len(text) {
			return i, false
		}
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
		case ']':
			return i + 1, true
		default:
			return i, false
		}
	}
}

// scanValue reads the value that begins at i, of which nothing may nest deeper
// than depth.
func scanValue(text []byte, i, depth int) (end int, ok bool) {
	if i >= len(text) {
		return i, false
	}
	switch c := text[i]; {
	case c == '"':
		return scanString(text, i)
	case c == '{':
		if depth < 1 {
			return i, false
		}
		return scanObject(text, i, depth)
	case c == '[':
		if depth < 1 {
			return i, false
		}
		return scanArray(text, i, depth)
	case c == '-' || isDigit(c):
		return scanNumber(text, i)
	case c == 't':
		return scanWord(text, i, "true")
	case c == 'f':
		return scanWord(text, i, "false")
	case c == 'n':
		return scanWord(text, i, "null")
	}
	return i, false
}

func scanWord(text []byte, i int, word string) (end int, ok bool) {
	end = i + len(word)
	return end, end <= len(text) && string(text[i:end]) == word
}

// stopsString is true for the bytes that do not simply belong to a string.
var stopsString = func() (stops [256]bool) {
	for c := range 0x20 {
		stops[c] = true
	}
	stops['"'], stops['\\'] = true, true
	return stops
}()

// scanString reads the string whose opening quote is at i.
func scanString(text []byte, i int) (end int, ok bool) {
	for i++; i < len(text); i++ {
		c := text[i]
		if !stopsString[c] {
			continue
		}
		switch c {
		case '"':
			return i + 1, true
		case '\\':
			n := escapeLen(text[i:])
			if n == 0 {
				return i, false
			}
			i += n - 1
		default:
			return i, false
		}
	}
	return i, false
}

// escapeLen is the length of the escape that text begins with, 0 where it is none.
func escapeLen(text []byte) int {
	if len(text) < 2 {
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
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// scanNumber reads the number that begins at i with a digit or a minus.
func scanNumber(text []byte, i int) (end int, ok bool) {
	if text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	default:
		if i, ok = scanDigits(text, i); !ok {
			return i, false
		}
	}
	if i < len(text) && text[i] == '.' {
		if i, ok = scanDigits(text, i+1); !ok {
			return i, false
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return scanDigits(text, i)
	}
	return i, true
}

// scanDigits reads one digit or more.
func scanDigits(text []byte, i int) (end int, ok bool) {
	from := i
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i, i > from
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// appendString appends s as a JSON string, byte for byte as encoding/json does
// without HTML escapes: that is how strings are stored.
func appendString(dst []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && !stopsString[c] {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		switch {
		case size == 3: // U+2028 and U+2029
			dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[s[i+2]&15])
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += size
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
