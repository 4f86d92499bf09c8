// Package report keeps what was measured, and where: as JSON, as a Markdown table
// and as a picture.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Figure is one thing that was measured.
type Figure struct {
	Name  string  `json:"name"` // "deliveries"
	Unit  string  `json:"unit"` // "/s"; empty for a count
	Value float64 `json:"value"`
}

// Report is what one call has measured. Not safe for concurrent use.
type Report struct {
	Command string    `json:"command"`
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	Commit  string    `json:"commit"`
	Runs    []Run     `json:"runs"`
}

// Machine is where it was measured.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryMB    int64  `json:"memory_mb"`
	Kernel      string `json:"kernel"`
	Go          string `json:"go"`
	ServerCores []int  `json:"server_cores"`
}

// Run is one round of one peer in one scenario.
type Run struct {
	Scenario string   `json:"scenario"`
	Peer     string   `json:"peer"`
	Round    int      `json:"round"`
	Figures  []Figure `json:"figures,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// New describes this machine.
func New(ctx context.Context, serverCores []int) *Report {
	r := &Report{Time: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx), Machine: Machine{
		Cores: runtime.NumCPU(), Go: runtime.Version(), ServerCores: serverCores,
		CPU: afterColon("/proc/cpuinfo", "model name"), Kernel: firstLine("/proc/sys/kernel/osrelease"),
	}}
	var kb int64
	_, _ = fmt.Sscan(afterColon("/proc/meminfo", "MemTotal"), &kb)
	r.Machine.MemoryMB = kb >> 10
	return r
}

// commit is what this binary was built from, or what is checked out here.
func commit(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func afterColon(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// Add notes what a round has shown. A round in which nothing was delivered has
// figures that are no numbers, and that JSON cannot hold: they are left out.
func (r *Report) Add(scenario, peer string, round int, figures []Figure) {
	figures = slices.DeleteFunc(slices.Clone(figures), func(f Figure) bool {
		return math.IsNaN(f.Value) || math.IsInf(f.Value, 0)
	})
	r.Runs = append(r.Runs, Run{scenario, peer, round, figures, ""})
}

// Fail notes that a round failed.
func (r *Report) Fail(scenario, peer string, round int, err error) {
	r.Runs = append(r.Runs, Run{scenario, peer, round, nil, err.Error()})
}

// WriteJSON writes all of it to a file, whose directory is made.
func (r *Report) WriteJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// Include takes in the runs of a report that was written before. One of another
// commit or another machine is an error: its figures say nothing beside these.
func (r *Report) Include(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var before Report
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if before.Commit != r.Commit || before.Machine.CPU != r.Machine.CPU || before.Machine.Kernel != r.Machine.Kernel {
		return fmt.Errorf("%s: it is of commit %s on %s, this is %s on %s", path, before.Commit, before.Machine.CPU, r.Commit, r.Machine.CPU)
	}
	r.Runs = append(before.Runs, r.Runs...)
	r.Command = before.Command + "; " + r.Command
	return nil
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// Summary is the rounds of one peer in one scenario taken together.
type Summary struct {
	Peer   string
	Rounds int
	Failed int
	Values []Spread // in the order of the figures
}

// Spread is a figure over all rounds.
type Spread struct {
	Name, Unit       string
	Median, Min, Max float64
}

// Scenarios lists those that were measured, in order.
func (r *Report) Scenarios() (names []string) {
	for i := range r.Runs {
		if !slices.Contains(names, r.Runs[i].Scenario) {
			names = append(names, r.Runs[i].Scenario)
		}
	}
	return names
}

// Summaries takes the rounds of a scenario together, peer by peer in the order of
// their names in the first round.
func (r *Report) Summaries(scenario string) []Summary {
	var list []Summary
	values := map[string]map[string][]float64{}
	for _, run := range r.Runs {
		if run.Scenario != scenario {
			continue
		}
		at := slices.IndexFunc(list, func(s Summary) bool { return s.Peer == run.Peer })
		if at < 0 {
			at = len(list)
			list = append(list, Summary{Peer: run.Peer})
			values[run.Peer] = map[string][]float64{}
		}
		s := &list[at]
		s.Rounds++
		if run.Error != "" {
			s.Failed++
		}
		for _, f := range run.Figures {
			if values[run.Peer][f.Name] == nil {
				s.Values = append(s.Values, Spread{Name: f.Name, Unit: f.Unit})
			}
			values[run.Peer][f.Name] = append(values[run.Peer][f.Name], f.Value)
		}
	}
	for i := range list {
		for j := range list[i].Values {
			v := &list[i].Values[j]
			v.Median, v.Min, v.Max = spread(values[list[i].Peer][v.Name])
		}
	}
	return list
}

func spread(values []float64) (median, least, most float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0, 0, 0
	}
	median = sorted[n/2]
	if n%2 == 0 {
		median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return median, sorted[0], sorted[n-1]
}
