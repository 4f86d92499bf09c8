package engine

import (
	"strings"
	"unicode/utf8"
)

// cutRunes splits off the beginning of a rune at the end of s.
func cutRunes(s string) (whole, rest string) {
	for i := len(s) - 1; i >= 0 && i >= len(s)-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			if !utf8.FullRuneInString(s[i:]) {
				return s[:i], s[i:]
			}
			break
		}
	}
	return s, ""
}

// cutPiece returns as much of s, valid UTF-8, as one delta may hold.
func cutPiece(s string) string {
	if len(s) <= maxPiece {
		return s
	}
	n := maxPiece
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// cleanText replaces what cannot be stored everywhere.
func cleanText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	return strings.ReplaceAll(s, "\x00", "\ufffd")
}
