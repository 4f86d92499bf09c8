package sqlite

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// bareLimit is a parameter that is the whole of a LIMIT.
var bareLimit = regexp.MustCompile(`LIMIT \?\d*\s*([^\s\d+]|$)`)

// A statement whose limit is a bare parameter is compiled again for each execution
// (see the package comment).
func TestNoLimitIsABareParameter(t *testing.T) {
	if !bareLimit.MatchString("ORDER BY pos LIMIT ?3`") || bareLimit.MatchString("LIMIT ?12 + 0") {
		t.Fatal("the pattern does not find what it is for")
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, name := range files {
		if name == "doc.go" || name == "limit_test.go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bareLimit.FindIndex(text); at != nil {
			t.Errorf("%s: %q", name, text[at[0]:at[1]])
		}
	}
}
