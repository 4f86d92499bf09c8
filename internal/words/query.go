package words

import (
	"slices"
	"strings"
)

// maxQuery is how many words of a query count.
const maxQuery = 32

// snippetWords is how many words a snippet has, and snippetBefore how many of them
// may stand before the first one found.
const (
	snippetWords  = 24
	snippetBefore = 6
)

// The marks around a word that was found.
const (
	MarkStart = "\x02"
	MarkEnd   = "\x03"
)

// Query is what is searched for: texts that have all of Whole and a word that
// begins with Last.
type Query struct {
	Whole []string
	Last  string // empty where the query has no words
}

// Parse makes a query of words, 32 at most.
func Parse(text string) Query {
	var q Query
	for i, w := range Split(text) {
		if i == maxQuery {
			break
		}
		if q.Last != "" && !slices.Contains(q.Whole, q.Last) {
			q.Whole = append(q.Whole, q.Last)
		}
		q.Last = w.Text
	}
	return q
}

// finds reports whether a word is one of those searched for.
func (q *Query) finds(word string) bool {
	return strings.HasPrefix(word, q.Last) || slices.Contains(q.Whole, word)
}

// Match reports whether a text has all that is searched for.
func (q *Query) Match(text string) bool {
	all := Split(text)
	has := func(ok func(word string) bool) bool {
		return slices.ContainsFunc(all, func(w Word) bool { return ok(w.Text) })
	}
	for _, word := range q.Whole {
		if !has(func(w string) bool { return w == word }) {
			return false
		}
	}
	return q.Last != "" && has(func(w string) bool { return strings.HasPrefix(w, q.Last) })
}

// Snippet is the part of a text around the first words found, each of them between
// MarkStart and MarkEnd; an ellipsis stands for what was left out. Such characters
// of the text itself are not in it.
func (q *Query) Snippet(text string) string {
	all := Split(text)
	first := max(0, slices.IndexFunc(all, func(w Word) bool { return q.finds(w.Text) }))
	from := max(0, min(first-snippetBefore, len(all)-snippetWords))
	to := min(len(all), from+snippetWords)
	if len(all) == 0 {
		return clean(text)
	}
	var b strings.Builder
	at := 0
	if from > 0 {
		at = all[from].Start
		b.WriteString("…")
	}
	for _, w := range all[from:to] {
		b.WriteString(clean(text[at:w.Start]))
		if at = w.End; q.finds(w.Text) {
			b.WriteString(MarkStart + text[w.Start:w.End] + MarkEnd)
		} else {
			b.WriteString(text[w.Start:w.End])
		}
	}
	if to < len(all) {
		b.WriteString("…")
	} else {
		b.WriteString(clean(text[at:]))
	}
	return b.String()
}

var marks = strings.NewReplacer(MarkStart, "", MarkEnd, "")

// clean takes the marks out of a text.
func clean(text string) string { return marks.Replace(text) }
