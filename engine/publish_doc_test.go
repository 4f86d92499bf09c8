package engine

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// Whoever is refused a name finds it in the documentation.
func TestReservedNamesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/publishing.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for noun := range reservedNouns {
		names = append(names, noun+".")
	}
	_, table, _ := strings.Cut(string(text), "| channels ")
	channels, table, _ := strings.Cut(table, "|")
	_, table, _ = strings.Cut(table, "| types that begin with ")
	types, _, _ := strings.Cut(table, ", in any case")
	for what, c := range map[string]struct {
		listed string
		want   []string
	}{"channels": {channels, slices.Collect(maps.Keys(sources))}, "types": {types, names}} {
		var got []string
		for name := range strings.SplitSeq(strings.TrimSpace(c.listed), ", ") {
			got = append(got, strings.Trim(name, "`"))
		}
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("the %s listed are %v, want %v", what, got, c.want)
		}
	}
}
