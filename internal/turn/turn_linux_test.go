package turn_test

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/internal/turn"
)

// Who has something to read is run before whoever yielded goes on, though nobody
// has asked the network yet. Now and then the scheduler lets the other go first.
func TestATurnIsWhoseHasSomethingToRead(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	mine := turn.New()
	defer mine.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var read atomic.Int64
	go func() {
		for b := []byte{0}; ; read.Add(1) {
			if _, err := r.Read(b); err != nil {
				return
			}
		}
	}()
	mine.Give() // the reader waits now
	const rounds = 200
	inTime := 0
	for range rounds {
		before := read.Load()
		if _, err := w.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		if mine.Give(); read.Load() > before {
			inTime++
		}
	}
	if inTime < rounds*3/4 {
		t.Fatalf("the reader was first in %d rounds of %d", inTime, rounds)
	}
}

func TestTheZeroTurnWorks(*testing.T) {
	var zero turn.Turn
	zero.Give()
	zero.Close()
}
