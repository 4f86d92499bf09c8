package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
)

// file is what bench/instructions.txt holds: comments, a line with the toolchain,
// and a line for each budget.
type file struct {
	comment   string // the lines that begin with #, as they stand
	toolchain string
	budgets   []budget
}

// budget is a benchmark and the instructions that one iteration of it may take.
type budget struct {
	folder      string // of its package: ./hub
	benchmark   string // with its sub-benchmark: BenchmarkX/case
	fewer, more int    // iterations of the two runs
	most        uint64
}

const goLine = "toolchain "

// parse reads a file as String writes it.
func parse(text string) (*file, error) {
	f := &file{}
	for line := range strings.Lines(text) {
		var b budget
		switch {
		case strings.HasPrefix(line, "#"):
			f.comment += line
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, goLine):
			f.toolchain = strings.TrimSpace(line[len(goLine):])
		default:
			if _, err := fmt.Sscan(line, &b.folder, &b.benchmark, &b.fewer, &b.more, &b.most); err != nil {
				return nil, fmt.Errorf("line %q: %w", strings.TrimSpace(line), err)
			}
			if b.fewer < 1 || b.more <= b.fewer {
				return nil, fmt.Errorf("%s: %d and %d iterations leave nothing to count", b.benchmark, b.fewer, b.more)
			}
			f.budgets = append(f.budgets, b)
		}
	}
	if len(f.budgets) == 0 {
		return nil, errors.New("there are none")
	}
	return f, nil
}

func (f *file) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s%s\n\n", f.comment, goLine, f.toolchain)
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, b := range f.budgets {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", b.folder, b.benchmark, b.fewer, b.more, b.most)
	}
	_ = w.Flush() // to a Builder
	return out.String()
}

// verdict says how what was counted stands to the budget; over where it is more
// than chance explains.
func (b *budget) verdict(got uint64) (text string, over bool) {
	ratio := float64(got)/float64(b.most) - 1
	switch {
	case b.most == 0:
		return "without a budget: run with -update", true
	case ratio > tolerance:
		return fmt.Sprintf("%+.1f %% of %d: OVER", ratio*100, b.most), true
	case ratio < -tolerance:
		return fmt.Sprintf("%+.1f %% of %d: lower the budget with -update", ratio*100, b.most), false
	}
	return fmt.Sprintf("%+.1f %% of %d", ratio*100, b.most), false
}
