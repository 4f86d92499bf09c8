package app

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedOnceItIsQuiet(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var m memory
	runtime.GC()
	before := m.read()
	if before.live == 0 || before.objects == 0 || before.allocs == 0 {
		t.Fatalf("the runtime says nothing of its heap: %+v", before)
	}
	const garbage = 4 * freeWorth
	for range garbage / (1 << 20) {
		kept = make([]byte, 1<<20)
	}
	kept = nil
	busy := m.read()
	if busy.due(&before) {
		t.Error("it collects while much is allocated")
	}
	quiet := m.read()
	if !quiet.due(&busy) {
		t.Errorf("it does not collect %d bytes of garbage: %+v after %+v", garbage, quiet, busy)
	}
	runtime.GC()
	collected := m.read()
	if again := m.read(); !again.due(&collected) {
		t.Errorf("it keeps what a collection of %d bytes left free: %+v", garbage, again)
	}
	debug.FreeOSMemory()
	quiet = m.read()
	if now := m.read(); now.due(&quiet) {
		t.Errorf("what was collected just now is collected again: %+v after %+v", now, quiet)
	}
}

// kept is where the compiler cannot see that nobody looks.
var kept []byte
