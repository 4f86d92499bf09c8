// Package words finds the words of a text, for search: what is typed is compared
// with what was written without regard to case, accents and forms of a letter.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord is how much of a folded word is told apart, in bytes.
const maxWord = 64

// Word is a word of a text, and where it is.
type Word struct {
	Text       string // folded, see Split
	Start, End int    // in the text, in bytes
}

// Split returns the words of a text: runs of letters, digits and the marks on them.
// Where a script writes no spaces between words (Chinese, Japanese) each character
// is one. They are folded: in lower case, compatible characters made one, without
// accents, and cut at 64 bytes.
func Split(text string) []Word {
	var all []Word
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if !starts(r) {
			i += size
			continue
		}
		start := i
		for i += size; i < len(text); i += size {
			next := rune(text[i])
			if size = 1; next >= utf8.RuneSelf {
				next, size = utf8.DecodeRuneInString(text[i:])
			}
			if !starts(next) && !unicode.IsMark(next) || !unicode.IsMark(next) && (alone(r) || alone(next)) {
				break
			}
		}
		if folded := fold(text[start:i]); folded != "" {
			all = append(all, Word{folded, start, i})
		}
	}
	return all
}

// starts reports whether a word may begin with r.
func starts(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// alone reports whether r is a word of its own.
func alone(r rune) bool {
	return r >= 0x2e80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// fold makes one spelling of all that are meant by a word.
func fold(word string) string {
	plain, upper := true, false
	for i := range len(word) {
		plain = plain && word[i] < utf8.RuneSelf
		upper = upper || 'A' <= word[i] && word[i] <= 'Z'
	}
	switch {
	case plain && upper:
		word = strings.ToLower(word)
	case !plain:
		word = strings.Map(bare, norm.NFKD.String(word))
	}
	if len(word) <= maxWord {
		return word
	}
	cut := maxWord
	for !utf8.RuneStart(word[cut]) {
		cut--
	}
	return word[:cut]
}

// bare is r in lower case; nothing of an accent, nor of what is no part of a word
// (some letters are made of such).
func bare(r rune) rune {
	switch {
	case unicode.Is(unicode.Mn, r) && unicode.In(r, unicode.Inherited):
		return -1
	case !starts(r) && !unicode.IsMark(r):
		return -1
	}
	return unicode.ToLower(r)
}
