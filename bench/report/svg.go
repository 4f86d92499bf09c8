package report

import (
	"fmt"
	"strings"
)

// Measures of the picture, in its own units.
const (
	wide, rowHigh, groupGap, labelWide, barWide = 860, 24, 16, 150, 520
)

// ours and theirs are the colours of the bars.
const (
	ours   = "#0b7a75"
	theirs = "#b8c0c8"
)

// WriteSVG draws, for each scenario, a bar for the first figure of every peer, the
// median, with a line from the least to the most.
func (r *Report) WriteSVG(path string) error {
	var b strings.Builder
	y := 64
	for _, scenario := range r.Scenarios() {
		y = r.group(&b, scenario, y) + groupGap
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="14">`+"\n", wide, y)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", wide, y)
	fmt.Fprintf(&out, `<text x="20" y="30" font-size="18" font-weight="600">Parley and its peers, one server core</text>`+"\n")
	fmt.Fprintf(&out, `<text x="20" y="50" fill="#66707a">%s, commit %s, %s; bars are medians, lines the least and the most</text>`+"\n",
		escape(r.Machine.CPU), escape(r.Commit), r.Time.Format("2006-01-02"))
	out.WriteString(b.String())
	out.WriteString("</svg>\n")
	return writeFile(path, []byte(out.String()))
}

// group draws one scenario from y on and returns where it ends.
func (r *Report) group(b *strings.Builder, scenario string, y int) int {
	list := r.Summaries(scenario)
	var first Spread
	most := 0.0
	for i := range list {
		if len(list[i].Values) > 0 {
			first = list[i].Values[0]
			most = max(most, first.Max)
		}
	}
	if most == 0 {
		return y
	}
	y += 24
	fmt.Fprintf(b, `<text x="20" y="%d" font-weight="600">%s: %s</text>`+"\n", y, escape(scenario), escape(title(first.Name, first.Unit)+better(first.Unit)))
	y += 10
	for i := range list {
		if len(list[i].Values) == 0 {
			continue
		}
		v := list[i].Values[0]
		at := func(value float64) float64 { return labelWide + value/most*barWide }
		colour := theirs
		if strings.HasPrefix(list[i].Peer, "parley") {
			colour = ours
		}
		middle := y + rowHigh/2
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWide-8, middle+5, escape(list[i].Peer))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWide, y+3, at(v.Median)-labelWide, rowHigh-6, colour)
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#30363c" stroke-width="1.5"/>`+"\n", at(v.Min), at(v.Max), middle, middle)
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`+"\n", at(v.Max)+8, middle+5, Number(v.Median))
		y += rowHigh
	}
	return y
}

// better says of what there should be little.
func better(unit string) string {
	switch unit {
	case "ms", "s", "µs", "kB", "MB", "B":
		return " (less is better)"
	}
	return ""
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
