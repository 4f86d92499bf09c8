package bustest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// blocked subscribes with a callback that says when it began and waits to be
// released; over says whether it has returned.
func blocked(t *testing.T, b parley.Bus) (stop func(), began <-chan struct{}, release chan<- struct{}, over *atomic.Bool) {
	begin, free, ended := make(chan struct{}, 1), make(chan struct{}), new(atomic.Bool)
	stop = subscribe(t, b, "blocked", func(string, string, []byte) {
		begin <- struct{}{}
		<-free
		ended.Store(true)
	})
	publish(t, b, "blocked", nil)
	return stop, begin, free, ended
}

// awaits checks that wait returns after release, and not before.
func awaits(t *testing.T, wait func(), release chan<- struct{}, over *atomic.Bool) {
	t.Helper()
	returned := make(chan bool, 1)
	go func() {
		wait()
		returned <- over.Load()
	}()
	select {
	case <-returned:
		t.Error("returned while the callback ran")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if !receive(t, returned, "the end of waiting") {
		t.Error("returned before the callback had")
	}
}

func testStopWaits(t *testing.T, b parley.Bus) {
	stop, began, release, over := blocked(t, b)
	receive(t, began, "the callback")
	awaits(t, stop, release, over)
}

func testCloseWaits(t *testing.T, b parley.Bus) {
	_, began, release, over := blocked(t, b)
	receive(t, began, "the callback")
	awaits(t, func() { _ = b.Close() }, release, over)
}

func testStopWithin(t *testing.T, b parley.Bus) {
	calls := make(chan struct{}, 16)
	handover := make(chan func(), 1)
	stop := subscribe(t, b, "once", func(string, string, []byte) {
		stop := <-handover
		stop()
		calls <- struct{}{}
	})
	handover <- stop
	publish(t, b, "once", nil)
	publish(t, b, "once", nil)
	receive(t, calls, "the call that stops")
	settled(t, b)
	if len(calls) > 0 {
		t.Error("called again after it had stopped itself")
	}
	stop()
}

func testStopTwice(t *testing.T, b parley.Bus) {
	heard := hear(t, b, "twice")
	stop := subscribe(t, b, "twice", func(string, string, []byte) {})
	stop()
	stop()
	publish(t, b, "twice", nil)
	receive(t, heard, "the other subscription's message")
}

func testStopSilences(t *testing.T, b parley.Bus) {
	for range 50 {
		var stopped, late atomic.Bool
		stop := subscribe(t, b, "quiet", func(string, string, []byte) {
			if stopped.Load() {
				late.Store(true)
			}
		})
		for range 20 {
			publish(t, b, "quiet", nil)
		}
		stop()
		stopped.Store(true)
		settled(t, b)
		if late.Load() {
			t.Fatal("called after stop had returned")
		}
	}
}
