// Package allocs holds hot paths to what they may allocate. A count is the same on
// a fast machine and on a busy one, so it can be checked where a time cannot.
//
// What the paths may spend in instructions is held by internal/instructions.
package allocs

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/parley-chat/parley/internal/race"
)

// runs is how often a path is gone: what is allocated once in a while, such as the
// growth of a table, is rounded away.
const runs = 100

// Row is one path and what it may allocate.
type Row struct {
	Name string
	// Most is how many allocations the path may make per event: what was measured
	// when the row was written and, where that may vary, a little more.
	Most float64
	// Events is how many events one Do is; 0 stands for 1.
	Events int
	Do     func()
}

// Check goes each path and fails the test where it allocates more than its row
// says. With -v it tells what was counted. Under the race detector it skips. It is
// not for parallel tests: it counts what the whole process allocates.
func Check(t *testing.T, rows ...Row) {
	t.Helper()
	if race.Enabled {
		t.Skip("the race detector changes what is allocated: make budgets counts without it")
	}
	// Without collections in between, what lies in pools stays there.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, r := range rows {
		t.Run(r.Name, func(t *testing.T) {
			t.Helper()
			for range runs / 10 { // pools and tables fill
				r.Do()
			}
			got := testing.AllocsPerRun(runs, r.Do) / float64(max(r.Events, 1))
			t.Logf("%.2f allocations, at most %g", got, r.Most)
			if got > r.Most {
				t.Errorf("%.2f allocations per event, at most %g", got, r.Most)
			}
		})
	}
}

// Held is something that is kept, and how much memory it may take.
type Held struct {
	Name string
	// Most is how many bytes of the heap each of N may hold once what making them left
	// behind is collected: what was measured when the row was written and a little more.
	Most float64
	N    int
	// Make makes all N, and returns what holds them.
	Make func() any
}

// CheckHeld makes what each row says and fails the test where it holds more. What
// it counts is what Check does not: how small a thing is, however it was made.
// It skips, and may not be used, where Check does and may not.
func CheckHeld(t *testing.T, rows ...Held) {
	t.Helper()
	if race.Enabled {
		t.Skip("the race detector changes what is allocated: make budgets counts without it")
	}
	for _, r := range rows {
		t.Run(r.Name, func(t *testing.T) {
			t.Helper()
			before := live()
			kept := r.Make()
			got := (float64(live()) - float64(before)) / float64(r.N)
			runtime.KeepAlive(kept)
			t.Logf("%.1f bytes, at most %g", got, r.Most)
			if got > r.Most {
				t.Errorf("%.1f bytes each, at most %g", got, r.Most)
			}
		})
	}
}

// live is what the heap holds, in bytes. A second collection empties what pools
// kept over the first.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
