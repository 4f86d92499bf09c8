package words

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWordsAreFoldedAndPlaced(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		" -- \x02 … ":                   nil,
		"Hello, world!":                 {"hello", "world"},
		"don't":                         {"don", "t"},
		"Crème BRÛLÉE":                  {"creme", "brulee"},
		"cre\u0300me":                   {"creme"},
		"Straße 42b":                    {"straße", "42b"},
		"\ufb01nd me":                   {"find", "me"},
		"Ёлка":                          {"елка"},
		"東京 tower":                      {"東", "京", "tower"},
		"abc東def":                       {"abc", "東", "def"},
		"हिन्दी":                        {"हिन्दी"},
		"\u0301lone mark":               {"lone", "mark"},
		strings.Repeat("é", 80):         {strings.Repeat("e", 64)},
		strings.Repeat("ж", 40) + " xy": {strings.Repeat("ж", 32), "xy"},
	} {
		var got []string
		for _, w := range Split(text) {
			got = append(got, w.Text)
			if w.Start >= w.End || !utf8.ValidString(text[w.Start:w.End]) {
				t.Errorf("%q: a word lies from %d to %d", text, w.Start, w.End)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTheLastWordOfAQueryMayBeABeginning(t *testing.T) {
	q := Parse("the The quick-bro")
	if !slices.Equal(q.Whole, []string{"the", "quick"}) || q.Last != "bro" {
		t.Errorf("parsed %+v", q)
	}
	if q := Parse(" ?! "); q.Last != "" || q.Whole != nil {
		t.Errorf("nothing parsed as %+v", q)
	}
	if q := Parse(strings.Repeat("a b c d ", 10)); q.Last != "d" || len(q.Whole) != 4 {
		t.Errorf("a long one parsed as %+v", q)
	}
}

func TestASnippetMarksWhatWasFound(t *testing.T) {
	long := strings.Repeat("one ", 40) + "NEEDLE, " + strings.Repeat("two ", 40)
	for _, c := range []struct{ query, text, want string }{
		{"bro quick", "The quick brown fox", "The \x02quick\x03 brown fox"},
		{"quick bro", "The quick brown fox.", "The \x02quick\x03 \x02brown\x03 fox."},
		{"creme", "une Crème, s'il vous plaît", "une \x02Crème\x03, s'il vous plaît"},
		{"x", "nothing", "nothing"},
		{"x", "…", "…"},
		{"b", "\x02a\x03 b", "a \x02b\x03"},
		{"needle", long, "…" + strings.Repeat("one ", 6) + "\x02NEEDLE\x03, " + strings.Repeat("two ", 16) + "two…"},
	} {
		q := Parse(c.query)
		if got := q.Snippet(c.text); got != c.want {
			t.Errorf("%q in %q:\n got  %q\n want %q", c.query, c.text, got, c.want)
		}
	}
}

func TestATextMatchesWhereItHasAllWords(t *testing.T) {
	for _, c := range []struct {
		query, text string
		want        bool
	}{
		{"brown quick", "The QUICK brown fox", true},
		{"brown qui", "The quick brown fox", true},
		{"bro quick", "The quick brown fox", false},
		{"quick cat", "The quick brown fox", false},
		{"quick quick", "quick", true},
		{"", "anything", false},
	} {
		if q := Parse(c.query); q.Match(c.text) != c.want {
			t.Errorf("%q in %q: %t", c.query, c.text, !c.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("Crème \ufb01 東京 cre\u0300me\xff ｱ㍿ \u037a")
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, w := range Split(text) {
			if w.Start < at || w.End <= w.Start || w.End > len(text) || w.Text == "" || len(w.Text) > maxWord {
				t.Fatalf("%q: word %+v after %d", text, w, at)
			}
			for i := range len(w.Text) {
				if c := w.Text[i]; c < utf8.RuneSelf && !starts(rune(c)) {
					t.Fatalf("%q: word %q has a separator", text, w.Text)
				}
			}
			at = w.End
		}
		q := Parse(text)
		_ = q.Snippet(text)
	})
}
