package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample() *Report {
	r := &Report{Command: "parley bench", Commit: "abc", Machine: Machine{CPU: "<fast & small>", Cores: 2}}
	for round, v := range []float64{1_234_567, 1_100_000, 1_300_000} {
		r.Add("fanout-1k", "parley-topics", round+1, []Figure{{"deliveries", "/s", v}, {"p99", "ms", 1.5}})
		r.Add("fanout-1k", "nats", round+1, []Figure{{"deliveries", "/s", v / 2}})
	}
	r.Fail("fanout-1k", "nats", 4, errors.New("3 messages were lost"))
	return r
}

func TestMarkdownShowsMediansAndSpread(t *testing.T) {
	var b strings.Builder
	if err := sample().Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| peer | deliveries/s | p99, ms | rounds |",
		"| parley-topics | 1,230,000 (1,100,000–1,300,000) | 1.50 (1.50–1.50) | 3 |",
		"| nats | 617,000 (550,000–650,000) |  | 4, 1 failed |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, b.String())
		}
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.01234: "0.0123", 1: "1.00", 12.345: "12.3", 99.96: "100.0", 123.4: "123", 1234: "1,230", 999_999: "1,000,000", -5678: "-5,680",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	r := sample()
	if err := errors.Join(r.WriteJSON(filepath.Join(dir, "a", "r.json")), r.WriteSVG(filepath.Join(dir, "r.svg"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a", "r.json"))
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil || len(again.Runs) != 7 {
		t.Errorf("%d runs, %v", len(again.Runs), err)
	}
	more := sample()
	if err := more.Include(filepath.Join(dir, "a", "r.json")); err != nil || len(more.Runs) != 14 {
		t.Errorf("%d runs together, %v", len(more.Runs), err)
	}
	more.Commit = "def"
	if err := more.Include(filepath.Join(dir, "a", "r.json")); err == nil {
		t.Error("figures of another commit are taken in")
	}
	svg, err := os.Open(filepath.Join(dir, "r.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer svg.Close()
	d := xml.NewDecoder(svg)
	bars := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // the ground and two bars
		t.Errorf("%d bars", bars)
	}
}

// A round that shows no number for a figure is written and read again without it.
func TestARoundWithoutANumberIsWritten(t *testing.T) {
	r := sample()
	r.Add("many", "nats", 1, []Figure{{"deliveries", "/s", 0}, {"p99", "ms", math.NaN()}, {"ratio", "", math.Inf(1)}})
	path := filepath.Join(t.TempDir(), "out.json")
	if err := r.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	if got := r.Runs[len(r.Runs)-1].Figures; len(got) != 1 || got[0].Name != "deliveries" {
		t.Errorf("figures %v", got)
	}
}
