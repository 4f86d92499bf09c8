package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Markdown writes a table for each scenario: medians, and where there were several
// rounds the least and the most in parentheses.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	m := &r.Machine
	fmt.Fprintf(&b, "Commit %s, %s. %s, %d cores, %d MB, Linux %s, %s; server on cores %v.\n`%s`\n",
		r.Commit, r.Time.Format("2006-01-02"), m.CPU, m.Cores, m.MemoryMB, m.Kernel, m.Go, m.ServerCores, r.Command)
	for _, scenario := range r.Scenarios() {
		r.table(&b, scenario)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) table(b *strings.Builder, scenario string) {
	list := r.Summaries(scenario)
	var columns []Spread
	for i := range list {
		if len(list[i].Values) > len(columns) {
			columns = list[i].Values
		}
	}
	fmt.Fprintf(b, "\n%s\n\n| peer |", scenario)
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", title(c.Name, c.Unit))
	}
	fmt.Fprintf(b, " rounds |\n|---|%s---|\n", strings.Repeat("---|", len(columns)))
	for i := range list {
		s := &list[i]
		fmt.Fprintf(b, "| %s |", s.Peer)
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", s.cell(c.Name))
		}
		fmt.Fprintf(b, " %d", s.Rounds)
		if s.Failed > 0 {
			fmt.Fprintf(b, ", %d failed", s.Failed)
		}
		b.WriteString(" |\n")
	}
}

// cell is a figure as a table shows it; empty where the peer has none.
func (s *Summary) cell(name string) string {
	for _, v := range s.Values {
		switch {
		case v.Name != name:
		case s.Rounds-s.Failed > 1:
			return fmt.Sprintf("%s (%s–%s)", Number(v.Median), Number(v.Min), Number(v.Max))
		default:
			return Number(v.Median)
		}
	}
	return ""
}

func title(name, unit string) string {
	switch {
	case unit == "":
		return name
	case strings.HasPrefix(unit, "/"):
		return name + unit
	}
	return name + ", " + unit
}

// Number writes a value with three significant digits, thousands apart.
func Number(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	if digits >= 0 {
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	whole := strconv.FormatFloat(math.Round(v/math.Pow10(-digits))*math.Pow10(-digits), 'f', 0, 64)
	return thousands(whole)
}

func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Line is the figures in one line.
func Line(figures []Figure) string {
	parts := make([]string, len(figures))
	for i, f := range figures {
		parts[i] = fmt.Sprintf("%s %s", title(f.Name, f.Unit), Number(f.Value))
	}
	return strings.Join(parts, " · ")
}
